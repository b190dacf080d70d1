import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ExpertSortWord, ExpertSumWord, Gating, RouteWord, Word } from "../../../assembly/abi.ts";
import { expectSameBits, Machine, randoms, worstError, type Tensor } from "./machine.ts";

let machine: Machine;
beforeAll(async () => {
  machine = await Machine.create();
});
afterAll(() => machine.close());
beforeEach(() => machine.reset());

interface Routing {
  readonly nUsed: number;
  readonly gating: number;
  readonly bias?: readonly number[];
  readonly normalise?: boolean;
  readonly scale?: number;
  readonly nGroup?: number;
  readonly nGroupUsed?: number;
}

function route(
  r: Routing,
  nExpert: number,
  logits: ArrayLike<number>,
): { ids: number[][]; weights: number[][] } {
  const rows = logits.length / nExpert;
  const a = machine.tensor(rows, nExpert, logits, 4);
  const ids = machine.tensor(rows, r.nUsed, undefined, 4),
    weights = machine.tensor(rows, r.nUsed, undefined, 4);
  // Ids compare as bits, like floats.
  machine.result(
    "route",
    ids,
    {
      [Word.a]: a.address,
      [Word.aStride]: a.stride,
      [Word.width]: nExpert,
      [RouteWord.nUsed]: r.nUsed,
      [RouteWord.gating]: r.gating,
      [RouteWord.bias]: r.bias ? machine.vector(r.bias) : 0,
      [RouteWord.normalise]: r.normalise ? 1 : 0,
      [RouteWord.nGroup]: r.nGroup ?? 0,
      [RouteWord.nGroupUsed]: r.nGroupUsed ?? 0,
      [RouteWord.weights]: weights.address,
    },
    { [RouteWord.scale]: r.scale ?? 1 },
  );
  const w = machine.read(weights),
    each = Array.from({ length: rows }, (_, i) => i);
  return {
    ids: each.map((i) => [...machine.u32(ids.address + i * ids.stride, r.nUsed)]),
    weights: each.map((i) => [...w.slice(i * r.nUsed, (i + 1) * r.nUsed)]),
  };
}

/** The same in f64. */
function plainRoute(r: Routing, logits: readonly number[]): { ids: number[]; weights: number[] } {
  const softmax = (x: readonly number[]): number[] => {
    const top = Math.max(...x),
      e = x.map((v) => Math.exp(v - top)),
      sum = e.reduce((s, v) => s + v, 0);
    return e.map((v) => v / sum);
  };
  const gates =
    r.gating === Gating.softmax
      ? softmax(logits)
      : r.gating === Gating.sigmoid
        ? logits.map((x) => 1 / (1 + Math.exp(-x)))
        : r.gating === Gating.sqrtSoftplus
          ? logits.map((x) => Math.sqrt(Math.log1p(Math.exp(x))))
          : [...logits];
  const selectors = gates.map((g, e) => g + (r.bias?.[e] ?? 0));
  const { nGroup = 1, nGroupUsed = 1 } = r,
    size = logits.length / nGroup;
  const best = Array.from({ length: nGroup }, (_, g) => {
    const [x, y = 0] = selectors.slice(g * size, (g + 1) * size).sort((a, b) => b - a);
    return { g, score: x! + y };
  })
    .sort((a, b) => b.score - a.score)
    .slice(0, nGroupUsed)
    .map((x) => x.g);
  const ids = selectors
    .map((_, e) => e)
    .filter((e) => nGroup === 1 || best.includes(Math.floor(e / size)))
    .sort((a, b) => selectors[b]! - selectors[a]! || a - b)
    .slice(0, r.nUsed);
  let weights = ids.map((e) => gates[e]!);
  if (r.gating === Gating.softmaxOfSelected) weights = softmax(weights);
  const sum = r.normalise
    ? Math.max(
        weights.reduce((s, v) => s + v, 0),
        6.103515625e-5,
      )
    : 1;
  return { ids, weights: weights.map((w) => (w / sum) * (r.scale ?? 1)) };
}

