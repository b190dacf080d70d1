// 256 codes, one a byte at L, as blocks hold them: the low bits of several codes in a byte, the others elsewhere.

/** Two bits of each code, from `shift` on: bits 2 * (e % 128 / 32) of qs[32 * (e / 128) + e % 32], 64 bytes. */
export function packTwoBits(L: usize, shift: u32, qs: usize): void {
  const three = i8x16.splat(3);
  for (let half = 0; half < 2; half++, L += 128, qs += 32) {
    for (let l: usize = 0; l < 32; l += 16) {
      let bits = i32x4.splat(0);
      for (let s: u32 = 0; s < 4; s++) {
        bits = v128.or(bits, i8x16.shl(v128.and(i8x16.shr_u(v128.load(L + l + (s << 5)), shift), three), 2 * s));
      }
      v128.store(qs + l, bits);
    }
  }
}

/** Bit `shift` of each code: bit e / 32 of qh[e % 32], 32 bytes. */
export function packOneBit(L: usize, shift: u32, qh: usize): void {
  const one = i8x16.splat(1);
  for (let l: usize = 0; l < 32; l += 16) {
    let bits = i32x4.splat(0);
    for (let b: u32 = 0; b < 8; b++) {
      bits = v128.or(bits, i8x16.shl(v128.and(i8x16.shr_u(v128.load(L + l + (b << 5)), shift), one), b));
    }
    v128.store(qh + l, bits);
  }
}

/** The low four bits of each code: qs[run * (e / (2 * run)) + e % run], the low nibble before the high one. run: 16 or 32. */
export function packNibbles(L: usize, run: usize, qs: usize): void {
  const fifteen = i8x16.splat(15);
  for (let at: usize = 0; at < 128; at += 16) {
    const p = L + at / run * run * 2 + at % run;
    v128.store(qs + at, v128.or(v128.and(v128.load(p), fifteen), i8x16.shl(v128.load(p + run), 4)));
  }
}
