// Slow, obvious dequantisers: one weight at a time, straight from LAYOUTS.md (sections 1.1 - 1.5),
// with every float operation rounded to f32. Kernels are tested against these, and the reference
// ops (ops.ts beside this file) read their weights with them.
import { rowBytes, typeByName } from "../../formats/types.ts";

const f = Math.fround;

/**
 * The weights of `bytes`, in order. Throws when the length does not fit `nWeights` weights of the
 * type.
 */
export function dequantize(typeName: string, bytes: Uint8Array, nWeights: number): Float32Array {
  const type = typeByName(typeName);
  const weight = WEIGHT[type.name];
  if (weight === undefined) {
    throw new Error(`dequantize: expected a type of the reference, found ${typeName}`);
  }
  const expected = nWeights === 0 ? 0 : rowBytes(type, nWeights);
  if (bytes.length !== expected) {
    throw new Error(
      `dequantize: expected ${expected} bytes for ${nWeights} weights of ${typeName}, found ${bytes.length}`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const y = new Float32Array(nWeights);
  for (let i = 0; i < nWeights; i++) {
    const block = Math.floor(i / type.blockSize) * type.typeSize;
    y[i] = weight({ view, block }, i % type.blockSize);
  }
  return y;
}

/** Type names that `dequantize` knows. */
export function referenceTypes(): string[] {
  return Object.keys(WEIGHT);
}

/** The value of an IEEE binary16 pattern. */
export function f16ToF32(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 0x3ff;
  if (exponent === 31) return mantissa ? NaN : sign * Infinity;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  return sign * (1024 + mantissa) * 2 ** (exponent - 25);
}

/** The binary16 pattern nearest to `x`, ties to even (LAYOUTS.md 1.1). */
export function f32ToF16(x: number): number {
  if (Number.isNaN(x)) return 0x7e00;
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  const a = Math.abs(x);
  if (a >= 65520) return sign | 0x7c00;
  // The patterns of non-negative halves ascend with their values: search the largest that is <= a.
  let low = 0;
  let high = 0x7bff;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (f16ToF32(middle) <= a) low = middle;
    else high = middle - 1;
  }
  // 0x7bff + 1 is infinity; as a rounding neighbour it stands for 65536.
  const next = low === 0x7bff ? 65536 : f16ToF32(low + 1);
  const below = a - f16ToF32(low);
  const above = next - a;
  const up = above < below || (above === below && (low & 1) === 1);
  return sign | (up ? low + 1 : low);
}

interface Place {
  readonly view: DataView;
  /** Byte offset of the block. */
  readonly block: number;
}

const u8 = (p: Place, o: number): number => p.view.getUint8(p.block + o);
const i8 = (p: Place, o: number): number => p.view.getInt8(p.block + o);
const u16 = (p: Place, o: number): number => p.view.getUint16(p.block + o, true);
const u32 = (p: Place, o: number): number => p.view.getUint32(p.block + o, true);
const f16 = (p: Place, o: number): number => f16ToF32(u16(p, o));

const lo = (byte: number): number => byte & 15;
const hi = (byte: number): number => byte >> 4;

/** Code of weight e where 16 bytes from `qs` hold 32: the low nibbles first, then the high ones. */
function halfSplit(p: Place, qs: number, e: number): number {
  return e < 16 ? lo(u8(p, qs + e)) : hi(u8(p, qs + e - 16));
}

/** Bit e of the u32 at `qh`, as the fifth bit of a code. */
function fifthBit(p: Place, qh: number, e: number): number {
  return ((u32(p, qh) >>> e) & 1) << 4;
}

/** Low two bits of the codes of Q2_K and Q3_K. */
function twoBits(p: Place, qs: number, e: number): number {
  const h = Math.floor(e / 128);
  const s = Math.floor((e % 128) / 32);
  return (u8(p, qs + 32 * h + (e % 32)) >> (2 * s)) & 3;
}

/**
 * Six-bit scale and minimum of sub-block g of Q4_K and Q5_K; `s` is the offset of the 12 scale
 * bytes.
 */
function scaleAndMin(p: Place, s: number, g: number): { sc: number; mn: number } {
  if (g < 4) return { sc: u8(p, s + g) & 63, mn: u8(p, s + g + 4) & 63 };
  return {
    sc: (u8(p, s + g + 4) & 15) | ((u8(p, s + g - 4) >> 6) << 4),
    mn: (u8(p, s + g + 4) >> 4) | ((u8(p, s + g) >> 6) << 4),
  };
}

/** Nibble code of Q4_K and Q5_K: 32 bytes per 64 weights, the first 32 in the low nibbles. */
function nibbleOf64(p: Place, qs: number, e: number): number {
  const byte = u8(p, qs + 32 * Math.floor(e / 64) + (e % 32));
  return Math.floor(e / 32) % 2 === 0 ? lo(byte) : hi(byte);
}

/**
 * d * sc * q - dmin * mn, the order of LAYOUTS.md: scale products first, then the code, then the
 * minimum.
 */
function scaledMinus(d: number, sc: number, q: number, dmin: number, mn: number): number {
  return f(f(f(d * sc) * q) - f(dmin * mn));
}

const IQ4NL = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/** The value of weight `e` of the block at `p`. */
const WEIGHT: Partial<Record<string, (p: Place, e: number) => number>> = {
  F32: (p) => p.view.getFloat32(p.block, true),
  F16: (p) => f16(p, 0),
  BF16: (p) => bf16ToF32(u16(p, 0)),

  // [d f16][qs 16]
  Q4_0: (p, e) => f((halfSplit(p, 2, e) - 8) * f16(p, 0)),
  // [d f16][m f16][qs 16]
  Q4_1: (p, e) => f(f(halfSplit(p, 4, e) * f16(p, 0)) + f16(p, 2)),
  // [d f16][qh u32][qs 16]
  Q5_0: (p, e) => f(((halfSplit(p, 6, e) | fifthBit(p, 2, e)) - 16) * f16(p, 0)),
  // [d f16][m f16][qh u32][qs 16]
  Q5_1: (p, e) => f(f((halfSplit(p, 8, e) | fifthBit(p, 4, e)) * f16(p, 0)) + f16(p, 2)),
  // [d f16][qs 32 x i8]
  Q8_0: (p, e) => f(i8(p, 2 + e) * f16(p, 0)),
  // [d f16][qs 16]
  IQ4_NL: (p, e) => f(f16(p, 0) * IQ4NL[halfSplit(p, 2, e)]),

  // [scales 16][qs 64][d f16][dmin f16]
  Q2_K: (p, e) => {
    const scale = u8(p, Math.floor(e / 16));
    return scaledMinus(f16(p, 80), lo(scale), twoBits(p, 16, e), f16(p, 82), hi(scale));
  },
  // [hmask 32][qs 64][scales 12][d f16]
  Q3_K: (p, e) => {
    const g = Math.floor(e / 16);
    const third = (u8(p, e % 32) >> Math.floor(e / 32)) & 1;
    const q = twoBits(p, 32, e) - (third ? 0 : 4);
    const low = u8(p, 96 + (g % 8));
    const high = (u8(p, 96 + 8 + (g % 4)) >> (2 * Math.floor(g / 4))) & 3;
    const scale = ((g < 8 ? lo(low) : hi(low)) | (high << 4)) - 32;
    return f(f(f16(p, 108) * scale) * q);
  },
  // [d f16][dmin f16][scales 12][qs 128]
  Q4_K: (p, e) => {
    const { sc, mn } = scaleAndMin(p, 4, Math.floor(e / 32));
    return scaledMinus(f16(p, 0), sc, nibbleOf64(p, 16, e), f16(p, 2), mn);
  },
  // [d f16][dmin f16][scales 12][qh 32][qs 128]
  Q5_K: (p, e) => {
    const g = Math.floor(e / 32);
    const { sc, mn } = scaleAndMin(p, 4, g);
    const q = nibbleOf64(p, 48, e) | (((u8(p, 16 + (e % 32)) >> g) & 1) << 4);
    return scaledMinus(f16(p, 0), sc, q, f16(p, 2), mn);
  },
  // [ql 128][qh 64][scales 16 x i8][d f16]
  Q6_K: (p, e) => {
    const h = Math.floor(e / 128);
    const j = e % 32;
    const s = Math.floor((e % 128) / 32);
    const byte = u8(p, 64 * h + j + 32 * (s % 2));
    const high = (u8(p, 128 + 32 * h + j) >> (2 * s)) & 3;
    const q = ((s < 2 ? lo(byte) : hi(byte)) | (high << 4)) - 32;
    return f(f(f16(p, 208) * i8(p, 192 + Math.floor(e / 16))) * q);
  },
  // [d f16][scales_h u16][scales_l 4][qs 128]
  IQ4_XS: (p, e) => {
    const b = Math.floor(e / 32);
    const low = u8(p, 4 + Math.floor(b / 2));
    const high = (u16(p, 2) >> (2 * b)) & 3;
    const scale = ((b % 2 === 0 ? lo(low) : hi(low)) | (high << 4)) - 32;
    return f(f(f16(p, 0) * scale) * IQ4NL[halfSplit(p, 8 + 16 * b, e % 32)]);
  },

  // The following serve the zoo's models beyond the first types. [qs 64][d f16]
  TQ2_0: (p, e) => f((twoBits(p, 0, e) - 1) * f16(p, 64)),
  // [e u8][qs 16]: 2^(e - 128) is half the E8M0 scale, the table twice the E2M1 values.
  MXFP4: (p, e) => f(f(2 ** (u8(p, 0) - 128)) * MXFP4[halfSplit(p, 1, e)]),
};

const MXFP4 = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

function bf16ToF32(bits: number): number {
  const word = new DataView(new ArrayBuffer(4));
  word.setUint32(0, bits * 0x10000);
  return word.getFloat32(0);
}
