// Matchers and stages that a single family needs.
import { LETTER, NUMBER, WHITE } from "../unicode/classes.ts";
import { contraction, runOf } from "./matchers.ts";
import { BLOOM_BREAKS, HAN, within } from "./ranges.ts";
import { eachPiece, type Matcher, type Stage } from "./stage.ts";

const isDigit = (code: number) => code >= 48 && code <= 57;

/** deepseek-llm, `\s+$`: the white space at the end of a piece. */
export const trailingSpaces: Stage = eachPiece(({ classes }, start, end, ends) => {
  let cut = end;
  while (cut > start && (classes[cut - 1] & WHITE) !== 0) cut--;
  if (cut > start) ends.push(cut);
  if (cut < end) ends.push(end);
});

/**
 * jais-2, `\s{512}(?!\S)|\s{256}(?!\S)|...|\s{1,2}(?!\S)|\s{1}` in place of `\s+(?!\S)|\s+`: runs of
 * spaces in powers of two. As a stage of its own it reads each run once.
 */
export const cascadedSpaces: Stage = eachPiece(({ codes, classes }, start, end, ends) => {
  const isSpace = (at: number) =>
    (classes[at] & WHITE) !== 0 && codes[at] !== 10 && codes[at] !== 13;
  let stop = start;
  while (stop < end && isSpace(stop)) stop++;
  if (stop < end) {
    ends.push(end);
    return;
  }
  for (let at = start; at < end;) {
    let size = 512;
    while (size > end - at) size >>= 1;
    at += size;
    ends.push(at);
  }
});

/** chameleon, `<sentinel:[0-9]+>`. */
export const chameleonSentinel: Matcher = {
  begins: (code) => code === 60, // <
  match: ({ codes }, at, end) => {
    const opening = "<sentinel:";
    const digits = at + opening.length;
    if (codes[at] !== 60 || digits >= end) return at;
    for (let i = 0; i < opening.length; i++) {
      if (codes[at + i] !== opening.charCodeAt(i)) return at;
    }
    let stop = digits;
    while (stop < end && isDigit(codes[stop])) stop++;
    return stop > digits && stop < end && codes[stop] === 62 ? stop + 1 : at;
  },
};

/** chameleon, `(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z`. */
export const chameleonImage: Matcher = {
  begins: (code) => code === 73, // I
  match: ({ codes }, at, end) => {
    const opening = "IMGIMG";
    const name = at + opening.length;
    if (codes[at] !== 73 || name >= end) return at;
    for (let i = 0; i < opening.length; i++) {
      if (codes[at + i] !== opening.charCodeAt(i)) return at;
    }
    let stop = name;
    while (stop < end && stop < name + 4 && codes[stop] >= 65 && codes[stop] <= 73) stop++;
    return stop > name && stop < end && codes[stop] === 90 ? stop + 1 : at;
  },
};

/** chameleon, `[\t\n]|    |  `: a tab, a line end, four spaces or two. */
export const chameleonIndent: Matcher = {
  begins: (code) => code === 9 || code === 10 || code === 32,
  match: ({ codes }, at, end) => {
    if (codes[at] === 9 || codes[at] === 10) return at + 1;
    let stop = at;
    while (stop < end && stop < at + 4 && codes[stop] === 32) stop++;
    return stop === at + 4 ? stop : stop >= at + 2 ? at + 2 : at;
  },
};

const isBloomBreak = within(BLOOM_BREAKS);
const isBloomWord = (code: number, bits: number) => (bits & WHITE) === 0 && !isBloomBreak(code);

/** bloom, ` ?[^(\s|.,!?…。，、।۔،)]+`. */
export const bloomWord: Matcher = {
  begins: (code, bits) => code === 32 || Number.isNaN(code) || isBloomWord(code, bits),
  match: ({ codes, classes }, at, end) => {
    const first = codes[at] === 32 ? at + 1 : at;
    let stop = first;
    while (stop < end && isBloomWord(codes[stop], classes[stop])) stop++;
    return stop > first ? stop : at;
  },
};

/** superbpe, `(?=(\d{3})+(?!\d))`: groups of three digits, counted from the right. */
export const digitGroupsFromRight: Stage = eachPiece(({ codes }, start, end, ends) => {
  for (let at = start; at < end;) {
    if (!isDigit(codes[at])) {
      at++;
      continue;
    }
    let stop = at;
    while (stop < end && isDigit(codes[stop])) stop++;
    for (let cut = at + ((stop - at) % 3); cut < stop; cut += 3) if (cut > start) ends.push(cut);
    at = stop;
  }
  ends.push(end);
});

/** tiny_aya, `\d{1,3}(?=(?:\d{3})*\b)`: the same, unless a word goes on after the digits. */
export const groupsBeforeBoundary: Stage = eachPiece(({ codes }, start, end, ends) => {
  let last = start;
  for (let at = start; at < end;) {
    let stop = at;
    while (stop < end && isDigit(codes[stop])) stop++;
    if (stop === at || (stop < end && isAsciiWord(codes[stop]))) {
      at = Math.max(stop, at + 1);
      continue;
    }
    if (at > last) ends.push(at);
    for (let cut = at + ((stop - at) % 3 || 3); cut <= stop; cut += 3) ends.push(cut);
    at = last = stop;
  }
  if (last < end) ends.push(end);
});

function isAsciiWord(code: number): boolean {
  const lower = code | 32;
  return (lower >= 97 && lower <= 122 && code < 128) || isDigit(code) || code === 95;
}

/**
 * afmoe: numbers in groups of three from the right. The text before a number stays in one piece
 * with its first group, as in llama.cpp; the stages after this one cut it off again.
 */
export const digitsGlued: Stage = eachPiece(({ classes }, start, end, ends) => {
  let last = start;
  for (let at = start; at < end;) {
    if ((classes[at] & NUMBER) === 0) {
      at++;
      continue;
    }
    let stop = at;
    while (stop < end && (classes[stop] & NUMBER) !== 0) stop++;
    const first = at + ((stop - at) % 3 || 3);
    for (last = first; ; last += 3) {
      ends.push(last);
      if (last === stop) break;
    }
    at = stop;
  }
  if (last < end) ends.push(end);
});

const isHan = within(HAN);
const contractionAnyCase = contraction(true);

// Letters but Han, with one character before them and a contraction after.
const kimiLetters: Matcher = {
  begins: (_, bits) => (bits & NUMBER) === 0,
  match: (text, at, end) => {
    const { codes, classes } = text;
    const isLetter = (i: number) => i < end && (classes[i] & LETTER) !== 0 && !isHan(codes[i]);
    let stop = at;
    if ((classes[at] & (LETTER | NUMBER)) === 0 && codes[at] !== 10 && codes[at] !== 13) stop++;
    if (!isLetter(stop)) return at;
    while (isLetter(stop)) stop++;
    return stop < end ? contractionAnyCase.match(text, stop, end) : stop;
  },
};

/** kimi-k2: the alternatives for Han and for other letters. */
export const kimiWord: readonly Matcher[] = [runOf(isHan), kimiLetters];
