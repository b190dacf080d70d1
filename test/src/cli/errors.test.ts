import { afterEach, describe, expect, it, vi } from "vitest";
import { describeFailure, reportFailure, UsageError } from "../../../src/cli/errors.ts";
import { ContextFullError, MemoryError, OptionError } from "../../../src/errors.ts";
import { SamplingError } from "../../../src/sampling/error.ts";

describe("describeFailure", () => {
  it.each([
    [new UsageError("--x: expected 1, found 2"), "--x: expected 1, found 2", 2],
    [new OptionError("nCtx: expected 1, found 0"), "--ctx-size: expected 1, found 0", 2],
    [new SamplingError("topNSigma", "1", "0"), "--top-nsigma: expected 1, found 0", 2],
    [new SamplingError("logits", "numbers", "NaN"), "logits: expected numbers, found NaN", 1],
    [
      new MemoryError("memory: expected less,\n  found more"),
      "memory: expected less, found more",
      1,
    ],
    [
      new ContextFullError(
        'context: expected room, found none; use nCtx or onContextFull: "shift"',
      ),
      "context: expected room, found none; " +
        "use a larger context (-c), fewer tokens or, in run and chat, --context-shift",
      1,
    ],
    [
      new ContextFullError("context: expected room, found none; use nCtx"),
      "context: expected room, found none; use a larger context (-c) or fewer tokens",
      1,
    ],
    [
      new TypeError("x is undefined"),
      "internal error: x is undefined; please report it with the stack that SAMEBIT_DEBUG=1 shows",
      1,
    ],
    ["text", "text", 1],
  ])("%s", (error, message, exitCode) => {
    expect(describeFailure(error)).toEqual({ message, exitCode });
  });
});

describe("reportFailure", () => {
  afterEach(() => {
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
  });

  function lines(debug: string): string {
    let text = "";
    vi.stubEnv("SAMEBIT_DEBUG", debug);
    vi.spyOn(process.stderr, "write").mockImplementation(
      (chunk) => ((text += String(chunk)), true),
    );
    reportFailure(new Error("broken"));
    return text;
  }

  it("prints one line", () => {
    expect(lines("")).toBe("samebit: broken\n");
  });

  it("adds the stack for SAMEBIT_DEBUG=1", () => {
    expect(lines("1")).toMatch(/^samebit: broken\nError: broken\n +at /);
  });
});
