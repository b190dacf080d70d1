// The types of ik_llama.cpp, as blocks.ts describes ggml's: decoded one weight at a time from LAYOUTS.md section 3. Values
// are those of the source's products, which differ from its decoder's in IQ2_KT, IQ3_KT and IQ6_K.

import { gridEntries } from "../../../assembly/quants/tables/grids.mjs";
import { f16ToF32 } from "../../reference/dequantize.ts";
import type { BlockType } from "./blocks.ts";

const f = Math.fround;
const range = (n: number): number[] => [...Array(n).keys()];
const half = (v: DataView, o: number): number => f16ToF32(v.getUint16(o, true));
const float = (v: DataView, o: number): number => v.getFloat32(o, true);

/** Nibble i of the bytes at o, low one first. */
const nibble = (v: DataView, o: number, i: number): number =>
  (v.getUint8(o + (i >> 1)) >> (4 * (i & 1))) & 15;
/** Nibble b of 8 in 4 bytes: the low ones are 0..3. */
const nibbleOfHalves = (v: DataView, o: number, b: number): number =>
  (v.getUint8(o + (b & 3)) >> (b < 4 ? 0 : 4)) & 15;
const bit = (value: number, i: number): number => (value >>> i) & 1;

/** Codes of element e of 256, from the bytes at o: two bits, a nibble in halves of 16 or of 32, a bit of 32 bytes. */
const codes2 = (v: DataView, o: number, e: number): number =>
  (v.getUint8(o + 32 * (e >> 7) + (e & 31)) >> (2 * ((e & 127) >> 5))) & 3;
const codes4 = (v: DataView, o: number, e: number): number =>
  (v.getUint8(o + 16 * (e >> 5) + (e & 15)) >> (e & 16 ? 4 : 0)) & 15;
const codes4Wide = (v: DataView, o: number, e: number): number =>
  (v.getUint8(o + 32 * (e >> 6) + (e & 31)) >> (e & 32 ? 4 : 0)) & 15;
const high = (v: DataView, o: number, e: number): number => bit(v.getUint8(o + (e & 31)), e >> 5);

const iq1s = gridEntries("iq1s");
const iq2nl = [-31, -13, 1, 17],
  iq3nl = [-63, -40, -23, -10, 1, 13, 28, 47];
const iq4k = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
const iq5nl = [
  -126, -114, -103, -92, -83, -74, -65, -57, -50, -43, -36, -30, -24, -18, -12, -6, -1, 5, 11, 17,
  23, 29, 36, 43, 51, 59, 68, 77, 87, 97, 109, 121,
];
/** The rounded cubic. */
const iq6nl = range(64).map((q) =>
  Math.round(-127 + q * (6.2568 + q * (-0.11218 + q * 0.0011972))),
);
const iq2kl = [
  [0, 2],
  [0, 5],
  [1, 0],
  [1, 3],
  [1, 5],
  [1, 7],
  [2, 1],
  [2, 2],
  [2, 4],
  [2, 5],
  [2, 6],
  [3, 0],
  [3, 4],
  [3, 5],
  [3, 7],
  [4, 2],
  [4, 3],
  [4, 4],
  [4, 5],
  [4, 6],
  [5, 1],
  [5, 2],
  [5, 3],
  [5, 4],
  [5, 5],
  [6, 0],
  [6, 2],
  [6, 4],
  [6, 6],
  [6, 7],
  [7, 2],
  [7, 5],
].map((pair) => pair.map((i) => iq3nl[i]!));

/** Trit n of a byte of IQ1_BN: the first is the lowest. */
const trit = (byte: number, n: number): number => (((byte * 3 ** (4 - n)) & 255) * 3) >> 8;

/** n values of the trellis generator. */
function generate(index: number, offset: number, n: number): number[] {
  let x = (index + offset) >>> 0;
  return range(n).map(() => {
    x = Math.imul(x, 0xcbac1fed) >>> 0;
    const bytes = x & 0x3f3f3f3f;
    return (bytes & 255) + ((bytes >> 8) & 255) + ((bytes >> 16) & 255) + (bytes >>> 24) - 126;
  });
}

