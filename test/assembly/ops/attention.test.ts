import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { AttentionWord, KvType, RowsKind, Word } from "../../../assembly/abi.ts";
import { attendExactly, attendPlainly, type AttentionCase } from "./attention-reference.ts";
import { scrambled, TestCache } from "./cache.ts";
import {
  expectSameBits,
  Machine,
  randoms,
  worstError,
  type BatchRow,
  type SequenceSpec,
} from "./machine.ts";

let machine: Machine;
beforeAll(async () => {
  machine = await Machine.create();
});
afterAll(() => machine.close());
beforeEach(() => machine.reset());

interface Options {
  readonly kType?: number;
  readonly vType?: number;
  /** Length of each sequence. */
  readonly lengths: readonly number[];
  /** Query rows; default: the last position of every sequence. */
  readonly rows?: readonly BatchRow[];
  /** Give the op a buffer for partial results. */
  readonly split?: boolean;
  /** Factor on the random keys and values; default 1. */
  readonly size?: number;
}

/** A cache filled with random keys and values, queries for `rows`. */
class Scene {
  readonly c: AttentionCase;
  readonly cache: TestCache;
  readonly sequences: SequenceSpec[];
  readonly rows: readonly BatchRow[];
  readonly q: Float32Array;
  readonly partials: number;
  readonly maxChunks: number;

  constructor(c: AttentionCase, options: Options) {
    this.c = c;
    const pageCounts = options.lengths.map((n) => Math.ceil(n / 16));
    const total = pageCounts.reduce((a, b) => a + b, 0);
    const pages = scrambled(total + 3);
    this.sequences = options.lengths.map((length, s) => {
      const start = pageCounts.slice(0, s).reduce((a, b) => a + b, 0);
      return { pages: pages.slice(start, start + pageCounts[s]!), length };
    });
    const { kType = KvType.f32, vType = KvType.f32 } = options;
    const { nHeadKv, dimK, dimV } = c;
    this.cache = new TestCache(machine, { nHeadKv, dimK, dimV, kType, vType, nPages: total + 3 });
    options.lengths.forEach((length, sequence) => {
      machine.batch(
        Array.from({ length }, (_, position) => ({ position, sequence })),
        this.sequences,
      );
      const k = randoms(length * nHeadKv * dimK, 3 + sequence, options.size);
      this.cache.store(k, randoms(length * nHeadKv * dimV, 17 + sequence, options.size));
    });
    this.rows =
      options.rows ??
      options.lengths.map((length, sequence) => ({ position: length - 1, sequence }));
    // A query depends on its position and sequence only, so that batches of different cuts can be compared.
    this.q = new Float32Array(this.rows.length * c.nHead * dimK);
    this.rows.forEach((row, i) => {
      this.q.set(
        randoms(c.nHead * dimK, 1000 + row.position * 10 + (row.sequence ?? 0)),
        i * c.nHead * dimK,
      );
    });
    this.maxChunks = Math.ceil(Math.max(...options.lengths) / 256) + 1;
    this.partials = options.split
      ? machine.allocate(this.rows.length * c.nHead * this.maxChunks * (dimV + 4) * 4, 0)
      : 0;
  }

  /** Result of the op, the same from one thread and from three. */
  attend(): Float32Array {
    const { c, cache } = this;
    machine.batch(this.rows, this.sequences);
    const q = machine.tensor(this.rows.length, c.nHead * c.dimK, this.q, 4);
    const dst = machine.tensor(this.rows.length, c.nHead * c.dimV, undefined, 4);
    const found = machine.result(
      "attention",
      dst,
      {
        [Word.rowsKind]: RowsKind.tokens,
        [Word.a]: q.address,
        [Word.aStride]: q.stride,
        [AttentionWord.nHead]: c.nHead,
        [AttentionWord.nHeadKv]: c.nHeadKv,
        [AttentionWord.dimK]: c.dimK,
        [AttentionWord.dimV]: c.dimV,
        [AttentionWord.kBase]: cache.kBase,
        [AttentionWord.vBase]: cache.vBase,
        [AttentionWord.kType]: cache.shape.kType,
        [AttentionWord.vType]: cache.shape.vType,
        [AttentionWord.kPageBytes]: cache.kPageBytes,
        [AttentionWord.vPageBytes]: cache.vPageBytes,
        [AttentionWord.window]: c.window ?? 0,
        [AttentionWord.chunk]: c.chunk ?? 0,
        [AttentionWord.slopes]: c.slopes ? machine.vector(c.slopes) : 0,
        [AttentionWord.sinks]: c.sinks ? machine.vector(c.sinks) : 0,
        [AttentionWord.causal]: (c.causal ?? true) ? 1 : 0,
        [AttentionWord.partials]: this.partials,
        [AttentionWord.maxChunks]: this.maxChunks,
        [AttentionWord.partialRows]: this.partials ? this.rows.length : 0,
      },
      { [AttentionWord.scale]: c.scale, [AttentionWord.softcap]: c.softcap ?? 0 },
    );
    // The counters of finished chunks must be back at zero for the next run.
    if (this.partials) {
      const slot = c.dimV + 4,
        words = machine.u32(this.partials, this.rows.length * c.nHead * this.maxChunks * slot);
      for (let i = 2; i < words.length; i += slot * this.maxChunks) expect(words[i]).toBe(0);
    }
    return found;
  }

