// Runs of a row, vectors of experts, and the gates and factors that single architectures need.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  BinaryKind,
  ClampedGateWord,
  CopyRunsWord,
  ExpertRowWord,
  GaussianTopKWord,
  MagnitudeWord,
  ScaleRunsWord,
  TemperatureWord,
  UnaryKind,
  UnaryWord,
  Word,
} from "../../../assembly/abi.ts";
import { clampedGate } from "../../reference/activations.ts";
import { expectSameBits, Machine, randoms, type Tensor, worstError } from "./machine.ts";

const f = Math.fround;
let machine: Machine;
beforeAll(async () => {
  machine = await Machine.create();
});
afterAll(() => machine.close());
beforeEach(() => machine.reset());

const input = (t: Tensor) => ({ [Word.a]: t.address, [Word.aStride]: t.stride });

describe("copyRuns", () => {
  it.each([
    ["a slice of every run", 3, 5, { fromStart: 2, fromStep: 9, toStart: 0, toStep: 5, width: 15 }],
    ["one run repeated", 4, 7, { fromStart: 0, fromStep: 0, toStart: 0, toStep: 7, width: 28 }],
    [
      "a part of a wider row",
      3,
      4,
      { fromStart: 0, fromStep: 4, toStart: 3, toStep: 10, width: 30 },
    ],
    [
      "runs longer than a piece",
      2,
      5000,
      { fromStart: 1, fromStep: 5003, toStart: 0, toStep: 5000, width: 10000 },
    ],
  ])("%s", (_, n, run, { fromStart, fromStep, toStart, toStep, width }) => {
    const rows = 5;
    const aWidth = fromStart + Math.max(fromStep, run) * (n - 1) + run;
    const x = randoms(rows * aWidth, 3);
    const a = machine.tensor(rows, aWidth, x, 4);
    for (const threads of [1, 3]) {
      const dst = machine.tensor(rows, width, new Float32Array(rows * width).fill(7));
      machine.run(
        "copyRuns",
        {
          [Word.rows]: rows,
          [Word.dst]: dst.address + toStart * 4,
          [Word.dstStride]: dst.stride,
          [Word.a]: a.address + fromStart * 4,
          [Word.aStride]: a.stride,
          [Word.width]: n * run,
          [CopyRunsWord.run]: run,
          [CopyRunsWord.fromStep]: fromStep * 4,
          [CopyRunsWord.toStep]: toStep * 4,
        },
        {},
        threads,
      );
      const expected = new Float32Array(rows * width).fill(7);
      for (let r = 0; r < rows; r++) {
        for (let i = 0; i < n; i++) {
          const from = r * aWidth + fromStart + i * fromStep;
          expected.set(x.subarray(from, from + run), r * width + toStart + i * toStep);
        }
      }
      expectSameBits(machine.read(dst), expected);
    }
  });
});

describe("scaleRuns", () => {
  it.each([
    [1, 6],
    [3, 5],
    [8, 64],
    [2, 5001],
  ])("%d runs of %d", (n, run) => {
    const rows = 6,
      width = n * run;
    const x = randoms(rows * width, 1),
      factors = randoms(rows * n, 2);
    const a = machine.tensor(rows, width, x, 8),
      t = machine.tensor(rows, n, factors);
    const found = machine.result("scaleRuns", machine.tensor(rows, width, undefined, 4), {
      ...input(a),
      [ScaleRunsWord.run]: run,
      [ScaleRunsWord.factors]: t.address,
      [ScaleRunsWord.factorsStride]: t.stride,
    });
    const factor = (i: number) =>
      factors[Math.floor(i / width) * n + Math.floor((i % width) / run)]!;
    expectSameBits(
      found,
      x.map((v, i) => v * factor(i)),
    );
  });
});

describe("magnitude", () => {
  it.each([
    [1, 4],
    [3, 7],
    [2, 5001],
  ])("%d runs of %d", (n, run) => {
    const rows = 4,
      x = randoms(rows * n * run, 5);
    const a = machine.tensor(rows, n * run, x, 4);
    const found = machine.result("magnitude", machine.tensor(rows, n), {
      ...input(a),
      [MagnitudeWord.run]: run,
    });
    const expected = Array.from({ length: rows * n }, (_, i) =>
      Math.sqrt(x.subarray(i * run, (i + 1) * run).reduce((sum, v) => sum + v * v, 0)),
    );
    expect(worstError(found, expected)).toBeLessThan(2e-7);
  });
});

describe("gaussianTopK", () => {
  it.each([4, 63, 5001])("width %d", (width) => {
    const rows = 3,
      x = randoms(rows * width, 6),
      multiplier = f(0.7);
    const a = machine.tensor(rows, width, x, 4);
    const found = machine.result("gaussianTopK", machine.tensor(rows, width), input(a), {
      [GaussianTopKWord.multiplier]: multiplier,
    });
    const expected = Array.from({ length: rows }, (_, r) => {
      const row = [...x.subarray(r * width, (r + 1) * width)];
      const mean = row.reduce((sum, v) => sum + v, 0) / width;
      const deviation = Math.sqrt(row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (width - 1));
      return row.map((v) => Math.max(v - (mean + multiplier * deviation), 0));
    }).flat();
    expect(worstError(found, expected)).toBeLessThan(3e-7);
    expect(found.some((v) => v === 0)).toBe(true);
    expect(found.some((v) => v > 0)).toBe(true);
  });
});

