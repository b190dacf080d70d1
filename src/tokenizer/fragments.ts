// Cuts a text into special tokens and the raw text between them, the first step of encoding.
// Semantics: llama.cpp tokenizer_st_partition: longer special tokens first, each over all of the
// text that is still raw; white space beside a token with a strip attribute goes with it.
import { ATTRIBUTE, type Vocabulary } from "./vocabulary.ts";

/** A token id, or raw text. */
export type Fragment = number | string;

interface TrieNode {
  readonly children: Map<number, TrieNode>;
  id: number;
}

/** Finds the special tokens of one vocabulary. `ids` in any order. */
export class SpecialTokenPartition {
  readonly #vocabulary: Vocabulary;
  // Longest text first (in bytes, as llama.cpp), then lowest id: position in the order, by id.
  readonly #order = new Map<number, number>();
  readonly #userDefined = emptyNode();
  readonly #all = emptyNode();

  constructor(vocabulary: Vocabulary, ids: readonly number[]) {
    this.#vocabulary = vocabulary;
    const { texts, attributes } = vocabulary;
    const encoder = new TextEncoder();
    const bytes = new Map(ids.map((id) => [id, encoder.encode(texts[id]).length]));
    const sorted = ids
      .filter((id) => texts[id] !== "")
      .sort((a, b) => bytes.get(b)! - bytes.get(a)! || a - b);
    for (const [position, id] of sorted.entries()) {
      this.#order.set(id, position);
      insert(this.#all, texts[id], id);
      // Without parseSpecial, control and unknown tokens are plain text.
      const hidden = ATTRIBUTE.control | ATTRIBUTE.unknown;
      if ((attributes[id] & hidden) === 0) insert(this.#userDefined, texts[id], id);
    }
  }

  /** Fragments of `text` in order; raw ones are not empty. */
  split(text: string, parseSpecial: boolean): Fragment[] {
    if (text === "") return [];
    const trie = parseSpecial ? this.#all : this.#userDefined;
    const present = this.#present(text, trie);
    let fragments: Fragment[] = [text];
    for (const id of present) {
      const cut: Fragment[] = [];
      for (const fragment of fragments) {
        if (typeof fragment === "number") cut.push(fragment);
        else this.#cut(fragment, id, cut);
      }
      fragments = cut;
    }
    return fragments;
  }

  // One pass finds the few tokens that occur at all: searching the text for each of thousands of
  // special tokens in turn would take most of the time of encoding.
  #present(text: string, trie: TrieNode): number[] {
    const found = new Set<number>();
    if (trie.children.size > 0) {
      for (let start = 0; start < text.length; start++) {
        let node = trie.children.get(text.charCodeAt(start));
        for (let i = start + 1; node !== undefined; i++) {
          if (node.id >= 0) found.add(node.id);
          node = i < text.length ? node.children.get(text.charCodeAt(i)) : undefined;
        }
      }
    }
    return [...found].sort((a, b) => this.#order.get(a)! - this.#order.get(b)!);
  }

  #cut(raw: string, id: number, out: Fragment[]): void {
    const text = this.#vocabulary.texts[id];
    const attribute = this.#vocabulary.attributes[id];
    let start = 0;
    for (;;) {
      const match = raw.indexOf(text, start);
      if (match < 0) break;
      let left = match;
      if ((attribute & ATTRIBUTE.stripLeft) !== 0) {
        while (left > start && isAsciiSpace(raw.charCodeAt(left - 1))) left--;
      }
      if (left > start) out.push(raw.slice(start, left));
      out.push(id);
      start = match + text.length;
      if ((attribute & ATTRIBUTE.stripRight) !== 0) {
        while (start < raw.length && isAsciiSpace(raw.charCodeAt(start))) start++;
      }
    }
    if (start < raw.length) out.push(raw.slice(start));
  }
}

function emptyNode(): TrieNode {
  return { children: new Map(), id: -1 };
}

function insert(root: TrieNode, text: string, id: number): void {
  let node = root;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    let next = node.children.get(unit);
    if (next === undefined) {
      next = emptyNode();
      node.children.set(unit, next);
    }
    node = next;
  }
  node.id = id;
}

// C's isspace: bytes only.
function isAsciiSpace(unit: number): boolean {
  return unit === 32 || (unit >= 9 && unit <= 13);
}
