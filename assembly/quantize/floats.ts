// F32, F16 and BF16: rounded to nearest, ties to even. Values that become infinite are noted (scalar.ts).

import { f32ToBf16, f32ToF16, storeBf16x4, storeF16x4 } from "../half";
import { at, noteOverflow } from "./scalar";

export function quantizeF32(x: usize, k: u32, y: usize): void {
  memory.copy(y, x, k << 2);
}

export function quantizeF16(x: usize, k: u32, y: usize): void {
  let i: u32 = 0, most = f32x4.splat(0);
  for (; i + 4 <= k; i += 4) {
    const v = v128.load(x + (i << 2));
    most = f32x4.pmax(most, f32x4.abs(v));
    storeF16x4(y + (i << 1), v);
  }
  // what rounds to infinity
  if (v128.any_true(f32x4.ge(most, f32x4.splat(65520)))) noteOverflow();
  for (; i < k; i++) {
    const h = f32ToF16(at(x, i));
    if ((h & 0x7c00) == 0x7c00) noteOverflow();
    store<u16>(y + (i << 1), h);
  }
}

export function quantizeBF16(x: usize, k: u32, y: usize): void {
  let i: u32 = 0, most = f32x4.splat(0);
  for (; i + 4 <= k; i += 4) {
    const v = v128.load(x + (i << 2));
    most = f32x4.pmax(most, f32x4.abs(v));
    storeBf16x4(y + (i << 1), v);
  }
  if (v128.any_true(f32x4.ge(most, i32x4.splat(BF16_INFINITE)))) noteOverflow();
  for (; i < k; i++) {
    const h = f32ToBf16(at(x, i));
    if ((h & 0x7f80) == 0x7f80) noteOverflow();
    store<u16>(y + (i << 1), h);
  }
}

/** The f32 from which on BF16 is infinity: halfway beyond its largest number. */
const BF16_INFINITE: i32 = 0x7f7f8000;
