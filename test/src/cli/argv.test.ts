import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { normaliseArgv } from "../../../src/cli/argv.ts";
import { UsageError } from "../../../src/cli/errors.ts";
import { addEngineOptions, addModelOptions } from "../../../src/cli/options.ts";

function program(): Command {
  const made = new Command("samebit");
  const run = made.command("run").option("-p, --prompt <TEXT>").option("-n, --n-predict <N>");
  addModelOptions(run);
  addEngineOptions(run);
  return made;
}

describe("normaliseArgv", () => {
  it.each([
    ["run -ngl 99 -n 5", "run --n-gpu-layers 99 -n 5"],
    ["run --gpu-layers=99 --predict 5", "run --n-gpu-layers=99 --n-predict 5"],
    ["run -fa on -ctk f32 -ctv q8_0", "run --flash-attn on --cache-type-k f32 --cache-type-v q8_0"],
    ["run -fa -n -1", "run --flash-attn -n -1"],
    ["run -n5 -t2", "run -n5 -t2"],
    ["run -- -fa", "run -- -fa"],
    ["--version", "--version"],
    ["other -fa", "other -fa"],
  ])("%s -> %s", (given, expected) => {
    expect(normaliseArgv(given.split(" "), program())).toEqual(expected.split(" "));
  });

  it("leaves values alone that look like options", () => {
    const args = ["run", "-p", "-ngl", "--prompt=-fa=x", "-m", "--predict"];
    expect(normaliseArgv(args, program())).toEqual(args);
  });

  it("keeps line breaks in values", () => {
    const args = ["run", "-p", "a\n=b", "--prompt=a\nb=c"];
    expect(normaliseArgv(args, program())).toEqual(args);
  });

  it("refuses unknown options of several letters", () => {
    expect(() => normaliseArgv(["run", "-nope"], program())).toThrow(UsageError);
    expect(() => normaliseArgv(["run", "-sys", "x"], program())).toThrow("unknown option '-sys'");
    expect(normaliseArgv(["run", "--temperature", "x"], program())[1]).toBe("--temperature");
  });
});