  /** Compares every head of every row (or of `only`) with both references. */
  check(found: Float32Array, only = this.rows.map((_, i) => i)): void {
    const { c, cache } = this;
    const { expf, tanhf } = machine.functions;
    for (const r of only) {
      const row = this.rows[r]!,
        sequence = this.sequences[row.sequence ?? 0]!;
      const key = memo((h, p, d) => cache.key(sequence, h, p, d), sequence.length, c.dimK);
      const value = memo((h, p, d) => cache.value(sequence, h, p, d), sequence.length, c.dimV);
      for (let head = 0; head < c.nHead; head++) {
        const q = this.q.slice((r * c.nHead + head) * c.dimK, (r * c.nHead + head + 1) * c.dimK);
        const out = found.slice((r * c.nHead + head) * c.dimV, (r * c.nHead + head + 1) * c.dimV);
        expectSameBits(
          out,
          attendExactly(c, head, q, row.position, sequence.length, key, value, expf!, tanhf!),
        );
        const plain = attendPlainly(c, head, q, row.position, sequence.length, key, value);
        expect(worstError(out, plain)).toBeLessThan(2e-5);
      }
    }
  }
}

function memo(read: (h: number, p: number, d: number) => number, length: number, dim: number) {
  const kept: Float32Array[] = [];
  return (h: number, p: number, d: number): number => {
    kept[h] ??= Float32Array.from({ length: length * dim }, (_, i) =>
      read(h, Math.floor(i / dim), i % dim),
    );
    return kept[h][p * dim + d]!;
  };
}

const plain: AttentionCase = { nHead: 4, nHeadKv: 2, dimK: 16, dimV: 16, scale: 0.25 };

