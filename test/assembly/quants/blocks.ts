// The quantised types, as the matmul sees them: integer codes, integer scales and block scales of one block, decoded
// one weight at a time from LAYOUTS.md. Also what random test data needs to know about them.

import { gridEntries } from "../../../assembly/quants/tables/grids.mjs";
import { f16ToF32 } from "../../reference/dequantize.ts";
import { ikTypes } from "./ik-blocks.ts";

/** w[e] = d * scales[e / (weights / scales.length)] * codes[e] - dmin * mins[e / (weights / mins.length)] + m. */
export interface Block {
  readonly codes: number[];
  /** Several, where parts of the block have float scales of their own. */
  readonly d: number | number[];
  /** Absent: 1. */
  readonly scales?: number[];
  readonly dmin?: number;
  readonly mins?: number[];
  /** Added to every weight; absent: nothing is. */
  readonly m?: number;
}

export interface BlockType {
  readonly id: number;
  readonly name: string;
  /** Weights and bytes of a block. */
  readonly weights: number;
  readonly bytes: number;
  /** Elements of a block of quantised activations; absent: `weights`. */
  readonly activations?: number;
  /** Offsets of the f16 fields. */
  readonly halves: readonly number[];
  /** Makes random bytes of the block at `o` a block of finite, ordinary values; `next`: random u32. */
  readonly tame?: (v: DataView, o: number, next: () => number) => void;
  /** Decodes the block at `o` of the row at `row`; absent for types without blocks, whose products are plain floats. */
  readonly decode?: (v: DataView, o: number, row: number) => Block;
  /** Bytes before the blocks of a row, and what makes random ones ordinary scales. */
  readonly rowMeta?: number;
  readonly tameRow?: (v: DataView, o: number, next: () => number) => void;
}

const range = (n: number): number[] => [...Array(n).keys()];
const half = (v: DataView, o: number): number => f16ToF32(v.getUint16(o, true));

/** Nibble of element e of 32 in the 16 bytes at o. */
const nibble = (v: DataView, o: number, e: number): number =>
  (v.getUint8(o + (e % 16)) >> (e < 16 ? 0 : 4)) & 15;

/** Code of element e of a 5-bit block: nibbles at qs, bit 4 in the u32 at qh. */
const fiveBits = (v: DataView, qh: number, qs: number, e: number): number =>
  nibble(v, qs, e) | (((v.getUint32(qh, true) >>> e) & 1) << 4);

/** kvalues_iq4nl of LAYOUTS.md. */
const iq4nl = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/** kvalues_mxfp4 of LAYOUTS.md. */
const mxfp4 = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/** Value of a scale byte of NVFP4. */
function ue4m3(byte: number): number {
  const exponent = (byte >> 3) & 15,
    mantissa = byte & 7;
  if (byte === 127) return 0;
  return (exponent === 0 ? mantissa * 2 ** -9 : (1 + mantissa / 8) * 2 ** (exponent - 7)) / 2;
}

/** Trit n of a byte of TQ1_0. */
const trit = (byte: number, n: number): number => (((byte * 3 ** n) & 255) * 3) >> 8;

/** The 6-bit scales and minimums in the 12 bytes at o (Q4_K, Q5_K). */
function scales6(v: DataView, o: number): { scales: number[]; mins: number[] } {
  const s = (j: number): number => v.getUint8(o + j);
  return {
    scales: range(8).map((j) => (j < 4 ? s(j) & 63 : (s(j + 4) & 15) | ((s(j - 4) >> 6) << 4))),
    mins: range(8).map((j) => (j < 4 ? s(j + 4) & 63 : (s(j + 4) >> 4) | ((s(j) >> 6) << 4))),
  };
}

/** Low two bits of element e of 256 in the 64 bytes at o (Q2_K, Q3_K). */
const twoBits = (v: DataView, o: number, e: number): number =>
  (v.getUint8(o + 32 * (e >> 7) + (e & 31)) >> (2 * ((e & 127) >> 5))) & 3;