describe("clampedGate and clamp", () => {
  it.each([1, 6, 130, 4099])("width %d", (width) => {
    const rows = 3,
      limit = 7;
    const x = randoms(rows * width, 7, 8),
      y = randoms(rows * width, 8, 8);
    const a = machine.tensor(rows, width, x, 4),
      b = machine.tensor(rows, width, y);
    const words = {
      ...input(a),
      [ClampedGateWord.b]: b.address,
      [ClampedGateWord.bStride]: b.stride,
    };
    const dst = machine.tensor(rows, width);
    const found = machine.result("clampedGate", dst, words, { [ClampedGateWord.limit]: limit });
    expect(
      worstError(
        found,
        x.map((g, i) => clampedGate(g, y[i]!, limit)),
      ),
    ).toBeLessThan(1e-6);
    const clamped = machine.result(
      "unary",
      dst,
      { ...input(a), [UnaryWord.kind]: UnaryKind.clamp },
      { [UnaryWord.param]: 2.5 },
    );
    expectSameBits(
      clamped,
      x.map((v) => Math.min(Math.max(v, -2.5), 2.5)),
    );
  });

  it("keep a NaN", () => {
    const a = machine.tensor(1, 5, new Float32Array([NaN, 1, 2, 3, NaN])),
      one = machine.tensor(1, 5, new Float32Array(5).fill(1));
    const dst = machine.tensor(1, 5);
    const clamped = machine.result(
      "unary",
      dst,
      { ...input(a), [UnaryWord.kind]: UnaryKind.clamp },
      { [UnaryWord.param]: 1 },
    );
    expect([...clamped].map(Number.isNaN)).toEqual([true, false, false, false, true]);
    for (const [gate, up] of [
      [a, one],
      [one, a],
    ]) {
      const words = {
        ...input(gate!),
        [ClampedGateWord.b]: up!.address,
        [ClampedGateWord.bStride]: up!.stride,
      };
      const gated = machine.result("clampedGate", dst, words, { [ClampedGateWord.limit]: 7 });
      expect([...gated].map(Number.isNaN)).toEqual([true, false, false, false, true]);
    }
  });

  it("scaleBy reads its factor from memory", () => {
    const a = machine.tensor(2, 7, randoms(14, 9)),
      factor = machine.tensor(1, 1, new Float32Array([0.3]));
    const words = {
      ...input(a),
      [UnaryWord.kind]: UnaryKind.scaleBy,
      [UnaryWord.param]: factor.address,
    };
    expectSameBits(
      machine.result("unary", machine.tensor(2, 7), words),
      randoms(14, 9).map((v) => v * f(0.3)),
    );
  });
});

describe("expertRow", () => {
  it.each([
    [1, 8],
    [3, 7],
    [2, 5001],
  ])("%d slots of %d", (nUsed, width) => {
    const rows = 5,
      nExpert = 4;
    const x = randoms(rows * nUsed * width, 11);
    const ids = Uint32Array.from({ length: rows * nUsed }, (_, i) => (i * 7 + 1) % nExpert);
    const a = machine.tensor(rows, nUsed * width, x, 4);
    const idAddress = machine.words([...ids]);
    const words = {
      ...input(a),
      [ExpertRowWord.slotWidth]: width,
      [ExpertRowWord.ids]: idAddress,
      [ExpertRowWord.idsStride]: nUsed * 4,
    };
    const dst = machine.tensor(rows, nUsed * width);
    const bias = randoms(nExpert * width, 12),
      factors = randoms(nExpert, 13);
    const added = machine.result("expertRow", dst, {
      ...words,
      [ExpertRowWord.kind]: BinaryKind.add,
      [ExpertRowWord.b]: machine.tensor(1, bias.length, bias).address,
      [ExpertRowWord.bWidth]: width,
    });
    const expertOf = (i: number) => ids[Math.floor(i / width)]!;
    expectSameBits(
      added,
      x.map((v, i) => v + bias[expertOf(i) * width + (i % width)]!),
    );
    const scaled = machine.result("expertRow", dst, {
      ...words,
      [ExpertRowWord.kind]: BinaryKind.mul,
      [ExpertRowWord.b]: machine.tensor(1, nExpert, factors).address,
      [ExpertRowWord.bWidth]: 1,
    });
    expectSameBits(
      scaled,
      x.map((v, i) => v * factors[expertOf(i)]!),
    );
  });
});

describe("eachExpert", () => {
  it("gives every row all experts in order", () => {
    const rows = 5,
      nUsed = 6,
      dst = machine.tensor(rows, nUsed);
    const words = {
      [Word.rows]: rows,
      [Word.dst]: dst.address,
      [Word.dstStride]: dst.stride,
      [Word.width]: nUsed,
    };
    for (const threads of [1, 3]) {
      machine.clear(dst);
      machine.run("eachExpert", words, {}, threads);
      for (let r = 0; r < rows; r++) {
        expect([...machine.u32(dst.address + r * dst.stride, nUsed)]).toEqual([0, 1, 2, 3, 4, 5]);
      }
    }
  });
});

describe("temperature", () => {
  it.each([
    [8192, 1, 0.1],
    [16, 0, 0.25],
  ])("floor %d, offset %d, scale %f", (floor, offset, scale) => {
    const positions = [0, 1, 15, 16, 8190, 8191, 8192, 100_000, 1_048_575];
    machine.batch(positions.map((position) => ({ position })));
    const dst = machine.tensor(positions.length, 1);
    const found = machine.result(
      "temperature",
      dst,
      {},
      {
        [TemperatureWord.scale]: scale,
        [TemperatureWord.floor]: floor,
        [TemperatureWord.offset]: offset,
      },
    );
    expect(
      worstError(
        found,
        positions.map((p) => Math.log(Math.floor((p + offset) / floor) + 1) * f(scale) + 1),
      ),
    ).toBeLessThan(1.5e-7);
  });
});
