// The matrix product of NUMERICS.md, one multiplication at a time, with every float operation rounded to f32.

import { f16ToF32 } from "../../reference/dequantize.ts";
import type { BlockType } from "../quants/blocks.ts";

const f = Math.fround;

/** Activations of one column, quantised in blocks of n: q and d per block. */
export function quantize(x: Float32Array, n: number): { q: number[]; d: number[] } {
  const q: number[] = [],
    d: number[] = [];
  for (let b = 0; b < x.length; b += n) {
    const block = [...x.subarray(b, b + n)];
    const largest = block.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    if (!Number.isFinite(largest)) {
      d.push(NaN);
      q.push(...block.map(() => 0));
      continue;
    }
    const scale = f(largest / 127);
    const inverse = f(1 / scale);
    const usable = largest !== 0 && Number.isFinite(inverse);
    d.push(usable ? scale : 0);
    q.push(
      ...block.map((v) =>
        usable ? Math.max(-127, Math.min(127, nearestEven(f(v * inverse)))) : 0,
      ),
    );
  }
  return { q, d };
}

function nearestEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  if (rest === 0.5) return below % 2 === 0 ? below : below + 1;
  return rest < 0.5 ? below : below + 1;
}

/** [nColumns, nRows]: rows of GGUF bytes times columns x [nColumns, k]. */
export function multiply(
  type: BlockType,
  rows: Uint8Array,
  nRows: number,
  k: number,
  x: Float32Array,
): Float32Array {
  const v = new DataView(rows.buffer, rows.byteOffset, rows.length);
  const rowBytes = rows.length / nRows;
  const nColumns = x.length / k;
  const out = new Float32Array(nColumns * nRows);
  for (let c = 0; c < nColumns; c++) {
    const column = x.subarray(c * k, c * k + k);
    const packed = type.decode ? quantize(column, type.activations ?? type.weights) : undefined;
    for (let r = 0; r < nRows; r++) {
      out[c * nRows + r] = packed
        ? dotBlocks(type, v, r * rowBytes, packed)
        : dotFloats(type, v, r * rowBytes, column);
    }
  }
  return out;
}

// one buffer for all: a new one for each weight takes seconds
const word = new DataView(new ArrayBuffer(4));
function bf16ToF32(bits: number): number {
  word.setUint16(2, bits, true);
  return word.getFloat32(0, true);
}

function dotFloats(type: BlockType, v: DataView, o: number, x: Float32Array): number {
  const weight: Record<string, (e: number) => number> = {
    F32: (e) => v.getFloat32(o + 4 * e, true),
    F16: (e) => f16ToF32(v.getUint16(o + 2 * e, true)),
    BF16: (e) => bf16ToF32(v.getUint16(o + 2 * e, true)),
  };
  return x.reduce((sum, value, e) => f(sum + f(weight[type.name]!(e) * value)), 0);
}

function dotBlocks(
  type: BlockType,
  v: DataView,
  o: number,
  y: { q: number[]; d: number[] },
): number {
  const activations = type.activations ?? type.weights,
    row = o;
  o += type.rowMeta ?? 0;
  let sum = 0;
  for (let b = 0; b < y.q.length / type.weights; b++) {
    const block = type.decode!(v, o + b * type.bytes, row);
    const q = y.q.slice(b * type.weights, (b + 1) * type.weights);
    const perScale = type.weights / (block.scales?.length ?? 1);
    const ds = typeof block.d === "number" ? [block.d] : block.d;
    // a product of integers reaches as far as one scale of the weights and one of the activations
    const run = Math.min(activations, type.weights / ds.length);
    for (let from = 0; from < type.weights; from += run) {
      const part = q.slice(from, from + run);
      const dy = y.d[Math.floor((b * type.weights + from) / activations)]!;
      const d = ds[Math.floor((from * ds.length) / type.weights)]!;
      if (block.mins) {
        const perMin = type.weights / block.mins.length;
        const total = part.reduce(
          (s, value, e) => s + value * block.mins![Math.floor((from + e) / perMin)]!,
          0,
        );
        sum = f(sum - f(f(total) * f(block.dmin! * dy)));
      }
      const total = part.reduce(
        (s, value, e) =>
          s +
          value * block.codes[from + e]! * (block.scales?.[Math.floor((from + e) / perScale)] ?? 1),
        0,
      );
      sum = f(sum + f(f(total) * f(d * dy)));
      if (block.m !== undefined) {
        sum = f(sum + f(f(part.reduce((s, value) => s + value, 0)) * f(block.m * dy)));
      }
    }
  }
  return sum;
}
