import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { CopyRunsWord, GroupSumWord, ScaleRunsWord, Word } from "../../../assembly/abi.ts";
import { expectSameBits, Machine, randoms, worstError } from "./machine.ts";

let machine: Machine;
beforeAll(async () => {
  machine = await Machine.create();
});
afterAll(() => machine.close());
beforeEach(() => machine.reset());

const ROWS = 3;
const SHAPES: readonly [group: number, n: number][] = [
  [1, 7],
  [5, 3],
  [64, 2],
  [64, 150],
];

const grid = (width: number, f: (r: number, c: number) => number): Float32Array =>
  Float32Array.from({ length: ROWS * width }, (_, i) => f(Math.floor(i / width), i % width));

it.each(SHAPES)("runs of %d elements, %d of them", (group, n) => {
  const width = group * n;
  const x = randoms(ROWS * width, 1);
  const a = machine.tensor(ROWS, width, x, 4);
  const words = { [Word.a]: a.address, [Word.aStride]: a.stride };

  const sums = machine.result("groupSum", machine.tensor(ROWS, n), {
    ...words,
    [GroupSumWord.group]: group,
  });
  const run = (r: number, c: number): Float32Array =>
    x.subarray(r * width + c * group, r * width + (c + 1) * group);
  expect(
    worstError(
      sums,
      grid(n, (r, c) => run(r, c).reduce((s, v) => s + v, 0)),
    ),
  ).toBeLessThan(1e-5);

  const factors = randoms(ROWS * n, 2);
  const b = machine.tensor(ROWS, n, factors, 4);
  const scaled = machine.result("scaleRuns", machine.tensor(ROWS, width), {
    ...words,
    [ScaleRunsWord.run]: group,
    [ScaleRunsWord.factors]: b.address,
    [ScaleRunsWord.factorsStride]: b.stride,
  });
  const factor = (r: number, c: number): number => factors[r * n + Math.floor(c / group)];
  expectSameBits(
    scaled,
    grid(width, (r, c) => Math.fround(x[r * width + c] * factor(r, c))),
  );

  const start = Math.floor(group / 3);
  const part = Math.ceil(group / 2);
  const slices = machine.result("copyRuns", machine.tensor(ROWS, n * part), {
    ...words,
    [Word.a]: a.address + start * 4,
    [CopyRunsWord.run]: part,
    [CopyRunsWord.fromStep]: group * 4,
    [CopyRunsWord.toStep]: part * 4,
  });
  expectSameBits(
    slices,
    grid(n * part, (r, c) => run(r, Math.floor(c / part))[start + (c % part)]),
  );
});
