// The frame of a splitting rule: stages, each of which cuts every piece of the one before, and
// matchers, the alternatives of a stage. A stage does what a regular expression does in a
// tokenizer's "isolated" split: matches are pieces, and so is the text between two matches.
import type { IntList } from "../int-list.ts";
import type { CodePoints } from "./code-points.ts";

/**
 * The end of this alternative's match at `at`, or `at` when there is none. A matcher sees nothing
 * outside `at..end`: the piece's end is the end of the text for it, as for llama.cpp.
 */
export type Matcher = (text: CodePoints, at: number, end: number) => number;

/** Pushes the ends of the pieces of `start..end`; the last one is `end`. */
export type Stage = (text: CodePoints, start: number, end: number, ends: IntList) => void;

/** A stage that tries `alternatives` in order at each position. */
export function split(...alternatives: Matcher[]): Stage {
  return (text, start, end, ends) => {
    let unmatched = start; // where the text after the last match begins
    for (let at = start; at < end;) {
      let next = at;
      for (let i = 0; next === at && i < alternatives.length; i++) {
        next = alternatives[i](text, at, end);
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
  };
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
    let start = 0;
    for (let i = 0; i < pieces.length; i++) {
      const end = pieces.array[i];
      stage(text, start, end, next);
      start = end;
    }
    [pieces, next] = [next, pieces];
  }
  return pieces;
}
