import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { AddVectorWord, LowRankWord, Word } from "../../../assembly/abi.ts";
import { expectSameBits, Machine, randoms, worstError } from "./machine.ts";

let machine: Machine;
beforeAll(async () => {
  machine = await Machine.create();
});
afterAll(() => machine.close());
beforeEach(() => machine.reset());

const f = Math.fround;

function dot(w: Float32Array, x: Float32Array): number {
  const l = new Float32Array(8);
  w.forEach((v, i) => (l[i & 7] = f(l[i & 7]! + f(v * x[i]!))));
  const s = [0, 1, 2, 3].map((i) => f(l[i]! + l[i + 4]!));
  return f(f(s[0]! + s[1]!) + f(s[2]! + s[3]!));
}

describe("lowRank", () => {
  it("adds scale * up . down . x to the rows of its slot, and to no other", () => {
    for (const [k, rank, width] of [
      [1, 1, 1],
      [7, 3, 5],
      [64, 8, 33],
      [130, 13, 20],
      [12, 4, 8],
    ] as const) {
      machine.reset();
      const rows = 6,
        x = randoms(rows * k, 1),
        y = randoms(rows * width, 2);
      const down = randoms(rank * k, 3),
        up = randoms(width * rank, 4),
        scale = 0.7;
      const adapters = [0, 3, 1, 3, 2, 3];
      machine.batch(adapters.map((adapter, position) => ({ position, adapter })));
      const a = machine.tensor(rows, k, x, 4),
        dst = machine.tensor(rows, width, y, 4);
      const found = machine.result(
        "lowRank",
        dst,
        {
          [Word.a]: a.address,
          [Word.aStride]: a.stride,
          [LowRankWord.down]: machine.vector(down),
          [LowRankWord.up]: machine.vector(up),
          [LowRankWord.rank]: rank,
          [LowRankWord.k]: k,
          [LowRankWord.slot]: 2,
        },
        { [LowRankWord.scale]: scale },
        true,
      );
      const expected = y.slice(),
        plain = [...y];
      adapters.forEach((slot, r) => {
        if (slot !== 3) return;
        const row = x.slice(r * k, (r + 1) * k);
        const t = Float32Array.from({ length: rank }, (_, i) =>
          dot(down.slice(i * k, (i + 1) * k), row),
        );
        for (let m = 0; m < width; m++) {
          const u = up.slice(m * rank, (m + 1) * rank);
          expected[r * width + m] = f(y[r * width + m]! + f(f(scale) * dot(u, t)));
          let sum = 0;
          for (let i = 0; i < rank; i++)
            for (let c = 0; c < k; c++) sum += u[i]! * down[i * k + c]! * row[c]!;
          plain[r * width + m]! += scale * sum;
        }
      });
      expectSameBits(found, expected);
      expect(worstError(found, plain)).toBeLessThan(1e-5);
    }
  });
});

describe("addVector", () => {
  it("adds the vector to every row, or copies", () => {
    for (const width of [3, 64, 4099]) {
      machine.reset();
      const x = randoms(3 * width, 1),
        v = randoms(width, 2);
      const a = machine.tensor(3, width, x, 4),
        dst = machine.tensor(3, width);
      const words = { [Word.a]: a.address, [Word.aStride]: a.stride };
      expectSameBits(machine.result("addVector", dst, words), x);
      const sum = Float32Array.from(x, (y, i) => y + v[i % width]!);
      const vector = { ...words, [AddVectorWord.vector]: machine.vector(v) };
      expectSameBits(machine.result("addVector", dst, vector), sum);
      expectSameBits(machine.result("addVector", a, vector, {}, true), sum);
    }
  });
});
