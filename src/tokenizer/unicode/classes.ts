// Character classes of every code point, decoded once from tables.generated.ts into a two-stage
// table. Splitting rules ask here instead of a regular expression with \p{..}: JavaScript engines
// carry different Unicode versions, and a tokenizer must not.
import { BASE_RUNS, CATEGORY_RUNS, LOWER_CASE_RUNS, WHITE_SPACE } from "./tables.generated.ts";

/** Bits of a class. Every code point has at least one, so that 0 can mean "outside the text". */
export const LETTER = 1;
export const MARK = 2;
export const NUMBER = 4;
export const PUNCTUATION = 8;
export const SYMBOL = 16;
export const WHITE = 32;
export const SEPARATOR = 64;
/** Control, format, surrogate, private use and unassigned. */
export const OTHER = 128;

const CODE_POINTS = 0x110000;
// 256: with this block size the table has about 200 distinct blocks, 57 KB in all.
const BLOCK_BITS = 8;
const BLOCK = 1 << BLOCK_BITS;

// One class per category code, in the order of generate.mjs: Cn, 5 L, 3 M, 3 N, 7 P, 4 S, 3 Z, 4 C.
const CLASS_OF_CATEGORY = [
  [1, OTHER],
  [5, LETTER],
  [3, MARK],
  [3, NUMBER],
  [7, PUNCTUATION],
  [4, SYMBOL],
  [3, SEPARATOR],
  [4, OTHER],
].flatMap(([count, bits]) => Array.from({ length: count }, () => bits));

/** One bit a code point. */
const unassigned = new Uint8Array(CODE_POINTS / 8);

const { blockOf, blocks } = buildTable(decodeClasses());

/** Classes of the first 256 code points: the common case without the two-stage look-up. */
const LATIN = blocks.slice(blockOf[0] << BLOCK_BITS, (blockOf[0] << BLOCK_BITS) + BLOCK);

/** Class bits of a code point in 0..0x10ffff. */
export function classOf(codePoint: number): number {
  if (codePoint < BLOCK) return LATIN[codePoint];
  return blocks[(blockOf[codePoint >> BLOCK_BITS] << BLOCK_BITS) | (codePoint & (BLOCK - 1))];
}

/** False for code points that Unicode 15.1 has not assigned (general category Cn). */
export function isAssigned(codePoint: number): boolean {
  return (unassigned[codePoint >> 3] & (1 << (codePoint & 7))) === 0;
}

/** Simple lower-case mapping; a code point without one is returned as it is. */
export function toLower(codePoint: number): number {
  if (codePoint < 128) return codePoint >= 65 && codePoint <= 90 ? codePoint + 32 : codePoint;
  return lowerCase().get(codePoint) ?? codePoint;
}

/**
 * The first code point of the canonical decomposition (NFD): a letter without its accents. A code
 * point without one is returned as it is.
 */
export function baseOf(codePoint: number): number {
  if (codePoint < 0xc0) return codePoint;
  // A Hangul syllable is a leading consonant (588 syllables each), a vowel and perhaps a trailing one.
  if (codePoint >= 0xac00 && codePoint <= 0xd7a3) {
    return 0x1100 + Math.floor((codePoint - 0xac00) / 588);
  }
  return bases().get(codePoint) ?? codePoint;
}

/**
 * A 32-bit FNV-1a hash over the class, the lower-case mapping and the base of all code points: equal on every
 * engine, and changed by any change of the table.
 */
export function fingerprint(): number {
  let hash = 0x811c9dc5;
  for (let c = 0; c < CODE_POINTS; c++) {
    hash = Math.imul(hash ^ classOf(c), 0x01000193);
    const shift = toLower(c) - c;
    if (shift !== 0) hash = Math.imul(hash ^ shift, 0x01000193);
    const base = baseOf(c);
    if (base !== c) hash = Math.imul(hash ^ base, 0x01000193);
  }
  return hash >>> 0;
}

function decodeClasses(): Uint8Array {
  const classes = new Uint8Array(CODE_POINTS);
  let at = 0;
  for (let i = 0; i < CATEGORY_RUNS.length;) {
    const letter = CATEGORY_RUNS.charCodeAt(i++);
    let length = 0;
    for (; i < CATEGORY_RUNS.length; i++) {
      const digit = CATEGORY_RUNS.charCodeAt(i) - 48;
      if (digit > 9) break;
      length = length * 10 + digit;
    }
    const end = at + Math.max(length, 1);
    if (letter === 65) for (let c = at; c < end; c++) unassigned[c >> 3] |= 1 << (c & 7);
    classes.fill(CLASS_OF_CATEGORY[letter >= 97 ? letter - 71 : letter - 65], at, end);
    at = end;
  }
  for (const hex of WHITE_SPACE.split(" ")) classes[Number.parseInt(hex, 16)] |= WHITE;
  return classes;
}

function buildTable(classes: Uint8Array): { blockOf: Uint8Array; blocks: Uint8Array } {
  const blockOf = new Uint8Array(CODE_POINTS >> BLOCK_BITS);
  const seen = new Map<string, number>();
  const distinct: Uint8Array[] = [];
  for (let b = 0; b < blockOf.length; b++) {
    const block = classes.subarray(b << BLOCK_BITS, (b + 1) << BLOCK_BITS);
    const key = String.fromCharCode(...block);
    let index = seen.get(key);
    if (index === undefined) {
      index = distinct.push(block) - 1;
      seen.set(key, index);
    }
    blockOf[b] = index;
  }
  const blocks = new Uint8Array(distinct.length << BLOCK_BITS);
  for (const [i, block] of distinct.entries()) blocks.set(block, i << BLOCK_BITS);
  return { blockOf, blocks };
}

// Lower case is rare (one tokenizer family): decoded at first use.
let lowerMap: Map<number, number> | undefined;

function lowerCase(): Map<number, number> {
  if (lowerMap !== undefined) return lowerMap;
  lowerMap = new Map();
  let at = 0;
  for (const run of LOWER_CASE_RUNS.split(";")) {
    const [gap, length, stride, shift] = run.split(",").map((x) => Number.parseInt(x, 36));
    at += gap;
    for (let i = 0; i < length; i++) lowerMap.set(at + i * stride, at + i * stride + shift);
    at += (length - 1) * stride;
  }
  return lowerMap;
}

let baseMap: Map<number, number> | undefined;

function bases(): Map<number, number> {
  if (baseMap !== undefined) return baseMap;
  baseMap = new Map();
  let at = 0;
  for (const run of BASE_RUNS.split(";")) {
    const [gap, length, target] = run.split(",").map((x) => Number.parseInt(x, 36));
    at += gap;
    for (let i = 0; i < length; i++) baseMap.set(at + i, target);
    at += length - 1;
  }
  return baseMap;
}
