import { describe, expect, it } from "vitest";
import type { Inspection } from "../../../formats/index.ts";
import { fixture, samebit } from "./command.ts";

describe("samebit inspect", () => {
  it("describes the embedded model", async () => {
    const { code, stdout, stderr } = await samebit("inspect");
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toContain("GGUF version 3, 56 tensors, 26 keys");
    expect(stdout).toMatch(/\n {2}general\.architecture +string +"llama"\n/);
    expect(stdout).toMatch(/\n {2}token_embd\.weight +\S+ +\d+ x 4096 /);
    expect(stdout).toMatch(/\nTypes\n(.*\n)* {2}Q4_K /);
  });

  it("gives the same as JSON", async () => {
    const { code, stdout } = await samebit(
      "inspect",
      "--json",
      "-m",
      fixture("gguf/llama-q4_0.gguf"),
    );
    const { metadata, tensors, types, totals } = JSON.parse(stdout) as Inspection;
    expect(code).toBe(0);
    expect(metadata["general.architecture"]).toEqual({ type: "string", value: "llama" });
    expect(tensors).toHaveLength(totals.tensors);
    expect(types.map(({ type }) => type)).toContain("Q4_0");
    expect(types.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(totals.tensorBytes);
  });

  it("reads split models from any of their files, and projectors", async () => {
    const split = await samebit(
      "inspect",
      "--json",
      "-m",
      fixture("gguf/split-00002-of-00003.gguf"),
    );
    const { files, tensors } = JSON.parse(split.stdout) as Inspection;
    expect([files.length, tensors.length]).toEqual([3, 3]);
    const projector = await samebit("inspect", "-m", fixture("gguf/projector.gguf"));
    expect([projector.code, projector.stderr]).toEqual([0, ""]);
  });

  it("shows overrides", async () => {
    const { stdout } = await samebit(
      "inspect",
      "--json",
      "--override-kv",
      "general.name=str:mine",
      "--override-kv",
      "a.b=int:3",
    );
    const { metadata } = JSON.parse(stdout) as Inspection;
    expect([metadata["general.name"], metadata["a.b"]]).toEqual([
      { type: "string", value: "mine" },
      { type: "i64", value: 3 },
    ]);
  });

  it("fails with one line for a file that is no GGUF", async () => {
    const { code, stdout, stderr } = await samebit("inspect", "-m", "package.json");
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/^samebit: .*expected .*package\.json.*\n$/);
  });
});
