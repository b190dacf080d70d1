// Interleaving four rows of plain numbers: element k of rows 0..3 side by side (F32), or two elements of each row (F16, BF16).

/** Rows of k 16-bit numbers, rowBytes apart, to [k / 2][4][2], and [4] of the last if k is odd; rows from nRows on become zero. */
export function interleavePairs16(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  interleave32(src, rowBytes, nRows, k >> 1, dst);
  if ((k & 1) == 0) return;
  src += (k - 1) << 1;
  dst += <usize>(k - 1) << 3;
  for (let r: u32 = 0; r < nRows; r++) store<u16>(dst + (r << 1), load<u16>(src + <usize>r * rowBytes));
}

/** Rows of k 32-bit numbers, rowBytes apart, to [k][4]; rows from nRows on become zero. */
export function interleave32(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const zero = i32x4.splat(0);
  let e: u32 = 4;
  for (; e <= k; e += 4, src += 16, dst += 64) {
    const a = v128.load(src);
    const b = nRows > 1 ? v128.load(src + rowBytes) : zero;
    const c = nRows > 2 ? v128.load(src + 2 * rowBytes) : zero;
    const d = nRows > 3 ? v128.load(src + 3 * rowBytes) : zero;
    const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5), cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
    v128.store(dst, v128.shuffle<i64>(ab, cd, 0, 2));
    v128.store(dst, v128.shuffle<i64>(ab, cd, 1, 3), 16);
    const ef = v128.shuffle<i32>(a, b, 2, 6, 3, 7), gh = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
    v128.store(dst, v128.shuffle<i64>(ef, gh, 0, 2), 32);
    v128.store(dst, v128.shuffle<i64>(ef, gh, 1, 3), 48);
  }
  for (e -= 4; e < k; e++, src += 4, dst += 16) {
    for (let r: u32 = 0; r < nRows; r++) store<u32>(dst + (r << 2), load<u32>(src + <usize>r * rowBytes));
  }
}
