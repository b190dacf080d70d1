// Interleaving four rows of plain numbers: element k of rows 0..3 side by side. Used by F32, F16 and BF16.

/** Rows of k 16-bit numbers, rowBytes apart, to [k][4]; rows from nRows on become zero. */
export function interleave16(src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize): void {
  const zero = i32x4.splat(0);
  let e: u32 = 8;
  for (; e <= k; e += 8, src += 16, dst += 64) {
    const a = v128.load(src);
    const b = nRows > 1 ? v128.load(src + rowBytes) : zero;
    const c = nRows > 2 ? v128.load(src + 2 * rowBytes) : zero;
    const d = nRows > 3 ? v128.load(src + 3 * rowBytes) : zero;
    const ab = v128.shuffle<i16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11), cd = v128.shuffle<i16>(c, d, 0, 8, 1, 9, 2, 10, 3, 11);
    v128.store(dst, v128.shuffle<i32>(ab, cd, 0, 4, 1, 5));
    v128.store(dst, v128.shuffle<i32>(ab, cd, 2, 6, 3, 7), 16);
    const ef = v128.shuffle<i16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15), gh = v128.shuffle<i16>(c, d, 4, 12, 5, 13, 6, 14, 7, 15);
    v128.store(dst, v128.shuffle<i32>(ef, gh, 0, 4, 1, 5), 32);
    v128.store(dst, v128.shuffle<i32>(ef, gh, 2, 6, 3, 7), 48);
  }
  for (e -= 8; e < k; e++, src += 2, dst += 8) {
    for (let r: u32 = 0; r < nRows; r++) store<u16>(dst + (r << 1), load<u16>(src + <usize>r * rowBytes));
  }
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
