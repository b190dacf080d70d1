// The frame of a splitting rule: stages, each of which cuts every piece of the one before, and
// matchers, the alternatives of a stage. A stage does what a regular expression does in a
// tokenizer's "isolated" split: matches are pieces, and so is the text between two matches.
import type { IntList } from "../int-list.ts";
import { classOf } from "../unicode/classes.ts";
import type { CodePoints } from "./code-points.ts";

/**
 * The end of a match at `at`, or `at` when there is none. Nothing outside `at..end` is seen: the
 * piece's end is the end of the text, as for llama.cpp.
 */
export type Match = (text: CodePoints, at: number, end: number) => number;

/** One alternative of an expression. */
export interface Matcher {
  /**
   * Whether a match may begin with the ASCII character `code` of class `bits`; beyond ASCII `code`
   * is NaN and any code point of that class is meant. It spares tries, so it may say yes too often.
   */
  readonly begins: (code: number, bits: number) => boolean;
  readonly match: Match;
}

/** Pushes the ends of the pieces that each of `pieces` (given by their ends) is cut into. */
export type Stage = (text: CodePoints, pieces: IntList, ends: IntList) => void;

/** A stage that tries `alternatives` in order at each position. */
export function split(...alternatives: Matcher[]): Stage {
  let table: Candidates | undefined;
  return (text, pieces, ends) => {
    table ??= new Candidates(alternatives); // few rules are ever used
    const { lists, listOf } = table;
    const { codes, classes } = text;
    let unmatched = 0; // where the text after the last match begins
    for (let i = 0; i < pieces.length; i++) {
      const end = pieces.array[i];
      for (let at = unmatched; at < end;) {
        // Most positions have no candidate, most others one.
        let list = 0;
        for (; at < end; at++) {
          const code = codes[at];
          list = listOf[code < ASCII ? code : ASCII + classes[at]];
          if (list !== 0) break;
        }
        if (at === end) break;
        const candidates = lists[list];
        let next = at;
        for (let j = 0; next === at && j < candidates.length; j++) {
          next = candidates[j](text, at, end);
        }
        if (next === at) {
          at++;
          continue;
        }
        if (unmatched < at) ends.push(at);
        ends.push(next);
        at = unmatched = next;
      }
      if (unmatched < end) ends.push(end);
      unmatched = end;
    }
  };
}

/** A stage that cuts each piece `start..end` by itself; `cut` pushes ends, the last one is `end`. */
export function eachPiece(
  cut: (text: CodePoints, start: number, end: number, ends: IntList) => void,
): Stage {
  return (text, pieces, ends) => {
    let start = 0;
    for (let i = 0; i < pieces.length; i++) {
      const end = pieces.array[i];
      cut(text, start, end, ends);
      start = end;
    }
  };
}

const ASCII = 128;
const CLASSES = 256;

/** Which alternatives may match where, by the first character: calls are what splitting costs. */
class Candidates {
  /** Distinct lists of alternatives; number 0 is empty. */
  readonly lists: Match[][] = [[]];
  /** Number of the list for an ASCII character, or for 128 + class bits. */
  readonly listOf = new Uint8Array(ASCII + CLASSES);

  constructor(alternatives: readonly Matcher[]) {
    const known = new Map([["", 0]]);
    for (let i = 0; i < ASCII + CLASSES; i++) {
      const [code, bits] = i < ASCII ? [i, classOf(i)] : [Number.NaN, i - ASCII];
      const fitting = alternatives.filter(({ begins }) => begins(code, bits));
      const key = fitting.map((matcher) => alternatives.indexOf(matcher)).join();
      let list = known.get(key);
      if (list === undefined) {
        list = this.lists.push(fitting.map(({ match }) => match)) - 1;
        known.set(key, list);
      }
      this.listOf[i] = list;
    }
  }
}

/** Runs `stages` over the whole text; the ends of the words are in the list returned. */
export function runStages(
  stages: readonly Stage[],
  text: CodePoints,
  lists: readonly [IntList, IntList],
): IntList {
  let [pieces, next] = lists;
  pieces.clear();
  if (text.length > 0) pieces.push(text.length);
  for (const stage of stages) {
    next.clear();
    stage(text, pieces, next);
    [pieces, next] = [next, pieces];
  }
  return pieces;
}
