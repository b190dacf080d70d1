// F32: plain weights. R4 group of 4 rows: [K][4] f32, element k of rows 0..3 side by side.

/**
 * One column: f = f + w * x, k ascending. Two elements a turn: 18.7 instead of 15.3 Gweights/s (with more columns a loss in older V8).
 * @tiles 4x1 1x1
 */
function f32Column(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  let w$g = w + groupBytes * $g;
  let f$g = f32x4.splat(0);
  for (let e: u32 = 2; e <= k; e += 2) {
    const x = v128.load_splat<u32>(y), z = v128.load_splat<u32>(y, 4);
    f$g = f32x4.add(f$g, f32x4.mul(v128.load(w$g), x));
    f$g = f32x4.add(f$g, f32x4.mul(v128.load(w$g, 16), z));
    w$g += 32;
    y += 8;
  }
  if (k & 1) f$g = f32x4.add(f$g, f32x4.mul(v128.load(w$g), v128.load_splat<u32>(y)));
  v128.store(out, f$g, 16 * $g);
}

/**
 * One tile, added to what `out` holds: f = f + w * x, k ascending.
 * @tiles 2x4 1x4
 */
function f32Rows(k: u32, w: usize, groupBytes: usize, y: usize, out: usize, outStride: usize): void {
  let w$g = w + groupBytes * $g;
  let f$g$c = v128.load(out + outStride * $c, 16 * $g);
  for (let e: u32 = 0; e < k; e++) {
    const v$g = v128.load(w$g);
    {
      const y$c = v128.load_splat<u32>(y, 4 * $c);
      f$g$c = f32x4.add(f$g$c, f32x4.mul(v$g, y$c));
    }
    w$g += 16;
    y += 4 * $C;
  }
  v128.store(out + outStride * $c, f$g$c, 16 * $g);
}

/** Row `lane` of a group as k f32. */
export function dequantizeF32(group: usize, lane: u32, k: u32, out: usize): void {
  for (let e: u32 = 0; e < k; e++) store<u32>(out + (e << 2), load<u32>(group + (e << 4) + (lane << 2)));
}
