import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { fixture, samebit } from "./command.ts";

interface Report {
  tokens: number[];
  argmax: number[];
  logprobs: number[];
  greedy?: { tokens: number[]; logprobs: number[]; last_logprobs: number[] };
  feed?: { tokens: number[]; argmax: number[]; logprobs: number[] };
  sha256: string;
}

interface Reference {
  tokens: number[];
  argmax_f32: number[];
  margin_f32: number[];
  logprobs: number[];
  logprobs_f32: number[];
  suggested_tol: { f32: number; native: number };
}

const file = fixture("zoo/llama-q4_0.gguf");
const reference = JSON.parse(readFileSync(fixture("zoo/llama-q4_0.json"), "utf8")) as Reference;
const PRECISE = ["--weights", "f32", "--cache-type-k", "f32", "-ctv", "f32"];

async function logits(tokens: readonly number[], ...args: string[]): Promise<Report> {
  const { code, stdout, stderr } = await samebit(
    "logits",
    "-m",
    file,
    "--tokens",
    tokens.join(","),
    "--json",
    ...args,
  );
  expect([code, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout) as Report;
}

const worst = (a: number[], b: number[]) =>
  a.reduce((most, x, i) => Math.max(most, Math.abs(x - b[i])), 0);

describe("samebit logits", () => {
  it("agrees with llama.cpp, precise and as stored", async () => {
    const { tokens, suggested_tol: tolerance } = reference;
    const precise = await logits(tokens, ...PRECISE),
      stored = await logits(tokens);
    expect(worst(precise.logprobs, reference.logprobs_f32)).toBeLessThan(tolerance.f32);
    expect(worst(stored.logprobs, reference.logprobs)).toBeLessThan(tolerance.native);
    const sure = reference.margin_f32.map((margin) => margin > tolerance.f32);
    expect(precise.argmax.filter((_, i) => sure[i])).toEqual(
      reference.argmax_f32.filter((_, i) => sure[i]),
    );
    expect(precise.tokens).toEqual(tokens);
    expect(precise.sha256).not.toBe(stored.sha256);
  });

  it("gives the same hash for all threads and batch sizes, fed at once or one by one", async () => {
    const tokens = reference.tokens.slice(0, 12);
    const whole = await logits(tokens, "-t", "1"),
      other = await logits(tokens, "-t", "3", "-b", "5", "--swa-full");
    expect(other).toEqual(whole);
    const fed = await logits(tokens.slice(0, 7), "--feed", tokens.slice(7).join(","));
    expect(fed.sha256).toBe(whole.sha256);
    expect([...fed.argmax, ...fed.feed!.argmax]).toEqual(whole.argmax);
    expect(fed.feed).toMatchObject({ tokens: tokens.slice(7), logprobs: whole.logprobs });
  });

  it("continues greedily", async () => {
    const tokens = reference.tokens.slice(0, 5),
      { greedy, argmax, logprobs, sha256 } = await logits(tokens, "--greedy", "3");
    expect(greedy!.tokens).toHaveLength(3);
    expect(greedy!.tokens[0]).toBe(argmax[4]);
    expect(greedy!.logprobs[0]).toBe(logprobs[argmax[4]]);
    const whole = await logits([...tokens, ...greedy!.tokens]);
    expect(whole.argmax.slice(4, 7)).toEqual(greedy!.tokens);
    expect(whole.logprobs).toEqual(greedy!.last_logprobs);
    expect(whole.sha256).toBe(sha256);
  });

  it("says what it found in words without --json", async () => {
    const args = ["--tokens", reference.tokens.slice(0, 4).join(","), "--greedy", "2"];
    const { code, stdout } = await samebit("logits", "-m", file, ...args);
    const { greedy, sha256 } = await logits(reference.tokens.slice(0, 4), "--greedy", "2");
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^token -> best next token\n( {2}\d+ ".*" -> \d+ ".*"\n){4}log-probabilities/,
    );
    expect(stdout).toContain(`\n  ${greedy!.logprobs[1].toFixed(6)}  ${greedy!.tokens[1]} "`);
    expect(stdout).toMatch(new RegExp(`\nsha256 ${sha256}\n$`));
  });

  it("fails for tokens that the model does not have", async () => {
    const { code, stdout, stderr } = await samebit("logits", "--tokens", "1,99999", "--json");
    expect([code, stdout, stderr]).toEqual([
      2,
      "",
      "samebit: token 1: expected an id from 0 to 4095, found 99999\n",
    ]);
  });
});