describe("route", () => {
  const gatings: [string, number][] = Object.entries(Gating).filter(
    (e): e is [string, number] => typeof e[1] === "number",
  );
  for (const [name, gating] of gatings) {
    it(`${name}: selection and weights`, () => {
      const shapes: (Routing & { nExpert: number })[] = [
        { gating, nExpert: 8, nUsed: 2 },
        { gating, nExpert: 1, nUsed: 1 },
        { gating, nExpert: 60, nUsed: 4, normalise: true },
        { gating, nExpert: 33, nUsed: 33, normalise: true, scale: 2.5 },
        { gating, nExpert: 16, nUsed: 3, bias: [...randoms(16, 4)], normalise: true },
        {
          gating,
          nExpert: 64,
          nUsed: 6,
          nGroup: 8,
          nGroupUsed: 3,
          bias: [...randoms(64, 5)],
          scale: 16,
        },
        { gating, nExpert: 6, nUsed: 2, nGroup: 6, nGroupUsed: 4 },
      ];
      for (const { nExpert, ...r } of shapes) {
        machine.reset();
        const logits = randoms(11 * nExpert, nExpert, 2),
          found = route(r, nExpert, logits);
        for (let row = 0; row < 11; row++) {
          const expected = plainRoute(r, [...logits.slice(row * nExpert, (row + 1) * nExpert)]);
          expect(found.ids[row]).toEqual(expected.ids);
          expect(worstError(found.weights[row]!, expected.weights)).toBeLessThan(1e-6);
        }
      }
    });
  }

  it("ties go to the lower id, also among groups", () => {
    expect(route({ gating: Gating.softmax, nUsed: 3 }, 5, [1, 2, 1, 2, 1]).ids).toEqual([
      [1, 3, 0],
    ]);
    const grouped = { gating: Gating.sigmoid, nUsed: 2, nGroup: 3, nGroupUsed: 1 };
    expect(route(grouped, 6, [1, 0, 0, 1, 1, 0]).ids).toEqual([[0, 1]]);
  });

  it("the bias selects and does not weigh", () => {
    const found = route({ gating: Gating.sigmoid, nUsed: 1, bias: [0, 10, 0] }, 3, [3, -2, 1]);
    expect(found.ids).toEqual([[1]]);
    expect(found.weights[0]![0]).toBeCloseTo(1 / (1 + Math.exp(2)), 6);
  });

  it("normalises by no less than 6.1e-5", () => {
    const found = route({ gating: Gating.sigmoid, nUsed: 2, normalise: true }, 2, [-20, -20]);
    expect(found.weights[0]![0]! / (1 / (1 + Math.exp(20)) / 6.103515625e-5)).toBeCloseTo(1, 5);
  });

  it("NaN logits give valid distinct ids and NaN weights", () => {
    for (const gating of [Gating.softmax, Gating.sigmoid]) {
      const found = route({ gating, nUsed: 4, bias: [0, 0, 0, 0] }, 4, Array(4).fill(Number.NaN));
      expect(found.ids).toEqual([[0, 1, 2, 3]]);
      expect(found.weights[0]!.every(Number.isNaN)).toBe(true);
    }
  });
});