/** Row scales of ordinary size, by their bytes. */
const tameRow4 = (v: DataView, o: number, next: () => number): void =>
  v.setFloat32(o, ((next() / 2 ** 32 - 0.5) / 64) * (next() % 16 === 0 ? 2 ** -100 : 1), true);
const tameRow2 = (v: DataView, o: number, next: () => number): void =>
  v.setUint16(
    o,
    (next() & 0x8000) | (next() % 16 === 0 ? next() % 0x400 : 0x1000 + (next() % 0x2000)),
    true,
  );

const of4 = { weights: 256, halves: [], rowMeta: 4, tameRow: tameRow4 } as const;
const of2 = { weights: 256, halves: [], rowMeta: 2, tameRow: tameRow2 } as const;
const plain = { weights: 256, halves: [0] } as const;

/** Scale of sub-block g of IQ4_K and IQ5_K. */
const scaleK = (v: DataView, o: number, g: number): number =>
  (nibble(v, o + 8, g) | (((v.getUint8(o + 4 + (g >> 2)) >> (2 * (g & 3))) & 3) << 4)) - 32;
const scaleKS = (v: DataView, o: number, b: number): number => (v.getUint8(o + b) & 254) - 127;

/** Byte b of IQ4_KSS's scales, and its 16 bytes of codes. */
function unpackKSS(v: DataView, o: number, b: number): { c: number; qs: number[] } {
  const words = range(8).map((k) => v.getUint16(o + 16 * b + 2 * k, true));
  const c = words.reduce((all, word, k) => all | ((word & 1) << k), 0);
  return {
    c,
    qs: words.flatMap((word) =>
      [(word & 0xfffe) ^ ((word & 0xfffe) >> 1)].flatMap((x) => [x & 255, x >> 8]),
    ),
  };
}

