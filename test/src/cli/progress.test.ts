import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { loadingProgress } from "../../../src/cli/progress.ts";

function run(isTTY: boolean): string {
  const stream = Object.assign(new PassThrough(), {
    isTTY,
    columns: 80,
    cursorTo() {},
    clearLine() {},
  });
  const progress = loadingProgress(stream as unknown as NodeJS.WriteStream);
  for (let done = 0; done <= 4; done++) progress.update(done * 1024 * 1024, 4 * 1024 * 1024);
  progress.stop();
  progress.stop();
  return String(stream.read() ?? "");
}

describe("loadingProgress", () => {
  it("draws a bar on a terminal and gives the cursor back", () => {
    const text = run(true);
    expect(text).toContain("loading");
    expect(text).toContain("4.0 MiB");
    expect(text.lastIndexOf("\x1b[?25h")).toBeGreaterThan(text.lastIndexOf("\x1b[?25l"));
  });

  it("is silent elsewhere", () => {
    expect(run(false)).toBe("");
  });
});
