// A hash of every type's matrix products: the same for every build, tile, engine and CPU. Plain JavaScript without
// imports, so that any runtime can run it: test/runtimes does, matmul/golden.test.ts compares with golden.json.

const tameRow4 = (v, o, next) =>
  v.setFloat32(o, ((next() / 2 ** 32 - 0.5) / 64) * (next() % 16 === 0 ? 2 ** -100 : 1), true);
const tameRow2 = (v, o, next) =>
  v.setUint16(o, (next() & 0x8000) | (0x1000 + (next() % 0x2000)), true);

/**
 * id, weights and bytes of a block, offsets of its f16 fields, what else makes random bytes ordinary numbers; bytes before a
 * row's blocks and what makes them an ordinary scale. A copy of
 * what blocks.ts says, for plain runtimes.
 */
export const types = {
  F32: [0, 1, 4, []],
  F16: [1, 1, 2, [0]],
  Q4_0: [2, 32, 18, [0]],
  Q4_1: [3, 32, 20, [0, 2]],
  Q5_0: [6, 32, 22, [0]],
  Q5_1: [7, 32, 24, [0, 2]],
  Q8_0: [8, 32, 34, [0]],
  Q2_K: [10, 256, 84, [80, 82]],
  Q3_K: [11, 256, 110, [108]],
  Q4_K: [12, 256, 144, [0, 2]],
  Q5_K: [13, 256, 176, [0, 2]],
  Q6_K: [14, 256, 210, [208]],
  IQ2_XXS: [16, 256, 66, [0]],
  IQ2_XS: [17, 256, 74, [0]],
  IQ3_XXS: [18, 256, 98, [0]],
  IQ1_S: [19, 256, 50, [0]],
  IQ4_NL: [20, 32, 18, [0]],
  IQ3_S: [21, 256, 110, [0]],
  IQ2_S: [22, 256, 82, [0]],
  IQ4_XS: [23, 256, 136, [0]],
  IQ1_M: [29, 256, 56, [], (v, o) => v.setUint8(o + 55, v.getUint8(o + 55) & 0xbf)],
  BF16: [30, 1, 2, []],
  TQ1_0: [34, 256, 54, [52]],
  TQ2_0: [35, 256, 66, [64]],
  MXFP4: [
    39,
    32,
    17,
    [],
    (v, o, next, tiny) =>
      v.setUint8(o, next() % 16 === 0 && tiny ? next() % 4 : 115 + (next() % 20)),
  ],
  NVFP4: [40, 64, 36, []],
  Q1_0: [41, 128, 18, [0]],
  Q2_0: [42, 64, 18, [0]],
  Q6_0: [133, 32, 26, [0]],
  IQ1_BN: [134, 64, 13, [], undefined, 2, tameRow2],
  IQ2_BN: [135, 64, 16, [], undefined, 4, tameRow4],
  IQ2_K: [137, 256, 76, [0]],
  IQ3_K: [138, 256, 110, [0]],
  IQ4_K: [139, 256, 144, [0]],
  IQ5_K: [140, 256, 176, [0]],
  IQ6_K: [141, 256, 212, [0]],
  IQ4_KS: [144, 256, 136, [], undefined, 4, tameRow4],
  IQ2_KS: [145, 256, 70, [], undefined, 2, tameRow2],
  IQ4_KSS: [146, 256, 128, [], undefined, 4, tameRow4],
  Q8_KV: [151, 32, 32, [], undefined, 8, tameRow4],
  IQ5_KS: [152, 256, 168, [], undefined, 4, tameRow4],
  IQ2_KT: [153, 256, 68, [], undefined, 4, tameRow4],
  IQ3_KT: [154, 256, 100, [], undefined, 4, tameRow4],
  IQ4_KT: [155, 256, 128, [], undefined, 4, tameRow4],
  IQ3_KS: [156, 256, 102, [], undefined, 2, tameRow2],
  IQ2_KL: [157, 256, 86, [], undefined, 2, tameRow2],
  IQ1_KT: [158, 256, 56, [], undefined, 4, tameRow4],
  IQ1_M_R4: [229, 256, 56, [], undefined, 2, tameRow2],
};

const K = 1536,
  ROWS = 37,
  COLUMNS = 11;

/** Same numbers everywhere (xorshift32). */
export function random(seed) {
  let s = seed;
  return () => {
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    return s >>> 0;
  };
}

/** Bytes of a row of k weights. */
export function bytesOfRow(name, k) {
  const [, weights, bytes, , , meta = 0] = types[name];
  return meta + (k / weights) * bytes;
}

