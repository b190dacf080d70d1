// The order of candidates: higher logit first, equal logits by lower token id. Both are packed into
// one f64 that sorts ascending, so that sorting needs no comparator and no tie is left to an
// engine's sort. Used by candidates.ts.
//
//   key = rank * 2^21 + id        rank: the f32's bits, remapped so that a larger f32 ranks lower
//   bits  52 ........ 21  20 ... 0
//        |  rank (32)   | id (21) |   < 2^53: exact in f64

/** Token ids fit 21 bits: 32 + 21 = 53 bits fill an f64's exact integers. */
export const maxVocabularySize = 2_097_152;

/** Writes the key of each of the first n candidates into keys. */
export function rank(ids: Int32Array, logits: Float32Array, n: number, keys: Float64Array): void {
  const bits = bitsOf(logits);
  for (let i = 0; i < n; i++) keys[i] = keyOf(bits[i], ids[i]);
}

/**
 * Writes the keys of the k best of n candidates into keys[0..k), sorted. The ids must ascend; then
 * a later candidate of equal logit never replaces an earlier one. 1 <= k <= n. One pass with a heap
 * of k keys: for k much smaller than n nearly every candidate costs one comparison.
 */
export function rankBest(
  ids: Int32Array,
  logits: Float32Array,
  n: number,
  k: number,
  keys: Float64Array,
): void {
  const bits = bitsOf(logits);
  for (let i = 0; i < k; i++) keys[i] = keyOf(bits[i], ids[i]);
  // The largest key, the worst candidate kept, is on top.
  for (let i = (k >> 1) - 1; i >= 0; i--) siftDown(keys, i, k);
  let worst = logitOf(keys[0]);
  for (let i = k; i < n; i++) {
    if (logits[i] > worst) {
      keys[0] = keyOf(bits[i], ids[i]);
      siftDown(keys, 0, k);
      worst = logitOf(keys[0]);
    }
  }
  keys.subarray(0, k).sort();
}

/** Writes the candidates of the first n keys, in their order. Takes -0 back as +0. */
export function unrank(
  keys: Float64Array,
  n: number,
  ids: Int32Array,
  logits: Float32Array,
): void {
  const bits = bitsOf(logits);
  for (let i = 0; i < n; i++) {
    const order = Math.floor(keys[i] / maxVocabularySize);
    ids[i] = keys[i] - order * maxVocabularySize;
    bits[i] = bitsOfRank(order);
  }
}

function bitsOf(logits: Float32Array): Uint32Array {
  return new Uint32Array(logits.buffer, logits.byteOffset, logits.length);
}

/** Positive floats order as their bits do, negative ones the other way round. */
function keyOf(bits: number, id: number): number {
  // -0 (sign bit alone) equals +0 and must rank like it.
  const order = bits < 0x8000_0000 ? 0x7fff_ffff - bits : bits === 0x8000_0000 ? 0x7fff_ffff : bits;
  return order * maxVocabularySize + id;
}

function bitsOfRank(order: number): number {
  return order < 0x8000_0000 ? 0x7fff_ffff - order : order;
}

const oneFloat = new Float32Array(1);
const oneWord = new Uint32Array(oneFloat.buffer);

function logitOf(key: number): number {
  oneWord[0] = bitsOfRank(Math.floor(key / maxVocabularySize));
  return oneFloat[0];
}

function siftDown(keys: Float64Array, start: number, n: number): void {
  const key = keys[start];
  let i = start;
  for (;;) {
    let child = 2 * i + 1;
    if (child >= n) break;
    if (child + 1 < n && keys[child + 1] > keys[child]) child++;
    if (keys[child] <= key) break;
    keys[i] = keys[child];
    i = child;
  }
  keys[i] = key;
}
