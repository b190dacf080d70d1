// Types with one scale for a whole row (ik_llama.cpp): IQ1_BN, IQ2_BN, Q8_KV. Importance weights have no use here.
// Layouts: assembly/quants/iq1_bn.ts, iq2_bn.ts, q8_kv.ts. Source: ik_llama.cpp, iqk_quantize.cpp.

import { at, maxMagnitude, nearestInt, storeRowScale, storeScale } from "./scalar";

/** 0, 1, 2 for -d, 0, d: zero is what lies below half the row's maximum. */
// @ts-ignore: decorator
@inline
function trit(v: f32, half: f32): u32 {
  return abs<f32>(v) < half ? 1 : v < 0 ? 0 : 2;
}

/** A number of up to five trits as a byte, ceil(value * 256 / 243). */
// @ts-ignore: decorator
@inline
function tritByte(value: u32): u32 {
  return ((value << 8) + 242) / 243;
}

/** Row: d f16. Block of 64 weights: 13 B, three for each run of 16 (five trits each, the first the least), then the 16th ones. */
export function quantizeIQ1_BN(x: usize, k: u32, y: usize): void {
  const d = maxMagnitude(x, k), half = <f32>0.5 * d;
  storeScale(y, d);
  y += 2;
  for (let b: u32 = 0; b < k >> 6; b++, y += 13) {
    let last: u32 = 0;
    for (let run: usize = 0, place: u32 = 1; run < 4; run++, place *= 3) {
      for (let i: usize = 0; i < 3; i++) {
        let value: u32 = 0;
        for (let j = 4; j >= 0; j--) value = value * 3 + trit(at(x + i * 20, j), half);
        store<u8>(y + run * 3 + i, tritByte(value));
      }
      last += place * trit(at(x, 15), half);
      x += 64;
    }
    store<u8>(y, tritByte(last), 12);
  }
}

/** Row: d f32. Block of 64 weights: 16 B, two bits for each of the weights 16 apart. */
export function quantizeIQ2_BN(x: usize, k: u32, y: usize): void {
  const d = maxMagnitude(x, k), half = <f32>0.5 * d;
  storeRowScale(y, d);
  y += 4;
  for (let b: u32 = 0; b < k >> 6; b++, x += 256, y += 16) {
    for (let j = 0; j < 16; j++) {
      let bits: u32 = 0;
      for (let i = 0; i < 4; i++) bits |= trit(at(x, j + 16 * i), half) << (2 * i);
      store<u8>(y + j, bits);
    }
  }
}

/** Row: d f32 = max |x| / 127, i32 sum of the codes; codes round(x / d), ties to even. */
export function quantizeQ8_KV(x: usize, k: u32, y: usize): void {
  const most = maxMagnitude(x, k);
  if (most == 0) return memory.fill(y, 0, k + 8);
  const d = most / <f32>127, id = <f32>1 / d;
  let total = 0;
  for (let i: u32 = 0; i < k; i++) {
    const code = <i8>nearestInt(id * at(x, i));
    store<i8>(y + i, code, 8);
    total += code;
  }
  storeRowScale(y, d);
  store<i32>(y, total, 4);
}
