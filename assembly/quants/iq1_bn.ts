// IQ1_BN (ik_llama.cpp): weights of three values, five in a byte, with one scale for a row, w = d_row * (trit - 1).
//
// GGUF row:  [d_row f16], then blocks of 64 weights in 13 bytes, five trits in each, trit n = ((byte * 3^(4 - n)) & 255) * 3 >> 8
//   weights 16i .. 16i + 14: bytes 3i .. 3i + 2; weight 16i + 15: trit i of byte 12
//
// R4 group of 4 rows, nb = K / 64 blocks; bytes as in TQ1_0, whose first trit is the one that 3^0 brings up:
//   [4 f16]        d_row
//   [nb x 52 B]    three vectors: vector j, byte 4r + k: row r, element 20j + 4n + k is trit n; then, of each row, a byte whose
//                  trit k is element 60 + k. Those of the vectors less 128, as in TQ1_0

import { f16ToF32, loadF16x4 } from "../half";
import { STEP } from "../lanes/builds";
import { settle, startAt } from "../lanes/dots";
import { even, odd } from "../lanes/even-odd";
import { BELOW1, BELOW2, EVEN, M128, ONES } from "../lanes/masks";
import { addProduct, addStep } from "./tile-parts";
import { trit, trits } from "./tq1_0";

const SPREAD: usize = memory.data<u8>([
  0, 255, 0, 255, 0, 255, 0, 255, 1, 255, 1, 255, 1, 255, 1, 255,
  2, 255, 2, 255, 2, 255, 2, 255, 3, 255, 3, 255, 3, 255, 3, 255,
], 16);
const POWERS: usize = memory.data<u16>([1, 3, 9, 27, 1, 3, 9, 27, 255], 16);

/** Four bytes at p, each four times, times 1, 3, 9 and 27 mod 256, less 128. */
// @ts-ignore: decorator
@inline
export function spreadTrits(p: usize): v128 {
  const v = v128.load32_zero(p), powers = v128.load(POWERS), m255 = v128.load_splat<u16>(POWERS + 16);
  const low = v128.and(i16x8.mul(i8x16.swizzle(v, v128.load(SPREAD)), powers), m255);
  const high = v128.and(i16x8.mul(i8x16.swizzle(v, v128.load(SPREAD, 16)), powers), m255);
  return v128.xor(i8x16.narrow_i16x8_u(low, high), v128.load_splat<u32>(M128));
}

/**
 * One tile, per 32 weights: acc = sum trit * y - sum y, f = f + acc * (d_row * d_y). Trits as in TQ1_0's tile.
 * @tiles 1x1 2x4 1x4
 */
function iq1_bn(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  const nb = k >> 6;
  const zero = i32x4.splat(0), below1 = v128.load_splat<u32>(BELOW1), below2 = v128.load_splat<u32>(BELOW2);
  const evenMask = v128.load_splat<u32>(EVEN), ones = v128.load_splat<u32>(ONES);
  let q$g = w + groupBytes * $g;
  const dw$g = loadF16x4(q$g);
  q$g += 8;
  let f$g$c = f32x4.splat(0);
  for (let b: u32 = 0; b < nb; b++) {
    let v$g = zero;
    let a$g$c = zero;
    for (let $s = 0; $s < 16; $s++) {
      if ($s % 5 == 0) v$g = $s == 15 ? spreadTrits(q$g + 48) : v128.load(q$g, 16 * ($s / 5));
      if ($s % 8 == 0) {
        const start$c = startAt(v128.load_splat<u32>(y, 4 * ($C + $c)));
        a$g$c = start$c;
      }
      const u$g = trits(v$g, below1, below2);
      v$g = i8x16.add(v$g, i8x16.add(v$g, v$g));
      const qEven$g = even(u$g, evenMask), qOdd$g = odd(u$g);
      addStep(a$g$c, false, qEven$g, qOdd$g, y, 2, $s % 8);
      if ($s % 8 == 7) {
        addProduct(f$g$c, settle(zero, a$g$c, ones), dw$g, y);
        y += $C * (8 + 32 * STEP);
      }
    }
    q$g += 52;
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
}

/** Trit of element e of a GGUF block of 64. */
function tritOfBlock(block: usize, e: u32): u32 {
  const run = e >> 4, m = e & 15;
  if (m == 15) return trit(load<u8>(block + 12), 4 - run);
  return trit(load<u8>(block + 3 * run + m / 5), 4 - m % 5);
}

/** Interleaves nRows (1..4) rows of k weights, rowBytes apart, into one group; missing rows become zero. */
export function repackIQ1_BN(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const nb = k >> 6;
  for (let r: u32 = 0; r < nRows; r++) {
    const row = src + <usize>r * rowBytes;
    store<u16>(dst + (r << 1), load<u16>(row));
    let block = row + 2, to = dst + 8;
    for (let b: u32 = 0; b < nb; b++, block += 13, to += 52) {
      for (let i: u32 = 0; i < 13; i++) {
        let value: u32 = 0;
        for (let n: u32 = 0; n < 5; n++) {
          // a word of four bytes covers 20 elements, the last byte four
          const e = i < 12 ? 20 * (i >> 2) + 4 * n + (i & 3) : 60 + n;
          value = value * 3 + (e < 64 ? tritOfBlock(block, e) : 0);
        }
        const byte = ((value << 8) + 242) / 243;
        if (i < 12) store<u8>(to + ((i >> 2) << 4) + (r << 2) + (i & 3), byte ^ 128);
        else store<u8>(to + 48 + r, byte);
      }
    }
  }
}

/** Row `lane` of a group as k f32. */
export function dequantizeIQ1_BN(group: usize, lane: u32, k: u32, out: usize): void {
  const d = f16ToF32(load<u16>(group + (lane << 1)));
  for (let e: u32 = 0; e < k; e++, out += 4) {
    const block = group + 8 + 52 * (e >> 6), i = e & 63, within = i % 20;
    const t = i < 60
      ? trit(load<u8>(block + (i / 20 << 4) + (lane << 2) + (within & 3)) ^ 128, within >> 2)
      : trit(load<u8>(block + 48 + lane), i - 60);
    store<f32>(out, d * <f32>(<i32>t - 1));
  }
}
