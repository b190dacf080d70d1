import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type Outcome, outcome, samebit, samebitWithInput, start } from "./command.ts";

const GREEDY = ["--temp", "0", "-n", "6"];
const TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{{ mood }}|";
const folder = mkdtempSync(join(tmpdir(), "samebit-chat-"));
afterAll(() => rmSync(folder, { recursive: true }));
const templateFile = join(folder, "plain.jinja");
writeFileSync(templateFile, TEMPLATE);

interface Report {
  text: string;
  prompt: string;
  template: string;
  warnings: string[];
  prompt_tokens: number[];
  cached_tokens: number;
  tokens: number[];
  stop_reason: string;
}

describe("samebit chat", () => {
  it("answers one message from -p, a file or a pipe", async () => {
    const args = ["chat", ...GREEDY, "--chat-template", "chatml"];
    const given = await samebit(...args, "-p", "git stash");
    expect([given.code, given.stderr]).toEqual([0, ""]);
    expect(given.stdout.trim()).not.toBe("");
    const file = join(folder, "message.txt");
    writeFileSync(file, "git stash\n");
    const outcomes = [
      await samebit(...args, "-f", file),
      await samebitWithInput("git stash\n", ...args),
    ];
    for (const { stdout } of outcomes) expect(stdout).toBe(given.stdout);
  });

  it("writes the conversation as it is told to", async () => {
    const { code, stdout, stderr } = await samebit(
      ...["chat", ...GREEDY, "--json", "-sys", "Be\\nbrief.", "-p", "Who?"],
      ...["--chat-template", templateFile, "--chat-template-kwargs", '{"mood":"mild"}'],
    );
    expect([code, stderr]).toEqual([0, ""]);
    expect(JSON.parse(stdout)).toMatchObject({
      prompt: "system: Be\nbrief.\nuser: Who?\nmild|",
      template: "given",
      warnings: [],
      cached_tokens: 0,
      stop_reason: "length",
    });
  });

  it("uses the file's template and its variants by name", async () => {
    const args = ["chat", ...GREEDY, "-n", "1", "--json", "-p", "hi"];
    const overrides = [
      ...[
        "--override-kv",
        "tokenizer.chat_template=str:D{{ messages[0].content }}{{ strftime_now('%F') }}",
      ],
      ...["--override-kv", "tokenizer.chat_template.short=str:S{{ messages[0].content }}"],
    ];
    const of = async (...more: string[]): Promise<Report> =>
      JSON.parse((await samebit(...args, ...overrides, ...more)).stdout) as Report;
    expect(await of("--date", "2025-03-04")).toMatchObject({
      prompt: "Dhi2025-03-04",
      warnings: [],
    });
    expect((await of()).warnings).toEqual([
      expect.stringMatching(/^the prompt has the date in it/),
    ]);
    expect((await of("--chat-template", "short")).prompt).toBe("Shi");
  });

  it("says when the model has no template", async () => {
    const { code, stderr } = await samebit("chat", ...GREEDY, "-p", "hi");
    expect(code).toBe(0);
    expect(stderr).toMatch(
      /^samebit: note: tokenizer\.chat_template: .*written as for llama2.*\n$/,
    );
  });

  it("holds a conversation line by line, and evaluates what is new", async () => {
    const { code, stdout, stderr } = await samebitWithInput(
      "git stash\n\n \nand back?\n",
      ...["chat", "-i", ...GREEDY, "--json", "--chat-template", "chatml"],
    );
    expect([code, stderr]).toEqual([0, ""]);
    const [first, second, ...more] = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Report);
    expect(more).toEqual([]);
    expect(second.prompt).toBe(
      `<|im_start|>user\ngit stash<|im_end|>\n<|im_start|>assistant\n${first.text}<|im_end|>\n` +
        "<|im_start|>user\nand back?<|im_end|>\n<|im_start|>assistant\n",
    );
    expect(second.cached_tokens).toBeGreaterThanOrEqual(first.prompt_tokens.length);
  });

  it("goes on without a message that does not fit", async () => {
    const { code, stdout, stderr } = await samebitWithInput(
      `git stash\n${"tar ".repeat(100)}\nand back?\n`,
      ...["chat", "-i", ...GREEDY, "-c", "96", "--json", "--chat-template", "chatml"],
    );
    expect(code).toBe(0);
    expect(stderr).toMatch(
      /^samebit: note: context: expected room for \d+ more tokens.*; the conversation goes on without this message\n$/,
    );
    const [, second, ...more] = stdout.trim().split("\n");
    expect(more).toEqual([]);
    const { prompt } = JSON.parse(second) as Report;
    expect(prompt).toContain("git stash");
    expect(prompt).not.toContain("tar tar");
  });

  it("forgets the oldest messages with --context-shift, not the system's", async () => {
    const { code, stdout, stderr } = await samebitWithInput(
      Array.from({ length: 8 }, (_, i) => `message ${i}\n`).join(""),
      ...["chat", "-i", ...GREEDY, "-sys", "Be brief.", "-c", "160", "--context-shift"],
      ...["--json", "--chat-template", "chatml"],
    );
    expect(code).toBe(0);
    expect(stderr).toMatch(
      /^(samebit: note: the context is full: the \d+ oldest messages are forgotten\n)+$/,
    );
    const reports = stdout.trim().split("\n");
    expect(reports).toHaveLength(8);
    const { prompt } = JSON.parse(reports[7]) as Report;
    expect(prompt).toContain("Be brief.");
    expect(prompt).toContain("message 7");
    expect(prompt).not.toContain("message 0");
  });

  it.each([
    [["--date", "2020-13-01"], 2, /--date: expected YYYY-MM-DD, found "2020-13-01"/],
    [["--chat-template-kwargs", "[1]"], 2, /--chat-template-kwargs: expected a JSON object/],
    [["--chat-template-kwargs", "{"], 2, /--chat-template-kwargs: expected a JSON object/],
    [["--chat-template", "nosuch"], 2, /--chat-template: expected .* found "nosuch"/],
    [["--chat-template", "{{ raise_exception('never') }}"], 1, /messages: expected .* never/],
  ])("refuses %j", async (args, code, message) => {
    const found = await samebit("chat", "-p", "x", ...GREEDY, ...args);
    expect([found.code, found.stdout]).toEqual([code, ""]);
    expect(found.stderr).toMatch(message);
  });

  const ENDLESS = ["--temp", "0", "--ignore-eos", "--context-shift", "--chat-template", "chatml"];

  it("Ctrl-C stops an answer; the conversation goes on with what there is", async () => {
    const child = start("chat", "-i", ...ENDLESS),
      ended = outcome(child);
    child.stdin!.write("git stash\n");
    await once(child.stdout!, "data");
    await once(child.stdout!, "data");
    child.kill("SIGINT");
    // the answer's line ends when it has stopped
    for (;;) if (String((await once(child.stdout!, "data"))[0]).endsWith("\n")) break;
    child.stdin!.write("tar\n");
    await once(child.stdout!, "data");
    child.kill("SIGINT");
    child.stdin!.end();
    expect(await ended).toMatchObject({ code: 0, stderr: "" });
  });

  it("Ctrl-C while it waits for a message leaves", async () => {
    const child = start("chat", "-i", "-p", "hi", ...GREEDY, "--chat-template", "chatml", "-v"),
      ended = outcome(child);
    await once(child.stderr!, "data"); // the timings of the first answer
    expect([0, LEAVING]).toContain((await interrupted(child, ended)).code);
  });

  it("Ctrl-C again and again leaves, whatever it does", async () => {
    const child = start("chat", "-i", "-p", "git stash", ...ENDLESS),
      ended = outcome(child);
    await once(child.stdout!, "data");
    // 130 where the second one came before the answer had stopped
    expect([0, 130, LEAVING]).toContain((await interrupted(child, ended)).code);
  });

  it("Ctrl-C ends a single answer", async () => {
    const child = start("chat", "-p", "git stash", ...ENDLESS),
      ended = outcome(child);
    await once(child.stdout!, "data");
    child.kill("SIGINT");
    expect(await ended).toMatchObject({ code: 130, stderr: "" });
  });
});

/** The code of a process that a signal ended: the last of several came when it had stopped listening. */
const LEAVING = null;

/** Sends SIGINT until the command has ended: one that comes before it listens is lost. */
async function interrupted(child: ChildProcess, ended: Promise<Outcome>): Promise<Outcome> {
  const timer = setInterval(() => child.kill("SIGINT"), 100);
  try {
    return await ended;
  } finally {
    clearInterval(timer);
  }
}