describe("attention follows NUMERICS.md bit for bit", () => {
  for (const length of [1, 2, 15, 16, 17, 255, 256, 257, 600]) {
    it(`${length} positions`, () => {
      const scene = new Scene(plain, { lengths: [length] });
      scene.check(scene.attend());
    });
  }

  const types: [string, number][] = [
    ["f32", KvType.f32],
    ["f16", KvType.f16],
    ["q8_0", KvType.q8_0],
  ];
  for (const [name, type] of types) {
    it(`cache type ${name}, all rows of a prefill`, () => {
      const rows = Array.from({ length: 70 }, (_, i) => ({ position: 210 + i }));
      const c = { ...plain, dimK: 32, dimV: 64 };
      const scene = new Scene(c, { lengths: [280], kType: type, vType: type, rows });
      scene.check(scene.attend(), [0, 1, 15, 45, 46, 47, 69]);
    });
  }

  const shapes: [string, Partial<AttentionCase>][] = [
    ["one head", { nHead: 1, nHeadKv: 1 }],
    ["three heads a group", { nHead: 6, nHeadKv: 2 }],
    ["five heads a group", { nHead: 5, nHeadKv: 1 }],
    ["16 heads a group", { nHead: 16, nHeadKv: 1 }],
    ["more heads a group than a block holds", { nHead: 40, nHeadKv: 1 }],
    ["dims that are no multiple of 8", { dimK: 20, dimV: 12 }],
    ["dims that are no multiple of 4", { dimK: 5, dimV: 7 }],
    ["keys wider than values", { nHead: 18, nHeadKv: 1, dimK: 576, dimV: 512 }],
    ["values of 40 dims", { dimV: 40 }],
    ["softcap", { softcap: 2.5 }],
    ["ALiBi", { slopes: [0.5, 0.25, 0.125, 0.0625] }],
    ["sinks", { sinks: [0.5, -3, 12, 0] }],
    [
      "softcap, ALiBi, sinks, window",
      { softcap: 4, slopes: [1, 0.5, 0.1, 0.01], sinks: [1, 2, 3, 4], window: 300 },
    ],
    ["no mask", { causal: false }],
    ["ALiBi to both sides", { causal: false, slopes: [0.5, 0.25, 0.125, 0.0625] }],
  ];
  for (const [name, change] of shapes) {
    it(name, () => {
      const rows = [270, 40, 299].map((position) => ({ position }));
      for (const split of [false, true]) {
        machine.reset();
        const scene = new Scene({ ...plain, ...change }, { lengths: [300], rows, split });
        scene.check(scene.attend());
      }
    });
  }

  it("f16 with dims that are no multiple of 8", () => {
    const scene = new Scene(
      { ...plain, dimK: 12, dimV: 20 },
      { lengths: [37], kType: KvType.f16, vType: KvType.f16 },
    );
    scene.check(scene.attend());
  });

  it("f16 denormals, zeros and infinities", () => {
    for (const size of [6e-5, 1e-7, 0]) {
      machine.reset();
      const scene = new Scene(
        { ...plain, dimK: 32, dimV: 32 },
        { lengths: [20], kType: KvType.f16, vType: KvType.f16, size },
      );
      scene.check(scene.attend());
    }
    const scene = new Scene(plain, {
      lengths: [20],
      kType: KvType.f16,
      vType: KvType.f16,
      size: 1e4,
    });
    const { cache } = scene;
    machine.u8(cache.kBase, cache.kPageBytes * 16).fill(0);
    cache.setHalf(scene.sequences[0]!.pages[0]!, 0, 0, 0, 0xfc00);
    const found = scene.attend();
    expect(found[0]).toBe(-Infinity);
    expect(found.slice(1, 16).every(Number.isFinite)).toBe(true);
  });

  it("f16 straight from the pages: one to five heads a group, some pages with subnormals and zeros", () => {
    for (const heads of [1, 2, 3, 4, 5]) {
      for (const [dimK, dimV] of [
        [64, 64],
        [128, 80],
        [32, 36],
        [6, 8],
      ] as const) {
        for (const size of [1, 0.01]) {
          machine.reset();
          const scene = new Scene(
            { ...plain, nHead: 2 * heads, nHeadKv: 2, dimK, dimV },
            { lengths: [300], kType: KvType.f16, vType: KvType.f16, split: heads % 2 === 0, size },
          );
          scene.check(scene.attend());
        }
      }
    }
  });

  it("f16 with queries that 2^112 would make infinite, and with tiny ones", () => {
    for (const factor of [65536, 70000, 1e30, 1e-36]) {
      const scene = new Scene(
        { ...plain, nHead: 4, nHeadKv: 1, dimK: 16, scale: factor > 1 ? 0.25 / factor : 1e36 },
        { lengths: [40], kType: KvType.f16, vType: KvType.f16 },
      );
      for (let i = 0; i < scene.q.length; i++) scene.q[i] = scene.q[i]! * factor;
      scene.check(scene.attend());
    }
  });

  it("rows of a small batch, each with its own end", () => {
    const rows = [20, 37, 38, 39].map((position) => ({ position }));
    for (const type of [KvType.f16, KvType.q8_0]) {
      machine.reset();
      const c = { ...plain, nHead: 1, nHeadKv: 1, dimK: 32, dimV: 32 };
      const scene = new Scene(c, { lengths: [40], rows, kType: type, vType: type });
      scene.check(scene.attend());
    }
  });

  it("one f16 denormal, zero or infinity among normal numbers", () => {
    for (let d = 0; d < 32; d++) {
      machine.reset();
      const scene = new Scene(
        { ...plain, nHead: 1, nHeadKv: 1, dimV: 32 },
        { lengths: [3], kType: KvType.f16, vType: KvType.f16 },
      );
      for (const special of [0x0001, 0x83ff, 0x8000, 0x7c00]) {
        scene.cache.setHalf(scene.sequences[0]!.pages[0]!, 0, 0, d, special);
        const found = scene.attend();
        if (special === 0x7c00) expect(found[d]).toBe(Infinity);
        else scene.check(found);
      }
    }
  });

  it("windows that end before, at and after a chunk border", () => {
    for (const window of [1, 2, 15, 16, 17, 43, 44, 45, 299, 300, 301]) {
      machine.reset();
      const rows = [{ position: 299 }, { position: 255 }, { position: 256 }, { position: 3 }];
      const scene = new Scene(
        { ...plain, window },
        { lengths: [300], rows, split: window % 2 === 0 },
      );
      scene.check(scene.attend());
    }
  });

  it("windows to both sides", () => {
    for (const window of [1, 2, 17, 44, 255, 300]) {
      machine.reset();
      const rows = [{ position: 299 }, { position: 255 }, { position: 256 }, { position: 3 }];
      const c = { ...plain, window, causal: false };
      const scene = new Scene(c, { lengths: [300], rows, split: window % 2 === 0 });
      scene.check(scene.attend());
    }
  });

  it("stretches of positions that hide what lies before them", () => {
    for (const [chunk, window] of [[1], [16], [43], [100], [256], [299], [300], [301], [150, 20]]) {
      machine.reset();
      const rows = [{ position: 299 }, { position: 255 }, { position: 256 }, { position: 3 }];
      const c = { ...plain, chunk, window };
      const scene = new Scene(c, { lengths: [300], rows, split: chunk! % 2 === 0 });
      scene.check(scene.attend());
    }
  });

  it("several sequences in a batch, rows interleaved", () => {
    const rows = [
      { position: 258, sequence: 0 },
      { position: 0, sequence: 1 },
      { position: 259, sequence: 0 },
      { position: 30, sequence: 2 },
      { position: 31, sequence: 2 },
      { position: 32, sequence: 2 },
    ];
    const scene = new Scene(plain, { lengths: [260, 1, 33], rows });
    scene.check(scene.attend());
  });
});

