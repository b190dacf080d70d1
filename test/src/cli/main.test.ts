// What every command has in common: exit codes, messages, help.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { fixture, main, root, samebit } from "./command.ts";

describe("samebit", () => {
  it("prints its version", async () => {
    const { version } = JSON.parse(readFileSync(`${root}package.json`, "utf8")) as {
      version: string;
    };
    expect(await samebit("--version")).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
  });

  it("prints its help and asks for a command when there is none", async () => {
    const { code, stdout, stderr } = await samebit();
    expect([code, stdout]).toEqual([2, ""]);
    for (const command of ["run", "inspect", "tokenize", "logits", "bench"])
      expect(stderr).toContain(`\n  ${command} `);
  });

  it.each(["run", "inspect", "tokenize", "logits", "bench"])(
    "%s --help tells its options",
    async (command) => {
      const { code, stdout, stderr } = await samebit(command, "--help");
      expect([code, stderr]).toEqual([0, ""]);
      expect(stdout).toContain(`Usage: samebit ${command} [options]`);
      expect(stdout).toContain("-m, --model <FILE>");
      expect(stdout).toContain("--override-kv <KEY=TYPE:VALUE>");
    },
  );

  it.each([
    [["rnu"], "unknown command 'rnu' (did you mean run?); see samebit --help"],
    [["run", "--tmp", "1"], "unknown option '--tmp' (did you mean --temp?); see samebit --help"],
    [["run", "-xyz"], "unknown option '-xyz'; see samebit run --help"],
    [["run", "-n"], "option '-n, --n-predict <N>' argument missing; see samebit --help"],
    [
      ["inspect", "extra"],
      "inspect: expected no argument beside options (-m FILE), found 1; see samebit inspect --help",
    ],
    [["split", "a", "b", "c"], "split: expected 2 arguments, found 3; see samebit split --help"],
    [
      ["run", "-n", "many", "-p", "x"],
      '--n-predict: expected an integer from -2 to 2147483647, found "many"',
    ],
    [["run", "--threads=0", "-p", "x"], '--threads: expected an integer from 1 to 128, found "0"'],
    [
      ["run", "-ctk", "q4_0", "-p", "x"],
      '--cache-type-k: expected one of f32, f16, q8_0, found "q4_0"',
    ],
    [["run", "--temp", "hot", "-p", "x"], '--temp: expected a number, found "hot"'],
    [["run", "--top-p", "2", "-p", "x"], "--top-p: expected a number from 0 to 1, found 2"],
    [["run", "-l", "5", "-p", "x"], '--logit-bias: expected TOKEN+BIAS or TOKEN-BIAS, found "5"'],
    [["run", "-p", "x", "-f", "y"], "prompt: expected either --prompt or --file, found both"],
    [["logits"], "--tokens: expected token ids, found none; tokenize shows those of a text"],
    [
      ["logits", "--tokens", "1,,2"],
      '--tokens: expected token ids separated by commas, found "1,,2"',
    ],
    [
      ["logits", "--tokens", "1", "--feed", "2", "--greedy", "3"],
      "--feed: expected no --greedy beside it, found both",
    ],
    [["bench", "-p", "0", "-n", "0"], "--n-prompt: expected it or --n-gen above 0, found both 0"],
    [
      ["tokenize", "--stdin-json", "-p", "x"],
      "--stdin-json: expected no other text, found --prompt or --file",
    ],
    [
      ["run", "--mmproj", "eyes.gguf", "-p", "x"],
      "--mmproj: expected no multimodal projector, found eyes.gguf; " +
        "images are not supported: leave it out",
    ],
  ])("%j is wrong usage", async (args, message) => {
    expect(await samebit(...args)).toEqual({
      code: 2,
      stdout: "",
      stderr: `samebit: ${message}\n`,
    });
  });

  it.each(["run -p x", "inspect", "tokenize -p x", "logits --tokens 1", "bench"])(
    "%s takes --override-kv",
    async (line) => {
      const { code, stderr } = await samebit(...line.split(" "), "--override-kv", "general.name");
      expect(code).toBe(2);
      expect(stderr).toMatch(
        /^samebit: --override-kv: expected KEY=TYPE:VALUE .*found "general.name".*\n$/,
      );
    },
  );

  it.each(["run -p x", "inspect", "tokenize -p x", "logits --tokens 1", "bench"])(
    "%s fails for a file that is absent",
    async (line) => {
      const { code, stdout, stderr } = await samebit(...line.split(" "), "-m", "absent.gguf");
      expect({ code, stdout, stderr }).toEqual({
        code: 1,
        stdout: "",
        stderr:
          "samebit: absent.gguf: expected a readable file, found no such file; check the path\n",
      });
    },
  );

  it.each(["run -p x", "tokenize -p x", "logits --tokens 1"])(
    "%s refuses a multimodal projector",
    async (line) => {
      const { code, stdout, stderr } = await samebit(
        ...line.split(" "),
        "-m",
        fixture("gguf/projector.gguf"),
      );
      expect([code, stdout]).toEqual([1, ""]);
      expect(stderr).toMatch(
        /^samebit: model file: expected .*, found a multimodal projector; give the .*\n$/,
      );
    },
  );

  it.skipIf(!existsSync("/dev/full"))("says that its output cannot be written", async () => {
    const full = openSync("/dev/full", "w");
    for (const args of [["--help"], ["inspect", "--json"]]) {
      const child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", full, "pipe"] });
      let stderr = "";
      child.stderr!.on("data", (text) => void (stderr += String(text)));
      const [code] = (await once(child, "close")) as [number];
      expect(code).toBe(1);
      expect(stderr).toMatch(/^samebit: standard output: expected to be written, found: .*\n$/);
    }
    closeSync(full);
  });

  it("notes options of llama.cpp that mean nothing here", async () => {
    const { code, stderr } = await samebit(
      "inspect",
      "-ngl",
      "99",
      "-fa",
      "on",
      "--no-mmap",
      "--mlock",
    );
    expect(code).toBe(0);
    expect(
      stderr
        .trimEnd()
        .split("\n")
        .map((line) => /^samebit: note: (--\S+)/.exec(line)?.[1]),
    ).toEqual(["--n-gpu-layers", "--mmap", "--flash-attn", "--mlock"]);
  });
});