/** Random rows of a type at `source`; subnormals: some f16 scales are, and some of MXFP4's are as small. */
export function fillRows(v, source, name, nRows, k, next, subnormals = true) {
  const [, , bytes, halves, tame, meta = 0, tameRow] = types[name];
  const rowBytes = bytesOfRow(name, k);
  for (let i = 0; i < nRows * rowBytes; i++) v.setUint8(source + i, next() >>> 24);
  for (let o = 0; o < nRows * rowBytes; o += bytes) {
    if (o % rowBytes === 0) {
      tameRow?.(v, source + o, next);
      o += meta;
    }
    if (name === "F32") v.setFloat32(source + o, (next() / 2 ** 32 - 0.5) / 8, true);
    if (name === "BF16")
      v.setUint16(source + o, (next() & 0x8000) | (0x3b00 + (next() % 0x280)), true);
    for (const field of halves) {
      const sign = next() & 0x8000;
      const bits = next() % 16 === 0 && subnormals ? next() % 0x400 : 0x1000 + (next() % 0x2000);
      v.setUint16(source + o + field, sign | bits, true);
    }
    tame?.(v, source + o, next, subnormals);
  }
}

/** FNV-1a of bytes and of a second mix of them: 64 bits. */
function fnv(bytes) {
  let a = 0x811c9dc5,
    b = 0x01000193;
  for (const byte of bytes) {
    a = Math.imul(a ^ byte, 0x01000193);
    b = Math.imul(b ^ byte ^ (a >>> 13), 0x85ebca6b);
  }
  return (a >>> 0).toString(16).padStart(8, "0") + (b >>> 0).toString(16).padStart(8, "0");
}

/**
 * Hashes by type name. exports: those of a kernel module; memory: its memory; heap: first free address. Throws when
 * one-column tiles and wide tiles differ, or the file's layout and the faster one (fastType).
 */
export function matmulHashes(exports, memory, heap) {
  const found = {};
  for (const name of Object.keys(types)) {
    const [id] = types[name];
    found[name] = productHash(exports, memory, heap, name, id);
    const fast = exports.fastType(id);
    if (fast !== id && productHash(exports, memory, heap, name, fast) !== found[name])
      throw new Error(`${name}: its products as codes differ`);
  }
  return found;
}

/** The hash of a type's products, its weights kept as kernel type `id`. */
function productHash(exports, memory, heap, name, id) {
  const next = random(4321 + types[name][0]);
  let top = (heap + 15) & ~15;
  const allocate = (n) => {
    const address = top;
    top = (top + n + 15) & ~15;
    if (top > memory.buffer.byteLength)
      memory.grow(Math.ceil((top - memory.buffer.byteLength) / 65536));
    return address;
  };
  const rowBytes = bytesOfRow(name, K),
    groupBytes = exports.groupBytes(id, K),
    nGroups = Math.ceil(ROWS / 4);
  const source = allocate(ROWS * rowBytes),
    w = allocate(nGroups * groupBytes),
    x = allocate(COLUMNS * K * 4);
  const format = exports.packFormat(id),
    T = exports.tileColumns(format);
  const tile = allocate(exports.packTileBytes(format, T, K));
  const out = allocate((COLUMNS + T) * nGroups * 16),
    scratch = allocate(exports.scratchBytes());
  const v = new DataView(memory.buffer);
  fillRows(v, source, name, ROWS, K, next);
  for (let i = 0; i < COLUMNS * K; i++)
    v.setFloat32(x + 4 * i, (next() + next() + next()) / 2 ** 31 - 3, true);
  for (let g = 0; g < nGroups; g++) {
    const left = Math.min(4, ROWS - 4 * g),
      from = source + 4 * g * rowBytes;
    exports.repackFast(id, from, rowBytes, left, K, w + g * groupBytes, scratch);
  }
  const stride = nGroups * 16;
  const product = (columns) => {
    for (let c = 0; c < COLUMNS; c += columns) {
      const given = Math.min(columns, COLUMNS - c);
      exports.packTile(
        format,
        columns,
        x + c * K * 4,
        K * 4,
        given,
        K,
        0,
        exports.packUnits(format, K),
        tile,
      );
      exports.matmulTile(
        id,
        nGroups,
        w,
        groupBytes,
        tile,
        K,
        columns,
        out + c * stride,
        stride,
        scratch,
      );
    }
    return fnv(new Uint8Array(memory.buffer, out, COLUMNS * stride));
  };
  // engines compile a function well only after some calls: hash again when they surely have
  const once = product(1);
  for (let i = 0; i < 20; i++) {
    if (product(1) !== once) throw new Error(`${name}: one-column products differ between runs`);
    if (product(T) !== once)
      throw new Error(`${name}: a product by tiles of ${T} differs from single columns`);
  }
  return once;
}