/** The entries of a grid of octets or quads. */
const grids = {
  iq2xxs: gridEntries("iq2xxs"),
  iq2xs: gridEntries("iq2xs"),
  iq2s: gridEntries("iq2s"),
  iq3xxs: gridEntries("iq3xxs"),
  iq3s: gridEntries("iq3s"),
  iq1s: gridEntries("iq1s"),
};

/** Signs of an octet from 7 bits; the eighth makes their number even. */
function evenSigns(bits: number): number[] {
  const signs = range(7).map((i) => (bits >> i) & 1);
  return [...signs, signs.reduce((a, b) => a ^ b)].map((bit) => (bit ? -1 : 1));
}

const plainSigns = (bits: number): number[] => range(8).map((i) => ((bits >> i) & 1 ? -1 : 1));

/** 256 codes from 32 octets. */
const octets = (octet: (l: number) => number[]): number[] => range(32).flatMap(octet);

/** The octet of two quads. */
const times = (a: readonly number[], b: readonly number[]): number[] =>
  a.map((value, i) => value * b[i]!);

/** Nibble i of the bytes at o. */
const nibbleOf = (v: DataView, o: number, i: number): number =>
  (v.getUint8(o + (i >> 1)) >> (4 * (i & 1))) & 15;

export const blockTypes: readonly BlockType[] = [
  { id: 0, name: "F32", weights: 1, bytes: 4, halves: [] },
  { id: 1, name: "F16", weights: 1, bytes: 2, halves: [0] },
  {
    id: 2,
    name: "Q4_0",
    weights: 32,
    bytes: 18,
    halves: [0],
    decode: (v, o) => ({ d: half(v, o), codes: range(32).map((e) => nibble(v, o + 2, e) - 8) }),
  },
  {
    id: 3,
    name: "Q4_1",
    weights: 32,
    bytes: 20,
    halves: [0, 2],
    decode: (v, o) => ({
      d: half(v, o),
      m: half(v, o + 2),
      codes: range(32).map((e) => nibble(v, o + 4, e)),
    }),
  },
  {
    id: 6,
    name: "Q5_0",
    weights: 32,
    bytes: 22,
    halves: [0],
    decode: (v, o) => ({
      d: half(v, o),
      codes: range(32).map((e) => fiveBits(v, o + 2, o + 6, e) - 16),
    }),
  },
  {
    id: 7,
    name: "Q5_1",
    weights: 32,
    bytes: 24,
    halves: [0, 2],
    decode: (v, o) => ({
      d: half(v, o),
      m: half(v, o + 2),
      codes: range(32).map((e) => fiveBits(v, o + 4, o + 8, e)),
    }),
  },
  {
    id: 8,
    name: "Q8_0",
    weights: 32,
    bytes: 34,
    halves: [0],
    decode: (v, o) => ({ d: half(v, o), codes: range(32).map((e) => v.getInt8(o + 2 + e)) }),
  },
  {
    id: 10,
    name: "Q2_K",
    weights: 256,
    bytes: 84,
    halves: [80, 82],
    decode: (v, o) => ({
      d: half(v, o + 80),
      dmin: half(v, o + 82),
      scales: range(16).map((j) => v.getUint8(o + j) & 15),
      mins: range(16).map((j) => v.getUint8(o + j) >> 4),
      codes: range(256).map((e) => twoBits(v, o + 16, e)),
    }),
  },
  {
    id: 11,
    name: "Q3_K",
    weights: 256,
    bytes: 110,
    halves: [108],
    decode: (v, o) => ({
      d: half(v, o + 108),
      scales: range(16).map((j) => {
        const low = (v.getUint8(o + 96 + (j % 8)) >> (j < 8 ? 0 : 4)) & 15;
        return (low | (((v.getUint8(o + 104 + (j % 4)) >> (2 * (j >> 2))) & 3) << 4)) - 32;
      }),
      codes: range(256).map(
        (e) => twoBits(v, o + 32, e) - ((v.getUint8(o + (e & 31)) >> (e >> 5)) & 1 ? 0 : 4),
      ),
    }),
  },
  {
    id: 12,
    name: "Q4_K",
    weights: 256,
    bytes: 144,
    halves: [0, 2],
    decode: (v, o) => ({
      d: half(v, o),
      dmin: half(v, o + 2),
      ...scales6(v, o + 4),
      codes: range(256).map(
        (e) => (v.getUint8(o + 16 + 32 * (e >> 6) + (e & 31)) >> (e & 32 ? 4 : 0)) & 15,
      ),
    }),
  },
  {
    id: 13,
    name: "Q5_K",
    weights: 256,
    bytes: 176,
    halves: [0, 2],
    decode: (v, o) => ({
      d: half(v, o),
      dmin: half(v, o + 2),
      ...scales6(v, o + 4),
      codes: range(256).map((e) => {
        const low = (v.getUint8(o + 48 + 32 * (e >> 6) + (e & 31)) >> (e & 32 ? 4 : 0)) & 15;
        return low | (((v.getUint8(o + 16 + (e & 31)) >> (e >> 5)) & 1) << 4);
      }),
    }),
  },
  {
    id: 14,
    name: "Q6_K",
    weights: 256,
    bytes: 210,
    halves: [208],
    decode: (v, o) => ({
      d: half(v, o + 208),
      scales: range(16).map((j) => v.getInt8(o + 192 + j)),
      codes: range(256).map((e) => {
        const h = e >> 7,
          s = (e & 127) >> 5,
          j = e & 31;
        const low = (v.getUint8(o + 64 * h + j + 32 * (s & 1)) >> (s < 2 ? 0 : 4)) & 15;
        return (low | (((v.getUint8(o + 128 + 32 * h + j) >> (2 * s)) & 3) << 4)) - 32;
      }),
    }),
  },
  {
    id: 16,
    name: "IQ2_XXS",
    weights: 256,
    bytes: 66,
    halves: [0],
    decode: (v, o) => {
      const word = (b: number): number => v.getUint32(o + 6 + 8 * b, true);
      return {
        d: half(v, o) / 8,
        scales: range(8).map((b) => 2 * (word(b) >>> 28) + 1),
        codes: octets((l) => {
          const place = v.getUint8(o + 2 + 8 * (l >> 2) + (l & 3));
          return times(grids.iq2xxs[place]!, evenSigns((word(l >> 2) >>> (7 * (l & 3))) & 127));
        }),
      };
    },
  },
  {
    id: 17,
    name: "IQ2_XS",
    weights: 256,
    bytes: 74,
    halves: [0],
    decode: (v, o) => ({
      d: half(v, o) / 8,
      scales: range(16).map((j) => 2 * nibbleOf(v, o + 66, j) + 1),
      codes: octets((l) => {
        const q = v.getUint16(o + 2 + 2 * l, true);
        return times(grids.iq2xs[q & 511]!, evenSigns(q >> 9));
      }),
    }),
  },
  {
    id: 18,
    name: "IQ3_XXS",
    weights: 256,
    bytes: 98,
    halves: [0],
    decode: (v, o) => {
      const word = (b: number): number => v.getUint32(o + 66 + 4 * b, true);
      const quad = (t: number): number[] => grids.iq3xxs[v.getUint8(o + 2 + t)]!;
      return {
        d: half(v, o) / 4,
        scales: range(8).map((b) => 2 * (word(b) >>> 28) + 1),
        codes: octets((l) =>
          times(
            [...quad(2 * l), ...quad(2 * l + 1)],
            evenSigns((word(l >> 2) >>> (7 * (l & 3))) & 127),
          ),
        ),
      };
    },
  },
  {
    id: 19,
    name: "IQ1_S",
    weights: 256,
    bytes: 50,
    halves: [0],
    decode: (v, o) => {
      const qh = (b: number): number => v.getUint16(o + 34 + 2 * b, true);
      return {
        d: half(v, o) / 8,
        scales: range(8).map((b) => 2 * ((qh(b) >> 12) & 7) + 1),
        codes: octets((l) => {
          const h = qh(l >> 2),
            place = v.getUint8(o + 2 + l) | (((h >> (3 * (l & 3))) & 7) << 8);
          return grids.iq1s[place]!.map((value) => 8 * value + (h & 0x8000 ? -1 : 1));
        }),
      };
    },
  },
  {
    id: 20,
    name: "IQ4_NL",
    weights: 32,
    bytes: 18,
    halves: [0],
    decode: (v, o) => ({ d: half(v, o), codes: range(32).map((e) => iq4nl[nibble(v, o + 2, e)]!) }),
  },
  {
    id: 21,
    name: "IQ3_S",
    weights: 256,
    bytes: 110,
    halves: [0],
    decode: (v, o) => {
      const quad = (t: number): number[] =>
        grids.iq3s[
          v.getUint8(o + 2 + t) | (((v.getUint8(o + 66 + (t >> 3)) >> (t & 7)) & 1) << 8)
        ]!;
      return {
        d: half(v, o),
        scales: range(8).map((b) => 2 * nibbleOf(v, o + 106, b) + 1),
        codes: octets((l) =>
          times([...quad(2 * l), ...quad(2 * l + 1)], plainSigns(v.getUint8(o + 74 + l))),
        ),
      };
    },
  },
  {
    id: 22,
    name: "IQ2_S",
    weights: 256,
    bytes: 82,
    halves: [0],
    decode: (v, o) => ({
      d: half(v, o) / 8,
      scales: range(16).map((j) => 2 * nibbleOf(v, o + 74, j) + 1),
      codes: octets((l) => {
        const high = (v.getUint8(o + 66 + (l >> 2)) >> (2 * (l & 3))) & 3;
        return times(
          grids.iq2s[v.getUint8(o + 2 + l) | (high << 8)]!,
          plainSigns(v.getUint8(o + 34 + l)),
        );
      }),
    }),
  },
  {
    id: 23,
    name: "IQ4_XS",
    weights: 256,
    bytes: 136,
    halves: [0],
    decode: (v, o) => ({
      d: half(v, o),
      scales: range(8).map((j) => {
        const low = (v.getUint8(o + 4 + (j >> 1)) >> (j & 1 ? 4 : 0)) & 15;
        return (low | (((v.getUint16(o + 2, true) >> (2 * j)) & 3) << 4)) - 32;
      }),
      codes: range(256).map((e) => iq4nl[nibble(v, o + 8 + 16 * (e >> 5), e & 31)]!),
    }),
  },
  {
    id: 29,
    name: "IQ1_M",
    weights: 256,
    bytes: 56,
    halves: [],
    // the exponent's top bit is bit 14 of d, so bit 6 of byte 55
    tame: (v, o) => v.setUint8(o + 55, v.getUint8(o + 55) & 0xbf),
    decode: (v, o) => {
      const sc = (i: number): number => v.getUint16(o + 48 + 2 * i, true);
      return {
        d: f16ToF32(range(4).reduce((bits, i) => bits | ((sc(i) >> 12) << (4 * i)), 0)) / 8,
        scales: range(16).map((j) => 2 * ((sc(j >> 2) >> (3 * (j & 3))) & 7) + 1),
        codes: octets((l) => {
          const h = nibbleOf(v, o + 32, l);
          return grids.iq1s[v.getUint8(o + l) | ((h & 7) << 8)]!.map(
            (value) => 8 * value + (h & 8 ? -1 : 1),
          );
        }),
      };
    },
  },
  { id: 30, name: "BF16", weights: 1, bytes: 2, halves: [] },
  {
    id: 34,
    name: "TQ1_0",
    weights: 256,
    bytes: 54,
    halves: [52],
    decode: (v, o) => ({
      d: half(v, o + 52),
      codes: range(256).map((e) => {
        if (e < 160) return trit(v.getUint8(o + (e % 32)), e >> 5) - 1;
        if (e < 240) return trit(v.getUint8(o + 32 + (e % 16)), (e - 160) >> 4) - 1;
        return trit(v.getUint8(o + 48 + (e % 4)), (e - 240) >> 2) - 1;
      }),
    }),
  },
  {
    id: 35,
    name: "TQ2_0",
    weights: 256,
    bytes: 66,
    halves: [64],
    decode: (v, o) => ({ d: half(v, o + 64), codes: range(256).map((e) => twoBits(v, o, e) - 1) }),
  },
  {
    id: 39,
    name: "MXFP4",
    weights: 32,
    bytes: 17,
    halves: [],
    // exponents around 1, and now and then the smallest
    tame: (v, o, next) => v.setUint8(o, next() % 16 === 0 ? next() % 4 : 115 + (next() % 20)),
    decode: (v, o) => ({
      d: 2 ** (v.getUint8(o) - 128),
      codes: range(32).map((e) => mxfp4[nibble(v, o + 1, e)]!),
    }),
  },
  {
    id: 40,
    name: "NVFP4",
    weights: 64,
    bytes: 36,
    activations: 32,
    halves: [],
    decode: (v, o) => ({
      d: range(4).map((j) => ue4m3(v.getUint8(o + j))),
      codes: range(64).map((e) => {
        const byte = v.getUint8(o + 4 + 8 * (e >> 4) + (e & 7));
        return mxfp4[(e & 8 ? byte >> 4 : byte) & 15]!;
      }),
    }),
  },
  {
    id: 41,
    name: "Q1_0",
    weights: 128,
    bytes: 18,
    activations: 32,
    halves: [0],
    decode: (v, o) => ({
      d: half(v, o),
      codes: range(128).map((e) => ((v.getUint8(o + 2 + (e >> 3)) >> (e & 7)) & 1 ? 1 : -1)),
    }),
  },
  {
    id: 42,
    name: "Q2_0",
    weights: 64,
    bytes: 18,
    activations: 32,
    halves: [0],
    decode: (v, o) => ({
      d: half(v, o),
      codes: range(64).map((e) => ((v.getUint8(o + 2 + (e >> 2)) >> (2 * (e & 3))) & 3) - 1),
    }),
  },
  ...ikTypes,
];

