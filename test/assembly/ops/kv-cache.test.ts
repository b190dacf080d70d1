import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { KvType } from "../../../assembly/abi.ts";
import { headBytes, rounded, scrambled, TestCache } from "./cache.ts";
import { Machine, randoms } from "./machine.ts";

let machine: Machine;
beforeAll(async () => {
  machine = await Machine.create();
});
afterAll(() => machine.close());
beforeEach(() => machine.reset());

const types: [string, number][] = [
  ["f32", KvType.f32],
  ["f16", KvType.f16],
  ["q8_0", KvType.q8_0],
];

for (const [kName, kType] of types) {
  for (const [vName, vType] of types) {
    it(`stores keys as ${kName} and values as ${vName} in the pages of two sequences`, () => {
      const nHeadKv = 3,
        dimK = 64,
        dimV = 96,
        pages = scrambled(8);
      const sequences = [
        { pages: pages.slice(0, 3), length: 40 },
        { pages: pages.slice(3, 6), length: 33 },
      ];
      // Positions of both sequences, shuffled; some of one page.
      const rows = [
        [0, 0],
        [39, 0],
        [1, 1],
        [16, 0],
        [32, 1],
        [2, 1],
        [15, 0],
      ].map(([position, sequence]) => ({ position: position!, sequence: sequence! }));
      for (const threads of [1, 3]) {
        machine.reset();
        const cache = new TestCache(machine, { nHeadKv, dimK, dimV, kType, vType, nPages: 8 });
        machine.batch(rows, sequences);
        const k = randoms(rows.length * nHeadKv * dimK, 1),
          v = randoms(rows.length * nHeadKv * dimV, 2, 0.01);
        const bytes = headBytes(kType, dimK),
          keysOf = (page: number) =>
            Array.from({ length: nHeadKv }, (_, h) =>
              machine.u8(cache.keysAt(page, h), bytes).slice(),
            );
        const before = pages.slice(6).map(keysOf);
        cache.store(k, v, threads);
        rows.forEach((row, r) => {
          const sequence = sequences[row.sequence]!;
          for (let h = 0; h < nHeadKv; h++) {
            const key = rounded(
              k.slice((r * nHeadKv + h) * dimK, (r * nHeadKv + h + 1) * dimK),
              kType,
            );
            const value = rounded(
              v.slice((r * nHeadKv + h) * dimV, (r * nHeadKv + h + 1) * dimV),
              vType,
            );
            for (let d = 0; d < dimK; d++)
              expect(cache.key(sequence, h, row.position, d)).toBe(key[d]);
            for (let d = 0; d < dimV; d++)
              expect(cache.value(sequence, h, row.position, d)).toBe(value[d]);
          }
        });
        // Pages of nobody stay as they were.
        expect(pages.slice(6).map(keysOf)).toEqual(before);
      }
    });
  }
}

describe("rounding", () => {
  /** What one key and value row of 32 dims becomes. */
  function roundTrip(x: ArrayLike<number>, type: number): [number[], number[]] {
    const cache = new TestCache(machine, {
      nHeadKv: 1,
      dimK: 32,
      dimV: 32,
      kType: type,
      vType: type,
      nPages: 1,
    });
    const sequence = { pages: [0], length: 6 };
    machine.batch([{ position: 5 }], [sequence]);
    cache.store(Float32Array.from(x), Float32Array.from(x));
    const dims = Array.from({ length: 32 }, (_, d) => d);
    return [
      dims.map((d) => cache.key(sequence, 0, 5, d)),
      dims.map((d) => cache.value(sequence, 0, 5, d)),
    ];
  }
  const filled = (...values: number[]): number[] => [
    ...values,
    ...Array<number>(32 - values.length).fill(0),
  ];

  it("f16: ties to even, denormals, overflow", () => {
    const x = filled(
      1 + 2 ** -11,
      1 + 3 * 2 ** -11,
      2 ** -25,
      3 * 2 ** -25,
      6e-8,
      -(2 ** -14),
      65504,
      65519,
      65520,
      -1e9,
    );
    const expected = filled(
      1,
      1 + 2 ** -9,
      0,
      2 ** -23,
      2 ** -24,
      -(2 ** -14),
      65504,
      65504,
      Infinity,
      -Infinity,
    );
    for (const side of roundTrip(x, KvType.f16)) expect(side).toEqual(expected);
  });

  it("f16: positions that hold a zero, a subnormal, an infinity or a NaN are marked, others no more", () => {
    const cache = new TestCache(machine, {
      nHeadKv: 1,
      dimK: 12,
      dimV: 12,
      kType: KvType.f16,
      vType: KvType.f16,
      nPages: 1,
    });
    const sequence = { pages: [0], length: 16 };
    const rows = Array.from({ length: 16 }, (_, position) => ({ position }));
    const normal = randoms(16 * 12, 4).map((x) => x + Math.sign(x) * 0.1);
    const bad = normal.slice();
    const special = [0, 6e-5, -1e-7, Infinity, -Infinity, Number.NaN, 1e6];
    special.forEach((x, i) => (bad[i * 2 * 12 + ((i * 5) % 12)] = x));
    for (const [k, v] of [
      [normal, bad],
      [bad, normal],
    ] as const) {
      machine.batch(rows, [sequence]);
      cache.store(k, v);
      const where = [0, 2, 4, 6, 8, 10, 12];
      expect(cache.marks(cache.keysAt(0, 0))).toEqual(k === bad ? where : []);
      expect(cache.marks(cache.valuesAt(0, 0))).toEqual(v === bad ? where : []);
    }
  });

  it("q8_0: the quants come from the unrounded scale, ties to even, the scale from f16", () => {
    // amax 127: d = 1 exactly, so that halves are ties.
    const x = filled(127, 0.5, 1.5, 2.5, -0.5, -1.5, -126.5, 3.49);
    for (const side of roundTrip(x, KvType.q8_0)) {
      expect(side.map((v) => v + 0)).toEqual(filled(127, 0, 2, 2, 0, -2, -126, 3));
    }
    const y = randoms(32, 8);
    for (const side of roundTrip(y, KvType.q8_0))
      expect(side).toEqual([...rounded(y, KvType.q8_0)]);
  });

  it("q8_0: zeros, blocks too small for a scale, NaN and infinity", () => {
    for (const side of roundTrip(filled(), KvType.q8_0))
      expect(side.every((v) => v === 0)).toBe(true);
    for (const side of roundTrip(filled(1e-39, -1e-40), KvType.q8_0))
      expect(side.every((v) => v === 0)).toBe(true);
    for (const bad of [Number.NaN, Infinity, -Infinity]) {
      for (const side of roundTrip(filled(1, bad, 2), KvType.q8_0))
        expect(side.every(Number.isNaN)).toBe(true);
    }
  });
});
