// The SentencePiece model of Llama 2, Mistral, Gemma and Phi-3 (`tokenizer.ggml.model` = llama):
// characters are merged pairwise, always the pair whose text is the token of the highest score.
// Semantics: llama.cpp, src/llama-vocab.cpp, llm_tokenizer_spm_session.
import { encodeUtf8 } from "../../formats/utf8.ts";
import { byteTokenText, pushUtf8 } from "./byte-alphabet.ts";
import { TokenizerError } from "./errors.ts";
import type { IntList } from "./int-list.ts";
import { Merger, type PairTable } from "./merger.ts";
import type { VocabularyMetadata } from "./metadata.ts";
import type { TokenizerModel } from "./model.ts";
import { Neighbours } from "./neighbours.ts";
import { CodePoints } from "./split/code-points.ts";
import type { SpecialTokens, Vocabulary } from "./vocabulary.ts";
import { WordCache } from "./word-cache.ts";

/** U+2581 stands for a space in tokens. */
const SPACE = "\u2581";

export const SPM_SPECIAL_TOKENS: SpecialTokens = { bos: 1, eos: 2, unk: 0 };

export class SpmModel implements TokenizerModel, PairTable {
  readonly addBos = true;
  readonly addEos = false;
  readonly addSpacePrefix: boolean;
  /** Priority of the last merge found: the negated score. */
  priority = 0;
  readonly #vocabulary: Vocabulary;
  readonly #scores: Float32Array | Int32Array;
  readonly #merger = new Merger(this);
  // Characters without a token, as symbols from texts.length up, for the word in hand.
  readonly #strange: string[] = [];
  readonly #strangeSymbols = new Map<string, number>();
  readonly #pairs = new PairCache();
  readonly #codePoints = new CodePoints();
  readonly #cache = new WordCache();
  readonly #neighbours: Neighbours;

  constructor(vocabulary: Vocabulary, meta: VocabularyMetadata) {
    const { scores } = vocabulary;
    const key = "tokenizer.ggml.scores";
    if (scores === undefined) throw meta.wrong(key, "a score for each token");
    const nan = scores.findIndex((score) => Number.isNaN(score));
    if (nan >= 0) {
      throw new TokenizerError({
        subject: `${key}[${nan}]`,
        expected: "a number",
        found: "NaN",
        remedy: "the file is damaged or was converted wrongly: download or convert it again",
      });
    }
    this.#vocabulary = vocabulary;
    this.#scores = scores;
    this.addSpacePrefix = meta.bool("tokenizer.ggml.add_space_prefix") ?? true;
    this.#neighbours = new Neighbours(vocabulary.texts);
  }

  encode(text: string, out: IntList): void {
    const points = this.#codePoints;
    points.load(text.replaceAll(" ", SPACE));
    const { codes, length } = points;
    // Words begin where no merge can cross: nearly always at spaces, mostly at line ends too.
    for (let start = 0; start < length;) {
      let end = start + 1;
      while (end < length && this.#neighbours.has(codes[end - 1], codes[end])) end++;
      if (!this.#cache.take(codes, start, end, out)) {
        const first = out.length;
        this.#encodeWord(start, end, out);
        this.#cache.set(codes, start, end, out.view(first));
      }
      start = end;
    }
  }

  /** The token whose text is both symbols' texts. */
  merge(left: number, right: number): number {
    const { ids, texts } = this.#vocabulary;
    let id: number;
    if (left >= texts.length || right >= texts.length) {
      id = ids.get(this.#text(left) + this.#text(right)) ?? -1;
    } else {
      const known = this.#pairs.get(left, right);
      id = known ?? ids.get(texts[left] + texts[right]) ?? -1;
      if (known === undefined) this.#pairs.set(left, right, id);
    }
    if (id >= 0) this.priority = -this.#scores[id];
    return id;
  }

  bytesOfNormal(text: string): Uint8Array {
    return encodeUtf8(text.replaceAll(SPACE, " "));
  }

  #text(symbol: number): string {
    const { texts } = this.#vocabulary;
    return symbol < texts.length ? texts[symbol] : this.#strange[symbol - texts.length];
  }

  #encodeWord(start: number, end: number, out: IntList): void {
    const { ids, texts } = this.#vocabulary;
    const strange = this.#strange;
    if (strange.length > 0) {
      strange.length = 0;
      this.#strangeSymbols.clear();
    }
    const { symbols } = this.#merger;
    symbols.clear();
    for (let i = start; i < end; i++) {
      const character = String.fromCodePoint(this.#codePoints.codes[i]);
      let symbol = ids.get(character) ?? this.#strangeSymbols.get(character);
      if (symbol === undefined) {
        symbol = texts.length + strange.push(character) - 1;
        this.#strangeSymbols.set(character, symbol);
      }
      symbols.push(symbol);
    }
    this.#merger.run();
    for (let i = 0; i < symbols.length; i++) {
      const symbol = symbols.array[i];
      if (symbol < texts.length) out.push(symbol);
      else this.#pushBytes(this.#text(symbol), out);
    }
  }

  #pushBytes(character: string, out: IntList): void {
    pushUtf8(character.codePointAt(0)!, (byte) => {
      const { ids, special } = this.#vocabulary;
      const text = byteTokenText(byte);
      const id = ids.get(text) ?? (byte < 128 ? ids.get(String.fromCharCode(byte)) : undefined);
      const token = id ?? special.unk;
      if (token === undefined) {
        throw new TokenizerError({
          subject: "tokenizer.ggml.tokens",
          expected: `a token ${text}, or an unknown token, to encode ${JSON.stringify(character)}`,
          found: "neither",
          remedy: "convert the model again with a current converter",
        });
      }
      out.push(token);
    });
  }
}

// Joining two texts and looking the result up is most of the work on words not met before; the
// same pairs come again and again. Direct mapping: a newer pair takes an older one's place.
class PairCache {
  static readonly #SLOTS = 1 << 15;
  readonly #left = new Int32Array(PairCache.#SLOTS).fill(-1);
  readonly #right = new Int32Array(PairCache.#SLOTS);
  readonly #merged = new Int32Array(PairCache.#SLOTS);

  get(left: number, right: number): number | undefined {
    const slot = this.#slot(left, right);
    const hit = this.#left[slot] === left && this.#right[slot] === right;
    return hit ? this.#merged[slot] : undefined;
  }

  set(left: number, right: number, merged: number): void {
    const slot = this.#slot(left, right);
    this.#left[slot] = left;
    this.#right[slot] = right;
    this.#merged[slot] = merged;
  }

  #slot(left: number, right: number): number {
    const hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x61c88647);
    return (hash ^ (hash >>> 15)) & (PairCache.#SLOTS - 1);
  }
}