/** A generator of 32-bit numbers; the same everywhere (xorshift32). */
export function random(seed: number): () => number {
  let s = seed;
  return () => {
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    return s >>> 0;
  };
}

/** nRows rows of k random weights. f16 fields are finite; one in 16 is subnormal or zero, half are negative. */
export function randomRows(type: BlockType, nRows: number, k: number, seed: number): Uint8Array {
  const next = random(seed);
  const meta = type.rowMeta ?? 0,
    rowBytes = meta + (k / type.weights) * type.bytes;
  const bytes = new Uint8Array(nRows * rowBytes);
  for (let i = 0; i < bytes.length; i++) bytes[i] = next() >>> 24;
  const v = new DataView(bytes.buffer);
  for (let o = 0; o < bytes.length; o += type.bytes) {
    if (o % rowBytes === 0) {
      type.tameRow?.(v, o, next);
      o += meta;
    }
    if (type.name === "F32") v.setFloat32(o, (next() / 2 ** 32 - 0.5) / 8, true);
    // the upper half of a float between 2^-9 and 2^-4
    if (type.name === "BF16") v.setUint16(o, (next() & 0x8000) | (0x3b00 + (next() % 0x280)), true);
    for (const field of type.halves) {
      const sign = next() & 0x8000;
      const bits = next() % 16 === 0 ? next() % 0x400 : 0x1000 + (next() % 0x2000);
      v.setUint16(o + field, sign | bits, true);
    }
    type.tame?.(v, o, next);
  }
  return bytes;
}

/** n activations, a sum of three uniform numbers with a few outliers. */
export function randomActivations(n: number, seed: number): Float32Array {
  const next = random(seed);
  return Float32Array.from({ length: n }, () => {
    const x = (next() + next() + next()) / 2 ** 31 - 3;
    return next() % 97 === 0 ? x * 20 : x;
  });
}
