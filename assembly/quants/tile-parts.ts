// Parts that the templates of this folder share (matmul/generate-tiles.mjs, @part).

import { ALL_NORMAL, loadFiniteF16x4, loadNormalF16x4, normal } from "../half";
import { STEP } from "../lanes/builds";
import { dot } from "../lanes/dots";
import { even, odd } from "../lanes/even-odd";

/**
 * a = a + the products of 4 weights, `even` and `odd` (lanes/even-odd.ts), with step $n of the columns; the steps begin $head words of
 * every column behind y. $fresh: dot begins a new sum.
 * @part
 */
export function addStep(a$g$c: v128, $fresh: bool, even$g: v128, odd$g: v128, y: usize, $head: i32, $n: i32): void {
  {
    const y$c = v128.load_splat<u32>(y, 4 * ($C * ($head + $n * STEP) + $c));
    const z$c = STEP == 2 ? v128.load_splat<u32>(y, 4 * ($C * ($head + $n * STEP + 1) + $c)) : y$c;
    a$g$c = dot($fresh, a$g$c, even$g, odd$g, y$c, z$c);
  }
}

/**
 * A step of a slab, whose weights are bytes: the vector $at bytes on, with the step at y, which moves on.
 * @part
 */
export function addSlabStep(a$g$c: v128, $fresh: bool, w$g: usize, $at: i32, evenMask: v128, y: usize): void {
  const q$g = v128.load(w$g, $at);
  const qEven$g = even(q$g, evenMask), qOdd$g = odd(q$g);
  addStep(a$g$c, $fresh, qEven$g, qOdd$g, y, 0, 0);
  // here, not in the offsets above: V8 makes an instruction of each offset of a splat
  y += 4 * STEP * $C;
}

/**
 * Steps 2 * $i and 2 * $i + 1 of a block of q8x32, whose weights are bytes: what a vector of nibbles stands for.
 * @part
 */
export function addTwoSteps(
  a$g$c: v128, $fresh: bool, low$g: v128, high$g: v128, evenMask: v128, y: usize, $i: i32,
): void {
  const lowEven$g = even(low$g, evenMask), lowOdd$g = odd(low$g);
  const highEven$g = even(high$g, evenMask), highOdd$g = odd(high$g);
  addStep(a$g$c, $fresh, lowEven$g, lowOdd$g, y, 2, 2 * $i);
  addStep(a$g$c, false, highEven$g, highOdd$g, y, 2, 2 * $i + 1);
}

/**
 * f = f + f32(sum) * (d_w * d_y); head: of the block of y, whose first field is d_y.
 * @part
 */
export function addProduct(f$g$c: v128, sum$g$c: v128, d$g: v128, head: usize): void {
  {
    const dy$c = v128.load_splat<u32>(head, 4 * $c);
    f$g$c = f32x4.add(f$g$c, f32x4.mul(f32x4.convert_i32x4_s(sum$g$c), f32x4.mul(d$g, dy$c)));
  }
}

/**
 * f = f + f32(sum) * (d_w * d_y), then f = f + f32(sum y) * (m_w * d_y); y: a block of q8x32.
 * @part
 */
export function addProductAndMinimum(f$g$c: v128, sum$g$c: v128, d$g: v128, m$g: v128, y: usize): void {
  {
    const dy$c = v128.load_splat<u32>(y, 4 * $c);
    // the packing holds -sum y: subtracting its product adds the sum's
    const minusSum$c = f32x4.convert_i32x4_s(v128.load_splat<u32>(y, 4 * ($C + $c)));
    f$g$c = f32x4.add(f$g$c, f32x4.mul(f32x4.convert_i32x4_s(sum$g$c), f32x4.mul(d$g, dy$c)));
    f$g$c = f32x4.sub(f$g$c, f32x4.mul(minusSum$c, f32x4.mul(m$g, dy$c)));
  }
}

/**
 * The f16 scales d at w; the longer conversion only where one is not normal.
 * @part
 */
export function loadScale(d$g: v128, w$g: usize): void {
  d$g = loadNormalF16x4(w$g);
  let allNormal = ALL_NORMAL;
  allNormal &= normal(w$g);
  if (allNormal != ALL_NORMAL) {
    d$g = loadFiniteF16x4(w$g);
  }
}

/**
 * The same of d and of minima, or their scales, m behind them.
 * @part
 */
export function loadScales(d$g: v128, m$g: v128, w$g: usize): void {
  d$g = loadNormalF16x4(w$g);
  m$g = loadNormalF16x4(w$g + 8);
  let allNormal = ALL_NORMAL;
  allNormal &= normal(w$g) & normal(w$g + 8);
  if (allNormal != ALL_NORMAL) {
    d$g = loadFiniteF16x4(w$g);
    m$g = loadFiniteF16x4(w$g + 8);
  }
}