describe("expertSort", () => {
  function sort(ids: readonly (readonly number[])[], nExpert: number, tileColumns: number) {
    const nUsed = ids[0]!.length,
      pairs = ids.length * nUsed,
      maxTiles = Math.min(pairs, Math.floor(pairs / tileColumns) + nExpert);
    const a = machine.tensor(ids.length, nUsed, undefined, 4);
    ids.forEach((row, r) => machine.u32(a.address + r * a.stride, nUsed).set(row));
    const bytes = 8 + 4 * maxTiles * (1 + tileColumns);
    const dst: Tensor = {
      address: machine.allocate(bytes),
      rows: 1,
      width: bytes / 4,
      stride: bytes,
    };
    machine.result("expertSort", dst, {
      [Word.rows]: ids.length,
      [Word.a]: a.address,
      [Word.aStride]: a.stride,
      [ExpertSortWord.nUsed]: nUsed,
      [ExpertSortWord.nExpert]: nExpert,
      [ExpertSortWord.tileColumns]: tileColumns,
      [ExpertSortWord.maxTiles]: maxTiles,
    });
    const [nTiles, columns] = machine.u32(dst.address, 2);
    expect(nTiles).toBeLessThanOrEqual(maxTiles);
    const experts = [...machine.u32(dst.address + 8, nTiles!)];
    const list = machine.u32(dst.address + 8 + 4 * maxTiles, nTiles! * columns!);
    return {
      columns,
      tiles: experts.map((expert, t) => ({
        expert,
        pairs: [...list.slice(t * columns!, (t + 1) * columns!)],
      })),
    };
  }

  it("one column while pairs are few, ascending by expert", () => {
    expect(sort([[5, 0, 3]], 8, 4)).toEqual({
      columns: 1,
      tiles: [
        { expert: 0, pairs: [1] },
        { expert: 3, pairs: [2] },
        { expert: 5, pairs: [0] },
      ],
    });
  });

  it("padded tiles for many: by row, then slot; every pair once", () => {
    const none = 0xffffffff;
    expect(
      sort(
        [
          [2, 0],
          [0, 2],
          [0, 2],
        ],
        3,
        2,
      ),
    ).toEqual({
      columns: 2,
      tiles: [
        { expert: 0, pairs: [1, 2] },
        { expert: 0, pairs: [4, none] },
        { expert: 2, pairs: [0, 3] },
        { expert: 2, pairs: [5, none] },
      ],
    });
    const rows = Array.from({ length: 100 }, (_, r) => [r % 7, 7 + ((r * r) % 9), 20]);
    const { tiles } = sort(rows, 21, 8);
    const seen = tiles.flatMap((t) =>
      t.pairs.filter((p) => p !== none).map((p) => [t.expert, p] as const),
    );
    expect(seen.map(([, p]) => p).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 300 }, (_, i) => i),
    );
    for (const [expert, p] of seen) expect(rows[Math.floor(p / 3)]![p % 3]).toBe(expert);
    for (let i = 1; i < seen.length; i++) {
      const [e0, p0] = seen[i - 1]!,
        [e1, p1] = seen[i]!;
      expect(e0 < e1 || (e0 === e1 && p0 < p1)).toBe(true);
    }
  });

  it("a row beyond one pair an expert on average makes wide tiles", () => {
    expect(
      sort(
        [
          [0, 1],
          [1, 0],
        ],
        4,
        4,
      ).columns,
    ).toBe(1);
    expect(
      sort(
        [
          [0, 1],
          [1, 0],
          [2, 3],
        ],
        4,
        4,
      ).columns,
    ).toBe(4);
  });
});

describe("expertSum", () => {
  it("sums slots in rank order, each product and sum rounded", () => {
    const f = Math.fround;
    for (const [rows, width, nUsed] of [
      [1, 1, 1],
      [5, 6, 3],
      [9, 64, 8],
      [2, 4099, 2],
    ] as const) {
      machine.reset();
      const x = randoms(rows * nUsed * width, 1),
        w = randoms(rows * nUsed, 2);
      const a = machine.tensor(rows, nUsed * width, x, 4),
        weights = machine.tensor(rows, nUsed, w, 4);
      const expected = new Float32Array(rows * width);
      for (let i = 0; i < expected.length; i++) {
        const r = Math.floor(i / width);
        for (let s = 0; s < nUsed; s++)
          expected[i] = f(
            expected[i]! + f(w[r * nUsed + s]! * x[(r * nUsed + s) * width + (i % width)]!),
          );
      }
      expectSameBits(
        machine.result("expertSum", machine.tensor(rows, width), {
          [Word.a]: a.address,
          [Word.aStride]: a.stride,
          [ExpertSumWord.weights]: weights.address,
          [ExpertSumWord.weightsStride]: weights.stride,
          [ExpertSumWord.nUsed]: nUsed,
        }),
        expected,
      );
    }
  });
});
