// No text makes encoding take more than linear time (the merge queue adds a logarithm): the work of a text and of one four
// times as long is counted, not timed.

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ByteTrie } from "../../../src/tokenizer/byte-trie.ts";
import { createTokenizer, type Tokenizer } from "../../../src/tokenizer/index.ts";
import { IntList } from "../../../src/tokenizer/int-list.ts";
import { MergeQueue } from "../../../src/tokenizer/merge-queue.ts";
import { CodePoints } from "../../../src/tokenizer/split/code-points.ts";
import { RULES } from "../../../src/tokenizer/split/rules.ts";
import { runStages } from "../../../src/tokenizer/split/stage.ts";
import { TrieNode } from "../../../src/tokenizer/token-trie.ts";
import { metadata, tinyBpe, tinySpm } from "./tiny.ts";

/** What a long text may be made of: runs of one character, and of a few in turn. */
const UNITS = ["a", " ", "\n", "1", "!", "'", "é", "中", "か", "😀", "\u0301", "~", "▁"].concat([
  "ab",
  "a ",
  " \n",
  "\r\n",
  "1a",
  "a!",
  "'s",
  "1,",
  "aA",
  "<",
  "<|",
  "　",
  "가ㄅ",
]);
const GROWTH = 4;
/** 4 for the length, 1.2 for the logarithm at these lengths. */
const MOST = GROWTH * 1.2;

describe("splitting rules read a text a bounded number of times", () => {
  function reads(rule: keyof typeof RULES, text: string): number {
    const points = new CodePoints();
    points.load(text);
    let count = 0;
    const counting = <T extends object>(array: T): T =>
      new Proxy(array, {
        get(target, key) {
          count++;
          return target[key as keyof T];
        },
      });
    points.codes = counting(points.codes);
    points.classes = counting(points.classes);
    runStages(RULES[rule], points, [new IntList(), new IntList()]);
    return count;
  }

  it.each(Object.keys(RULES) as (keyof typeof RULES)[])("%s", (rule) => {
    const n = 256;
    for (const unit of UNITS) {
      const [once, more] = [n, GROWTH * n].map((length) => reads(rule, unit.repeat(length)));
      expect(more, JSON.stringify(unit)).toBeLessThanOrEqual(MOST * Math.max(once, n));
    }
  });
});

describe("tokenizers look things up a bounded number of times for each character", () => {
  const RUNS = ["a", "aa", "aaaa", "aaaaaaaa", "▁", "▁▁", "▁▁▁▁", "ab", "中"];
  const list = (model: string, more: Record<string, unknown>): Tokenizer =>
    createTokenizer(metadata({ model, ...more }));
  const TOKENIZERS: Readonly<Record<string, () => Tokenizer>> = {
    "SPM, word by word": () => createTokenizer(tinySpm(RUNS)),
    "SPM with tokens that cross words": () => createTokenizer(tinySpm([...RUNS, "a▁", "a▁a"])),
    BPE: () =>
      createTokenizer(tinyBpe(["a a", "aa aa", "aaaa aaaa", "Ġ Ġ", "a b"], ["<|x|>", "[y]"])),
    "BPE on characters": () => {
      const tokens = ["<bos>", "\n", "\n\n", ...RUNS];
      for (let byte = 0; byte < 256; byte++)
        tokens.push(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
      return list("gemma4", { tokens, merges: ["a a", "aa aa", "▁ ▁"], bos_token_id: 0 });
    },
    WordPiece: () =>
      list("bert", {
        tokens: ["[UNK]", "[CLS]", "[SEP]", "▁a", "a", "aa", "▁aaaa", "b", "▁中", "▁!", "▁é"],
        unknown_token_id: 0,
        bos_token_id: 1,
        seperator_token_id: 2,
      }),
    Unigram: () => {
      const tokens = ["<unk>", "</s>", ...RUNS, "b", "▁a"];
      return list("t5", {
        tokens,
        scores: Float32Array.from(tokens, (_, i) => -i),
        unknown_token_id: 0,
        eos_token_id: 1,
        token_type: Int32Array.from(tokens, (_, i) => (i === 0 ? 2 : i === 1 ? 3 : 1)),
      });
    },
    RWKV: () => {
      const bytes = Array.from({ length: 256 }, (_, b) => `\\x${b.toString(16).padStart(2, "0")}`);
      return list("rwkv", { tokens: [...bytes, "aa", "aaaa", "\\n\\n", "ab", "中"] });
    },
  };

  let work = 0;
  const originals: (() => void)[] = [];
  /** Counts the calls of a method, each with its weight. */
  function count<T extends object>(
    prototype: T,
    name: keyof T,
    weight: (argument: unknown) => number,
  ): void {
    const original = prototype[name] as (...args: unknown[]) => unknown;
    originals.push(() => void (prototype[name] = original as T[keyof T]));
    prototype[name] = function (this: unknown, ...args: unknown[]) {
      work += weight(args[0]);
      return original.apply(this, args);
    } as T[keyof T];
  }
  beforeEach(() => {
    // a look-up by text hashes all of it
    const byLength = (key: unknown): number => (typeof key === "string" ? 1 + key.length : 1);
    count(Map.prototype as Map<unknown, unknown>, "get", byLength);
    count(ByteTrie.prototype, "step", () => 1);
    count(TrieNode.prototype, "step", () => 1);
    count(MergeQueue.prototype, "push", () => 1);
    count(MergeQueue.prototype, "pop", () => 1);
  });
  afterEach(() => originals.splice(0).forEach((restore) => restore()));

  it.each(Object.entries(TOKENIZERS))("%s", (_, create) => {
    const n = 512;
    let most = 0;
    for (const unit of UNITS) {
      const [once, more] = [n, GROWTH * n].map((length) => {
        const text = unit.repeat(length),
          tokenizer = create(); // a new one: words are remembered
        work = 0;
        tokenizer.encode(text, { parseSpecial: true });
        return work;
      });
      expect(more, JSON.stringify(unit)).toBeLessThanOrEqual(MOST * Math.max(once, n));
      most = Math.max(most, once);
    }
    expect(most, "something is counted").toBeGreaterThan(n);
  });
});
