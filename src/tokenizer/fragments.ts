// Cuts a text into special tokens and the raw text between them, the first step of encoding.
// Semantics: llama.cpp tokenizer_st_partition: longer special tokens first, each over all of the
// text that is still raw; white space beside a token with a strip attribute goes with it.
import { IntList } from "./int-list.ts";
import { TokenTrie } from "./token-trie.ts";
import { ATTRIBUTE, type Vocabulary } from "./vocabulary.ts";

/** A token id, or raw text. */
export type Fragment = number | string;

/** Finds the special tokens of one vocabulary. `ids` in any order. */
export class SpecialTokenPartition {
  readonly #vocabulary: Vocabulary;
  // Longest text first (in bytes, as llama.cpp), then lowest id. The tries know them by this order.
  readonly #ids: readonly number[];
  readonly #userDefined = new TokenTrie();
  readonly #all = new TokenTrie();
  /** Whether some token takes white space with it. */
  readonly #strips: boolean;

  // The tokens found in a stretch of text, by their order, and in which stretch each was found last.
  readonly #found = new IntList();
  readonly #stretchOf: Float64Array;
  #stretches = 0;

  constructor(vocabulary: Vocabulary, ids: readonly number[]) {
    this.#vocabulary = vocabulary;
    const { texts, attributes } = vocabulary;
    const encoder = new TextEncoder();
    const bytes = new Map(ids.map((id) => [id, encoder.encode(texts[id]).length]));
    this.#ids = ids
      .filter((id) => texts[id] !== "")
      .sort((a, b) => bytes.get(b)! - bytes.get(a)! || a - b);
    for (const [order, id] of this.#ids.entries()) {
      this.#all.insert(texts[id], order);
      // Without parseSpecial, control and unknown tokens are plain text.
      const hidden = ATTRIBUTE.control | ATTRIBUTE.unknown;
      if ((attributes[id] & hidden) === 0) this.#userDefined.insert(texts[id], order);
    }
    this.#stretchOf = new Float64Array(this.#ids.length);
    const strip = ATTRIBUTE.stripLeft | ATTRIBUTE.stripRight;
    this.#strips = this.#ids.some((id) => (attributes[id] & strip) !== 0);
  }

  /**
   * Fragments of `text` in order; raw ones are not empty. One pass finds where special tokens stand:
   * searching the text for each of thousands in turn would take most of the time of encoding. Where
   * some overlap, that stretch of text alone is searched for those found in it, in their order.
   */
  split(text: string, parseSpecial: boolean): Fragment[] {
    const trie = parseSpecial ? this.#all : this.#userDefined;
    if (trie.isEmpty) return text === "" ? [] : [text];
    const fragments: Fragment[] = [];
    const found = this.#found;
    let raw = 0; // where the text begins that is not in `fragments` yet
    let [from, to] = [0, 0]; // the stretch that the tokens found so far cover
    let [first, firstEnd] = [-1, 0]; // the longest token at its start
    const finishStretch = (): void => {
      if (raw < from) push(text.slice(raw, from), fragments);
      if (first >= 0 && firstEnd === to) fragments.push(this.#ids[first]);
      else this.#search(text.slice(from, to), fragments);
      raw = to;
    };
    for (let start = 0; start < text.length; start++) {
      if (!trie.mayBegin(text.charCodeAt(start))) continue;
      let node = trie.root.step(text.charCodeAt(start));
      for (let end = start + 1; node !== undefined; end++) {
        if (node.value >= 0) {
          if (start >= to) {
            if (to > 0) finishStretch();
            found.clear();
            this.#stretches++;
            first = -1;
            // White space that a token takes may be part of others: then all is one stretch.
            [from, to] = this.#strips ? [0, text.length] : [start, end];
          }
          if (this.#stretchOf[node.value] !== this.#stretches) {
            this.#stretchOf[node.value] = this.#stretches;
            found.push(node.value);
          }
          to = Math.max(to, end);
          if (start === from) [first, firstEnd] = [node.value, end];
        }
        node = end < text.length ? node.step(text.charCodeAt(end)) : undefined;
      }
    }
    if (to > 0) finishStretch();
    if (raw < text.length) push(text.slice(raw), fragments);
    return fragments;
  }

  /** Cuts each of the tokens found out of `text`, one after the other. */
  #search(text: string, out: Fragment[]): void {
    let fragments: Fragment[] = [text];
    let longest = text.length; // of raw text
    for (const order of this.#found.view().sort()) {
      const id = this.#ids[order];
      if (this.#vocabulary.texts[id].length > longest) continue;
      const cut: Fragment[] = [];
      longest = 0;
      for (const fragment of fragments) {
        if (typeof fragment === "number") cut.push(fragment);
        else longest = Math.max(longest, this.#cut(fragment, id, cut));
      }
      fragments = cut;
    }
    for (const fragment of fragments) push(fragment, out);
  }

  /** Returns the length of the longest raw text left. */
  #cut(raw: string, id: number, out: Fragment[]): number {
    const text = this.#vocabulary.texts[id];
    const attribute = this.#vocabulary.attributes[id];
    let start = 0;
    let longest = 0;
    for (;;) {
      const match = raw.indexOf(text, start);
      if (match < 0) break;
      let left = match;
      if ((attribute & ATTRIBUTE.stripLeft) !== 0) {
        while (left > start && isAsciiSpace(raw.charCodeAt(left - 1))) left--;
      }
      if (left > start) out.push(raw.slice(start, left));
      longest = Math.max(longest, left - start);
      out.push(id);
      start = match + text.length;
      if ((attribute & ATTRIBUTE.stripRight) !== 0) {
        while (start < raw.length && isAsciiSpace(raw.charCodeAt(start))) start++;
      }
    }
    if (start < raw.length) out.push(raw.slice(start));
    return Math.max(longest, raw.length - start);
  }
}

// Raw text at the borders of a stretch is one with that around it.
function push(fragment: Fragment, out: Fragment[]): void {
  const last = out.at(-1);
  if (typeof last === "string" && typeof fragment === "string") {
    out[out.length - 1] = last + fragment;
  } else {
    out.push(fragment);
  }
}

// C's isspace: bytes only.
function isAsciiSpace(unit: number): boolean {
  return unit === 32 || (unit >= 9 && unit <= 13);
}
