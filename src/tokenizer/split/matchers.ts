// The alternatives that the published splitting expressions are made of, one function each. The
// expression that a matcher stands for is in its comment; all run in time linear in what they
// read, where a backtracking engine can need quadratic time or more.
//
// llama.cpp runs most expressions over a text in which each non-ASCII code point is replaced by a
// byte for its class, and its ASCII lists for \p{P} and \p{S} lack "~". So here "~" is in neither,
// wherever a matcher stands for an expression that names \p{S}.
import { LETTER, MARK, NUMBER, PUNCTUATION, SYMBOL, WHITE } from "../unicode/classes.ts";
import type { CodePoints } from "./code-points.ts";
import type { Match, Matcher } from "./stage.ts";

const SPACE = 32;
const LF = 10;
const CR = 13;
const APOSTROPHE = 39;
const SLASH = 47;
const TILDE = 126;
const WORD = LETTER | MARK;

/** 's 't 'm 'd 're 've 'll; `anyCase` takes capitals too. */
export function contraction(anyCase: boolean): Matcher {
  const fold = anyCase ? 32 : 0; // the ASCII case bit
  return {
    begins: (code) => code === APOSTROPHE,
    match: (text, at, end) => contractionEnd(text, at, end, fold),
  };
}

function contractionEnd({ codes }: CodePoints, at: number, end: number, fold: number): number {
  if (codes[at] !== APOSTROPHE || at + 1 >= end) return at;
  const a = codes[at + 1] | fold;
  if (a === 115 || a === 116 || a === 109 || a === 100) return at + 2; // s t m d
  if (at + 2 >= end) return at;
  const b = codes[at + 2] | fold;
  if ((a === 114 || a === 118) && b === 101) return at + 3; // re ve
  return a === 108 && b === 108 ? at + 3 : at; // ll
}

function runEnd({ classes }: CodePoints, at: number, end: number, mask: number): number {
  while (at < end && (classes[at] & mask) !== 0) at++;
  return at;
}

/** ` ?\p{X}+` for the classes of `mask`. */
export function spaced(mask: number): Matcher {
  return {
    begins: (code, bits) => code === SPACE || (bits & mask) !== 0,
    match: (text, at, end) => {
      const first = text.codes[at] === SPACE ? at + 1 : at;
      const stop = runEnd(text, first, end, mask);
      return stop > first ? stop : at;
    },
  };
}

/** `\p{X}+` for the classes of `mask`, `max` at a time. */
export function run(mask: number, max = Infinity): Matcher {
  return {
    begins: (_, bits) => (bits & mask) !== 0,
    match: (text, at, end) => runEnd(text, at, Math.min(end, at + max), mask),
  };
}

/** `[^\r\n\p{L}\p{N}]?\p{X}+`: a word with whatever stands before it. */
export function prefixed(mask: number, noPrefix = LETTER | NUMBER): Matcher {
  return {
    begins: (code, bits) =>
      (bits & mask) !== 0 || (((bits & noPrefix) === 0 || code === TILDE) && !isLineEnd(code)),
    match: (text, at, end) => {
      const { codes, classes } = text;
      if ((classes[at] & mask) !== 0) return runEnd(text, at + 1, end, mask);
      if (at + 1 >= end || (classes[at + 1] & mask) === 0) return at;
      if ((classes[at] & noPrefix) !== 0 && codes[at] !== TILDE) return at;
      if (isLineEnd(codes[at])) return at;
      return runEnd(text, at + 2, end, mask);
    },
  };
}

/** What may follow a run of punctuation: `[\r\n]*`, `[\r\n/]*`, `[\r\n/]?` or nothing. */
export type Tail = "newlines" | "newlines or slashes" | "one newline or slash" | "none";

function tailEnd({ codes }: CodePoints, at: number, end: number, tail: Tail): number {
  if (tail === "none") return at;
  const slash = tail === "newlines" ? LF : SLASH;
  const stop = tail === "one newline or slash" ? Math.min(end, at + 1) : end;
  while (at < stop && (codes[at] === LF || codes[at] === CR || codes[at] === slash)) at++;
  return at;
}

/** ` ?[^\s\p{L}\p{N}]+` and a tail: everything that is in none of the classes of `not`. */
export function spacedOther(tail: Tail, not = WHITE | LETTER | NUMBER): Matcher {
  return {
    begins: (code, bits) => code === SPACE || (bits & not) === 0,
    match: (text, at, end) => {
      const { codes, classes } = text;
      const first = codes[at] === SPACE ? at + 1 : at;
      let stop = first;
      while (stop < end && (classes[stop] & not) === 0) stop++;
      return stop > first ? tailEnd(text, stop, end, tail) : at;
    },
  };
}

/** ` ?[\p{P}\p{S}]+` and a tail, without "~" (see above). */
export function spacedPunctuation(tail: Tail): Matcher {
  const mask = PUNCTUATION | SYMBOL;
  return {
    begins: (code, bits) => code === SPACE || ((bits & mask) !== 0 && code !== TILDE),
    match: (text, at, end) => {
      const { codes, classes } = text;
      const first = codes[at] === SPACE ? at + 1 : at;
      let stop = first;
      while (stop < end && (classes[stop] & mask) !== 0 && codes[stop] !== TILDE) stop++;
      return stop > first ? tailEnd(text, stop, end, tail) : at;
    },
  };
}

/** `\s*[\r\n]+`, and `\s*[\r\n]`, which matches the same. */
export const throughNewline: Matcher = white(({ codes, classes }, at, end) => {
  let last = at;
  for (let i = at; i < end && (classes[i] & WHITE) !== 0; i++)
    if (isLineEnd(codes[i])) last = i + 1;
  return last;
});

