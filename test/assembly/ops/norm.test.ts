import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { NormKind, NormWord, Word } from "../../../assembly/abi.ts";
import { expectSameBits, Machine, randoms } from "./machine.ts";

let machine: Machine;
beforeAll(async () => {
  machine = await Machine.create();
});
afterAll(() => machine.close());
beforeEach(() => machine.reset());

const f = Math.fround;

/** Eight f64 lanes by index mod 8, combined as NUMERICS.md says. */
function laneSum(values: readonly number[]): number {
  const l = Array(8).fill(0) as number[];
  values.forEach((v, i) => (l[i & 7]! += v));
  return l[0]! + l[4]! + (l[2]! + l[6]!) + (l[1]! + l[5]! + (l[3]! + l[7]!));
}

function normExactly(
  kind: number,
  x: Float32Array,
  eps: number,
  weight?: Float32Array,
  bias?: Float32Array,
): Float32Array {
  const n = x.length;
  const mean = kind === NormKind.layer ? f(laneSum([...x]) / n) : 0;
  const squares = laneSum(Array.from(x, (v) => f(v - mean) ** 2));
  const factor =
    kind === NormKind.l2
      ? f(1 / Math.max(f(Math.sqrt(f(squares))), f(eps)))
      : f(1 / f(Math.sqrt(f(f(squares / n) + f(eps)))));
  return x.map((v, i) => {
    let y = f(f(v - mean) * factor);
    if (weight) y = f(y * weight[i]!);
    return bias ? f(y + bias[i]!) : y;
  });
}

function normPlainly(kind: number, x: Float32Array, eps: number): number[] {
  const n = x.length;
  const mean = kind === NormKind.layer ? x.reduce((s, v) => s + v, 0) / n : 0;
  const squares = x.reduce((s, v) => s + (v - mean) ** 2, 0);
  const factor =
    kind === NormKind.l2 ? 1 / Math.max(Math.sqrt(squares), eps) : 1 / Math.sqrt(squares / n + eps);
  return Array.from(x, (v) => (v - mean) * factor);
}

const kinds: [string, number][] = [
  ["rms", NormKind.rms],
  ["layer", NormKind.layer],
  ["l2", NormKind.l2],
];

for (const [name, kind] of kinds) {
  describe(name, () => {
    const eps = 1e-5;

    it("every width and group, with and without weight and bias, in place", () => {
      const shapes = [
        [1, 1],
        [3, 3],
        [4, 4],
        [6, 6],
        [7, 7],
        [8, 8],
        [9, 9],
        [13, 13],
        [15, 5],
        [64, 16],
        [30, 10],
        [4096, 4096],
        [4096, 128],
        [5005, 5005],
        [9009, 77],
      ] as const;
      for (const [width, group] of shapes) {
        for (const [weighted, biased, perHead] of [
          [false, false, false],
          [true, false, true],
          [true, true, false],
        ]) {
          machine.reset();
          const rows = 3,
            x = randoms(rows * width, width, 2).map((v) => v + 0.5);
          const weightWidth = perHead ? group : width;
          const weight = randoms(weightWidth, 5),
            bias = randoms(weightWidth, 6);
          const a = machine.tensor(rows, width, x, 4),
            dst = machine.tensor(rows, width, undefined, 8);
          const words = {
            [Word.a]: a.address,
            [Word.aStride]: a.stride,
            [NormWord.kind]: kind,
            [NormWord.group]: group,
            [NormWord.weight]: weighted ? machine.vector(weight) : 0,
            [NormWord.bias]: biased ? machine.vector(bias) : 0,
            [NormWord.weightWidth]: weightWidth,
          };
          const found = machine.result("norm", dst, words, { [NormWord.eps]: eps });
          const expected = new Float32Array(rows * width);
          for (let at = 0; at < expected.length; at += group) {
            const start = (at % width) % weightWidth;
            const w = weighted ? weight.slice(start, start + group) : undefined;
            const b = biased ? bias.slice(start, start + group) : undefined;
            expected.set(normExactly(kind, x.slice(at, at + group), eps, w, b), at);
          }
          expectSameBits(found, expected);
          expectSameBits(machine.result("norm", a, words, { [NormWord.eps]: eps }, true), expected);
        }
      }
    });

    it("is right to 1e-6 over 16384 elements, offset included", () => {
      const x = randoms(16384, 9).map((v) => v + 3);
      const a = machine.tensor(1, 16384, x),
        dst = machine.tensor(1, 16384);
      const words = {
        [Word.a]: a.address,
        [Word.aStride]: a.stride,
        [NormWord.kind]: kind,
        [NormWord.group]: 16384,
      };
      const found = machine.result("norm", dst, words, { [NormWord.eps]: eps });
      const expected = normPlainly(kind, x, eps);
      const size = Math.max(...expected.map(Math.abs));
      for (let i = 0; i < x.length; i++)
        expect(Math.abs(found[i]! - expected[i]!)).toBeLessThan(1e-6 * size);
    });
  });
}

describe("l2", () => {
  it("eps is a floor of the length, not a term", () => {
    const a = machine.tensor(1, 4, [0.5, 0, 0, 0]),
      dst = machine.tensor(1, 4);
    const words = {
      [Word.a]: a.address,
      [Word.aStride]: a.stride,
      [NormWord.kind]: NormKind.l2,
      [NormWord.group]: 4,
    };
    expect([...machine.result("norm", dst, words, { [NormWord.eps]: 2 })]).toEqual([0.25, 0, 0, 0]);
  });
});
