import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { fixture, outcome, samebit, samebitWithInput, start } from "./command.ts";

const GREEDY = ["--temp", "0"];
const PROMPT = ["-p", "# git stash", ...GREEDY];
/** Writes until it is stopped. */
const ENDLESS = [...PROMPT, "--ignore-eos", "--context-shift"];

interface Report {
  text: string;
  prompt_tokens: number[];
  tokens: number[];
  seed: number;
  stop_reason: string;
  timings: Record<string, number>;
}

async function report(...args: string[]): Promise<Report> {
  const { code, stdout } = await samebit("run", "--json", ...args);
  expect(code).toBe(0);
  return JSON.parse(stdout) as Report;
}

describe("samebit run", () => {
  it("writes a page with the embedded model", async () => {
    const { code, stdout, stderr } = await samebit("run", ...PROMPT);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^# git stash\n\n> .+\n/);
    const { text, prompt_tokens, tokens, stop_reason, timings } = await report(...PROMPT);
    expect(`# git stash${text}`).toBe(stdout);
    expect(prompt_tokens).toEqual([1, 343, 1207, 430, 646]);
    expect(stop_reason).toBe("end");
    expect(timings.generated_tokens).toBe(tokens.length);
  });

  it("takes the prompt from standard input, without its last line break", async () => {
    const expected = await samebit("run", ...PROMPT, "-n", "8");
    for (const args of [[], ["-f", "-"]]) {
      const { code, stdout } = await samebitWithInput(
        "# git stash\n",
        "run",
        ...GREEDY,
        "-n",
        "8",
        ...args,
      );
      expect([code, stdout]).toEqual([0, expected.stdout]);
    }
  });

  it("leaves the prompt out when asked to", async () => {
    const { stdout } = await samebit("run", ...PROMPT, "-n", "8"),
      short = await samebit("run", ...PROMPT, "-n", "8", "--no-display-prompt");
    expect(`# git stash${short.stdout}`).toBe(stdout);
  });

  it("writes the same for the same seed, and tells a seed that it chose", async () => {
    const args = ["-p", "# tar", "-n", "20", "--temp", "1.5"];
    const chosen = await report(...args);
    const [again, other] = [
      await report(...args, "--seed", String(chosen.seed)),
      await report(...args, "--seed", String(chosen.seed + 1)),
    ];
    expect(again.text).toBe(chosen.text);
    expect(other.text).not.toBe(chosen.text);
  });

  it("stops before a text, after -n tokens, and when the context is full", async () => {
    const stopped = await report(...PROMPT, "-r", "\\n\\n> ", "-r", "never");
    expect([stopped.stop_reason, stopped.text]).toEqual(["stop", ""]);
    const counted = await report(...PROMPT, "-n", "5");
    expect([counted.stop_reason, counted.tokens.length]).toEqual(["length", 5]);
    const full = await samebit("run", ...PROMPT, "--json", "-c", "20", "--ignore-eos");
    // 20 places, 5 for the prompt; the last token needs none
    expect(JSON.parse(full.stdout)).toMatchObject({
      stop_reason: "context",
      tokens: { length: 16 },
    });
    expect(full.stderr).toMatch(/^samebit: note: the context of 20 tokens is full; .*\n$/);
  });

  it("fails after the text when -n tokens do not fit, unless the context may shift", async () => {
    const { code, stdout, stderr } = await samebit(
      "run",
      ...PROMPT,
      "-c",
      "20",
      "--ignore-eos",
      "-n",
      "40",
    );
    expect(code).toBe(1);
    expect(stdout.length).toBeGreaterThan(20);
    expect(stderr).toMatch(/^samebit: context: expected room .*--context-shift\n$/);
    const shifted = await report(
      ...PROMPT,
      "-c",
      "20",
      "--ignore-eos",
      "-n",
      "40",
      "--context-shift",
      "--keep",
      "4",
    );
    expect([shifted.stop_reason, shifted.tokens.length]).toEqual(["length", 40]);
  });

  it("hears sampling options", async () => {
    const plain = await report(...PROMPT, "-n", "1");
    const biased = await report(...PROMPT, "-n", "1", "-l", `${plain.tokens[0]}-inf`);
    expect(biased.tokens).not.toEqual(plain.tokens);
    const only = await report(
      "-p",
      "# git stash",
      "-n",
      "3",
      "--top-k",
      "1",
      "--samplers",
      "top_k",
    );
    expect(only.tokens).toEqual((await report(...PROMPT, "-n", "3")).tokens);
  });

  it("prints timings with -v", async () => {
    const { stderr } = await samebit("run", ...PROMPT, "-n", "3", "-v", "-t", "1");
    expect(stderr).toMatch(
      /^samebit: load .* prompt 5 tokens .* text 3 tokens .* seed -?\d+, 1 threads, kernels \w+\n$/,
    );
  });

  it("ends quietly when its reader goes away", async () => {
    const child = start("run", ...ENDLESS);
    const ended = outcome(child);
    await once(child.stdout!, "data");
    child.stdout!.destroy();
    expect(await ended).toMatchObject({ code: 0, stderr: "" });
  });

  it("shows what there is when interrupted", async () => {
    const child = start("run", ...ENDLESS),
      ended = outcome(child);
    await once(child.stdout!, "data");
    await once(child.stdout!, "data");
    child.kill("SIGINT");
    const { code, stdout, stderr } = await ended;
    expect([code, stderr]).toEqual([130, ""]);
    expect(stdout).toMatch(/^# git stash\n/);
  });

  it("says so in its JSON", async () => {
    // An unknown splitting rule is noted when the model is loaded: now it writes.
    const child = start(
      "run",
      "-m",
      fixture("zoo/starcoder2.gguf"),
      "--override-kv",
      "tokenizer.ggml.pre=str:none",
      ...ENDLESS,
      "--json",
    );
    const ended = outcome(child);
    await once(child.stderr!, "data");
    child.kill("SIGINT");
    const { code, stdout, stderr } = await ended;
    expect(code).toBe(130);
    expect(stderr).toMatch(/^samebit: note: tokenizer\.ggml\.pre: .*\n$/);
    expect(JSON.parse(stdout)).toMatchObject({ stop_reason: "interrupted" });
  });

  it("ends when interrupted while it loads", async () => {
    const child = start("run", ...ENDLESS, "--no-display-prompt", "-ngl", "1");
    const ended = outcome(child);
    await once(child.stderr!, "data"); // the note about -ngl comes first
    child.kill("SIGINT");
    expect(await ended).toMatchObject({
      code: 130,
      stderr: expect.stringMatching(/^samebit: note: .*\n$/),
    });
  });

  it("ends at the second interrupt at the latest", async () => {
    const child = start("run", ...ENDLESS),
      ended = outcome(child);
    await once(child.stdout!, "data");
    child.kill("SIGINT");
    child.kill("SIGINT");
    expect(await ended).toMatchObject({ code: 130, stderr: "" });
  });
});