export const ikTypes: readonly BlockType[] = [
  {
    id: 133,
    name: "Q6_0",
    weights: 32,
    bytes: 26,
    halves: [0],
    decode: (v, o) => ({
      d: half(v, o),
      codes: range(32).map((e) => {
        const j = e & 15,
          top = (v.getUint8(o + 2 + (j & 7)) >> (4 * (j >> 3) + (e < 16 ? 0 : 2))) & 3;
        return (codes4(v, o + 10, e) | (top << 4)) - 32;
      }),
    }),
  },
  {
    id: 134,
    name: "IQ1_BN",
    weights: 64,
    bytes: 13,
    activations: 32,
    halves: [],
    rowMeta: 2,
    tameRow: tameRow2,
    decode: (v, o, row) => ({
      d: half(v, row),
      codes: range(64).map((e) => {
        const run = e >> 4,
          m = e & 15;
        return m < 15
          ? trit(v.getUint8(o + 3 * run + Math.floor(m / 5)), m % 5) - 1
          : trit(v.getUint8(o + 12), run) - 1;
      }),
    }),
  },
  {
    id: 135,
    name: "IQ2_BN",
    weights: 64,
    bytes: 16,
    activations: 32,
    halves: [],
    rowMeta: 4,
    tameRow: tameRow4,
    decode: (v, o, row) => ({
      d: float(v, row),
      codes: range(64).map((e) => ((v.getUint8(o + (e & 15)) >> (2 * (e >> 4))) & 3) - 1),
    }),
  },
  {
    id: 137,
    name: "IQ2_K",
    bytes: 76,
    ...plain,
    decode: (v, o) => ({
      d: half(v, o),
      scales: range(16).map((g) => nibble(v, o + 4, g) - 8),
      codes: range(256).map(
        (e) => iq2nl[codes2(v, o + 12, e)]! + 5 * bit(v.getUint16(o + 2, true), e >> 4),
      ),
    }),
  },
  {
    id: 138,
    name: "IQ3_K",
    bytes: 110,
    ...plain,
    decode: (v, o) => ({
      d: half(v, o),
      scales: range(16).map(
        (g) => (2 * nibble(v, o + 6, g) + 1) * (bit(v.getUint16(o + 4, true), g) ? -1 : 1),
      ),
      codes: range(256).map(
        (e) =>
          iq3nl[codes2(v, o + 14, e) | (high(v, o + 78, e) << 2)]! +
          4 * bit(v.getUint16(o + 2, true), e >> 4),
      ),
    }),
  },
  {
    id: 139,
    name: "IQ4_K",
    bytes: 144,
    ...plain,
    decode: (v, o) => ({
      d: half(v, o),
      scales: range(16).map((g) => scaleK(v, o, g)),
      codes: range(256).map(
        (e) => iq4k[codes4(v, o + 16, e)]! + 4 * bit(v.getUint16(o + 2, true), e >> 4),
      ),
    }),
  },
  {
    id: 140,
    name: "IQ5_K",
    bytes: 176,
    ...plain,
    decode: (v, o) => ({
      d: half(v, o),
      scales: range(16).map((g) => scaleK(v, o, g)),
      codes: range(256).map(
        (e) =>
          iq5nl[codes4Wide(v, o + 16, e) | (high(v, o + 144, e) << 4)]! +
          2 * bit(v.getUint16(o + 2, true), e >> 4),
      ),
    }),
  },
  {
    id: 141,
    name: "IQ6_K",
    bytes: 212,
    ...plain,
    decode: (v, o) => ({
      d: half(v, o),
      scales: range(16).map((g) => v.getInt8(o + 4 + g)),
      codes: range(256).map((e) => {
        const top = (v.getUint8(o + 148 + 32 * (e >> 7) + (e & 31)) >> (2 * ((e >> 5) & 3))) & 3;
        return (
          iq6nl[codes4Wide(v, o + 20, e) | (top << 4)]! + bit(v.getUint16(o + 2, true), e >> 4)
        );
      }),
    }),
  },
  {
    id: 144,
    name: "IQ4_KS",
    bytes: 136,
    ...of4,
    decode: (v, o, row) => ({
      d: float(v, row),
      scales: range(8).map((b) => scaleKS(v, o, b)),
      codes: range(256).map(
        (e) => iq4k[codes4(v, o + 8, e)]! + 4 * bit(v.getUint8(o + (e >> 5)), 0),
      ),
    }),
  },
  {
    id: 145,
    name: "IQ2_KS",
    bytes: 70,
    ...of2,
    decode: (v, o, row) => ({
      d: half(v, row),
      scales: range(8).map(
        (b) => (nibble(v, o + 2, b) | (bit(v.getUint16(o, true), 8 + b) << 4)) - 16,
      ),
      codes: range(256).map(
        (e) => iq2nl[codes2(v, o + 6, e)]! + 5 * bit(v.getUint16(o, true), e >> 5),
      ),
    }),
  },
  {
    id: 146,
    name: "IQ4_KSS",
    bytes: 128,
    ...of4,
    decode: (v, o, row) => {
      const blocks = range(8).map((b) => unpackKSS(v, o, b));
      return {
        d: float(v, row),
        scales: blocks.map(({ c }) => (c & 254) - 127),
        codes: blocks.flatMap(({ c, qs }) =>
          range(32).map((e) => iq4k[(qs[e & 15]! >> (e & 16 ? 4 : 0)) & 15]! + 4 * (c & 1)),
        ),
      };
    },
  },
  {
    id: 151,
    name: "Q8_KV",
    weights: 32,
    bytes: 32,
    halves: [],
    rowMeta: 8,
    tameRow: tameRow4,
    decode: (v, o, row) => ({ d: float(v, row), codes: range(32).map((e) => v.getInt8(o + e)) }),
  },
  {
    id: 152,
    name: "IQ5_KS",
    bytes: 168,
    ...of4,
    decode: (v, o, row) => ({
      d: float(v, row),
      scales: range(8).map((b) => scaleKS(v, o, b)),
      codes: range(256).map(
        (e) =>
          iq5nl[codes4Wide(v, o + 8, e) | (high(v, o + 136, e) << 4)]! +
          2 * bit(v.getUint8(o + (e >> 5)), 0),
      ),
    }),
  },
  {
    id: 153,
    name: "IQ2_KT",
    bytes: 68,
    ...of4,
    decode: (v, o, row) => ({
      d: f(float(v, row) * f(1.05)),
      scales: range(8).map((b) => iq4k[nibbleOfHalves(v, o, b)]!),
      codes: range(32).flatMap((l) => generate(v.getUint16(o + 4 + 2 * l, true), 4096, 8)),
    }),
  },
  {
    id: 154,
    name: "IQ3_KT",
    bytes: 100,
    ...of4,
    decode: (v, o, row) => ({
      d: f(float(v, row) * f(1.01)),
      scales: range(8).map((b) => nibbleOfHalves(v, o, b)),
      codes: range(32)
        .flatMap((l) => generate(v.getUint16(o + 4 + 2 * l, true), 4096, 8))
        .map((value, e) => Math.abs(value) * (high(v, o + 68, e) ? -1 : 1)),
    }),
  },
  {
    id: 155,
    name: "IQ4_KT",
    bytes: 128,
    ...of4,
    decode: (v, o, row) => {
      const sh = (b: number): number => v.getUint32(o + 4 * b, true);
      return {
        d: float(v, row),
        scales: range(8).map((b) => ((sh(b) & 255) >> 1) - 64),
        codes: range(64).flatMap((j) => {
          const b = j >> 3,
            nib = (v.getUint8(o + 96 + (j & 31)) >> (4 * (j >> 5))) & 15;
          const index =
            v.getUint8(o + 32 + j) | (nib << 8) | (((sh(b) >>> (8 + 3 * (j & 7))) & 7) << 12);
          return generate(index, sh(b) & 1 ? 4096 + 32768 : 4096, 4);
        }),
      };
    },
  },
  {
    id: 156,
    name: "IQ3_KS",
    bytes: 102,
    ...of2,
    decode: (v, o, row) => ({
      d: half(v, row),
      scales: range(8).map(
        (b) => (nibbleOfHalves(v, o + 2, b) | (bit(v.getUint16(o, true), b) << 4)) - 16,
      ),
      codes: range(256).map(
        (e) =>
          iq3nl[codes2(v, o + 6, e) | (high(v, o + 70, e) << 2)]! +
          4 * bit(v.getUint16(o, true), 8 + (e >> 5)),
      ),
    }),
  },
  {
    id: 157,
    name: "IQ2_KL",
    bytes: 86,
    ...of2,
    decode: (v, o, row) => ({
      d: half(v, row),
      scales: range(8).map(
        (b) => (nibbleOfHalves(v, o + 2, b) | (((v.getUint16(o, true) >> (2 * b)) & 3) << 4)) - 32,
      ),
      codes: range(128).flatMap((p) => {
        const b = p >> 4,
          j = p & 15;
        const low = (v.getUint8(o + 6 + 16 * (b >> 1) + j) >> (4 * (b & 1))) & 15;
        return iq2kl[low | (bit(v.getUint8(o + 70 + j), b) << 4)]!;
      }),
    }),
  },
  {
    id: 158,
    name: "IQ1_KT",
    bytes: 56,
    ...of4,
    decode: (v, o, row) => ({
      d: float(v, row),
      scales: range(8).map((b) => iq4k[v.getUint8(o + b) & 15]!),
      codes: range(32).flatMap((l) => {
        const b = l >> 2,
          t = l & 3,
          nib = (v.getUint8(o + 40 + 4 * (b & 3) + t) >> (4 * (b >> 2))) & 15;
        return generate(
          v.getUint8(o + 8 + l) | (nib << 8) | (bit(v.getUint8(o + b), 4 + t) << 12),
          4096,
          8,
        );
      }),
    }),
  },
  {
    // as its rows are once they are put apart
    id: 229,
    name: "IQ1_M_R4",
    bytes: 56,
    ...of2,
    decode: (v, o, row) => ({
      d: half(v, row) / 8,
      scales: range(16).map((j) => nibble(v, o + 48, j)),
      codes: range(32).flatMap((l) => {
        const h = nibble(v, o + 32, l);
        return iq1s[v.getUint8(o + l) | ((h & 7) << 8)]!.map(
          (value) => 8 * value + (h & 8 ? -1 : 1),
        );
      }),
    }),
  },
];