/** `\s+(?!\S)`: white space, less the last one before a word. */
export const spacesBeforeWord: Matcher = white((text, at, end) => {
  const stop = runEnd(text, at, end, WHITE);
  return stop === end ? stop : Math.max(at, stop - 1);
});

/** `\s+` */
export const spaces: Matcher = white((text, at, end) => runEnd(text, at, end, WHITE));

function white(match: Match): Matcher {
  return { begins: (_, bits) => (bits & WHITE) !== 0, match };
}

/** `[\r\n]` */
export const newline: Matcher = {
  begins: isLineEnd,
  match: ({ codes }, at) => (isLineEnd(codes[at]) ? at + 1 : at),
};

function isLineEnd(code: number): boolean {
  return code === LF || code === CR;
}

/** Any run of code points in `contains`. */
export function runOf(contains: (code: number) => boolean): Matcher {
  return {
    begins: (code) => Number.isNaN(code) || contains(code),
    match: ({ codes }, at, end) => {
      while (at < end && contains(codes[at])) at++;
      return at;
    },
  };
}

/** `\s?\p{X}+` for the classes of `mask`: one of any white space before a run. */
export function anySpaced(mask: number): Matcher {
  return {
    begins: (_, bits) => (bits & (WHITE | mask)) !== 0,
    match: (text, at, end) => {
      const first = (text.classes[at] & WHITE) !== 0 ? at + 1 : at;
      const stop = runEnd(text, first, end, mask);
      return stop > first ? stop : at;
    },
  };
}

/** `\s?[...]+`; white space in `contains` counts as white space. */
export function anySpacedOf(contains: (code: number) => boolean): Matcher {
  return {
    begins: (code, bits) => (bits & WHITE) !== 0 || Number.isNaN(code) || contains(code),
    match: ({ codes, classes }, at, end) => {
      const first = (classes[at] & WHITE) !== 0 ? at + 1 : at;
      let stop = first;
      while (stop < end && (classes[stop] & WHITE) === 0 && contains(codes[stop])) stop++;
      return stop > first ? stop : at;
    },
  };
}

/**
 * `[^\r\n\p{L}\p{N}]?U*V+(contraction)?|[^\r\n\p{L}\p{N}]?U+V*(contraction)?` where U is any
 * letter but a-z and V any letter but A-Z: a word is cut where its (ASCII) case rises.
 */
export function cased(letters: number, contractions: boolean): Matcher {
  return {
    begins: (code, bits) => (bits & letters) !== 0 || mayStandBefore(code, bits),
    match: (text, at, end) => {
      const stop = casedEnd(text, at, end, letters);
      return contractions && stop > at ? contractionEnd(text, stop, end, 32) : stop;
    },
  };
}

function casedEnd({ codes, classes }: CodePoints, at: number, end: number, letters: number) {
  let from = at;
  if (mayStandBefore(codes[at], classes[at])) {
    if (at + 1 < end && (classes[at + 1] & letters) !== 0) from = at + 1;
  }
  const isLower = (i: number) => codes[i] >= 97 && codes[i] <= 122;
  const isUpper = (i: number) => codes[i] >= 65 && codes[i] <= 90;
  let upperEnd = from; // end of U*
  // Last position of U* that is in V too. A mark before it, taken as the first character, counts:
  // if nothing else fits V+, the mark itself must.
  let both = from > at && (classes[at] & letters) !== 0 ? at : -1;
  for (; upperEnd < end && (classes[upperEnd] & letters) !== 0; upperEnd++) {
    if (isLower(upperEnd)) break;
    if (!isUpper(upperEnd)) both = upperEnd;
  }
  let stop = upperEnd;
  if (upperEnd < end && (classes[upperEnd] & letters) !== 0) {
    // U* stopped at a small letter: V+ goes on from there.
    while (stop < end && (classes[stop] & letters) !== 0 && !isUpper(stop)) stop++;
  } else if (both >= 0) {
    stop = both + 1; // V+ needs one: U* gives back what follows the last caseless letter
  }
  return stop === from ? at : stop;
}

// `[^\r\n\p{L}\p{N}]`
function mayStandBefore(code: number, bits: number): boolean {
  return (bits & (LETTER | NUMBER)) === 0 && !isLineEnd(code);
}

/** `[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+`: words joined by single spaces. */
export const joinedWords: Matcher = {
  begins: (code, bits) => (bits & LETTER) !== 0 || mayStandBefore(code, bits),
  match: (text, at, end) => {
    const { codes, classes } = text;
    let i = mayStandBefore(codes[at], classes[at]) ? at + 1 : at;
    if (i >= end || (classes[i] & LETTER) === 0) return at;
    for (;;) {
      if (i < end && (classes[i] & LETTER) !== 0) i = runEnd(text, i + 1, end, MARK);
      else if (i + 1 < end && codes[i] === SPACE && (classes[i + 1] & LETTER) !== 0) i++;
      else return i;
    }
  },
};

/** ``[!-/:-@\[-`{-~][A-Za-z]+``: ASCII punctuation and a word, such as ".com". */
export const punctuatedWord: Matcher = {
  begins: (code, bits) => code < 128 && (bits & (PUNCTUATION | SYMBOL)) !== 0,
  match: ({ codes, classes }, at, end) => {
    if (codes[at] >= 128 || (classes[at] & (PUNCTUATION | SYMBOL)) === 0) return at;
    let stop = at + 1;
    while (stop < end && codes[stop] < 128 && (classes[stop] & LETTER) !== 0) stop++;
    return stop > at + 1 ? stop : at;
  },
};

/** `[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+`, without "~" in \p{S} (see above). */
export const markedWord: Matcher = prefixed(WORD, LETTER | PUNCTUATION | SYMBOL);