describe("the same bits, however the work is cut", () => {
  it("a row alone, in a batch of 3 and in one of 40", () => {
    const c = { ...plain, nHead: 6, window: 290 };
    const all = new Scene(c, {
      lengths: [600],
      rows: Array.from({ length: 40 }, (_, i) => ({ position: 500 + i })),
    }).attend();
    for (const [first, n] of [
      [0, 1],
      [13, 1],
      [39, 1],
      [20, 3],
    ] as const) {
      machine.reset();
      const rows = Array.from({ length: n }, (_, i) => ({ position: 500 + first + i }));
      for (const split of [false, true]) {
        const some = new Scene(c, { lengths: [600], rows, split }).attend();
        expectSameBits(some, all.slice(first * 96, (first + n) * 96));
      }
    }
  });

  it("split among threads or not, again and again over the same partials", () => {
    const c = { ...plain, nHead: 2, nHeadKv: 1 };
    const whole = new Scene(c, { lengths: [1500] }),
      split = new Scene(c, { lengths: [1500], split: true });
    for (let i = 0; i < 20; i++) {
      // Other queries every time: results of an earlier run must not be merged.
      for (const scene of [whole, split]) scene.q.set(randoms(scene.q.length, 50 + i));
      expectSameBits(split.attend(), whole.attend());
    }
  });

  it("heads of a group together, or each with a kv head of its own", () => {
    const grouped = new Scene({ ...plain, nHead: 6, nHeadKv: 1 }, { lengths: [270] });
    const found = grouped.attend();
    for (let head = 0; head < 6; head++) {
      const alone = new Scene({ ...plain, nHead: 1, nHeadKv: 1 }, { lengths: [270] });
      alone.q.set(grouped.q.slice(head * 16, head * 16 + 16));
      expectSameBits(alone.attend(), found.slice(head * 16, head * 16 + 16));
    }
  });

  it("a row without a visible key is zero", () => {
    for (const split of [false, true]) {
      const rows = [
        { position: 0, sequence: 0 },
        { position: 299, sequence: 1 },
      ];
      const scene = new Scene(
        { ...plain, nHead: 2, nHeadKv: 1, causal: false },
        { lengths: [5, 300], rows, split },
      );
      scene.sequences[0] = { ...scene.sequences[0]!, length: 0 };
      const found = scene.attend();
      expect([...found.slice(0, 32)]).toEqual(Array(32).fill(0));
      scene.check(found, [1]);
    }
  });

  it("a NaN in a visible key or value is seen, in an invisible one it is not", () => {
    const scene = new Scene(plain, { lengths: [20] });
    const clean = scene.attend();
    const lastPage = scene.sequences[0]!.pages[1]!;
    const { cache } = scene;
    // Position 20 and later of the page hold NaN from the start: `clean` has none of it.
    expect(clean.some(Number.isNaN)).toBe(false);
    const key = machine.f32(cache.keysAt(lastPage, 0), 16 * 16),
      kept = key[3]!;
    key[3] = Number.NaN;
    expect(scene.attend().slice(0, 32).every(Number.isNaN)).toBe(true);
    key[3] = kept;
    machine.f32(cache.valuesAt(lastPage, 0), 16 * 16)[3 * 16 + 2] = Number.NaN;
    const found = scene.attend();
    for (let i = 0; i < 64; i++) expect(Number.isNaN(found[i])).toBe(i === 2 || i === 18);
  });
});
