// The Unigram model of SentencePiece (`tokenizer.ggml.model` = t5): of all ways to cut a text into
// tokens, the one whose log-probabilities have the largest sum.
// Semantics: llama.cpp, src/llama-vocab.cpp, llm_tokenizer_ugm_session.
import { encodeUtf8 } from "../../formats/utf8.ts";
import { ByteTrie } from "./byte-trie.ts";
import { CharsMap } from "./charsmap.ts";
import type { IntList } from "./int-list.ts";
import type { VocabularyMetadata } from "./metadata.ts";
import type { TokenizerModel } from "./model.ts";
import { ATTRIBUTE, type SpecialTokens, type Vocabulary } from "./vocabulary.ts";

export const UNIGRAM_SPECIAL_TOKENS: SpecialTokens = { eos: 1, unk: 2, pad: 0 };

const SPACE = 0x20;
/** U+2581 stands for a space in tokens. */
const WRITTEN_SPACE = "\u2581";
const WRITTEN_SPACE_BYTES = [0xe2, 0x96, 0x81];
/** How much less likely than the least likely token an unknown character is; SentencePiece's number. */
const UNKNOWN_PENALTY = 10;

export class UnigramModel implements TokenizerModel {
  readonly addBos = false;
  readonly addEos = true;
  readonly addSpacePrefix: boolean;
  readonly #scores: Float64Array;
  readonly #tokens = new ByteTrie();
  readonly #userDefined = new ByteTrie();
  readonly #charsMap: CharsMap | undefined;
  readonly #mergesSpaces: boolean;
  readonly #unknown: number;
  readonly #unknownScore: number;

  constructor(vocabulary: Vocabulary, meta: VocabularyMetadata) {
    const { texts, scores, attributes, special } = vocabulary;
    if (scores === undefined) throw meta.wrong("tokenizer.ggml.scores", "a score for each token");
    if (special.unk === undefined) throw meta.wrong("tokenizer.ggml.unknown_token_id", "an id");
    this.#unknown = special.unk;
    this.addSpacePrefix = meta.bool("tokenizer.ggml.add_space_prefix") ?? true;
    this.#mergesSpaces = meta.bool("tokenizer.ggml.remove_extra_whitespaces") ?? false;
    const charsMap = meta.bytes("tokenizer.ggml.precompiled_charsmap");
    if (charsMap !== undefined && charsMap.length > 0) this.#charsMap = new CharsMap(charsMap);

    let least = Infinity;
    this.#scores = Float64Array.from(scores);
    for (let id = 0; id < texts.length; id++) {
      const bytes = encodeUtf8(texts[id]);
      const isUserDefined = (attributes[id] & ATTRIBUTE.userDefined) !== 0;
      if ((attributes[id] & ATTRIBUTE.normal) !== 0) least = Math.min(least, scores[id]);
      if (isUserDefined) {
        this.#userDefined.insert(bytes, id);
        this.#scores[id] = 0; // better than any log-probability
      }
      const mask = ATTRIBUTE.normal | ATTRIBUTE.userDefined | ATTRIBUTE.unused;
      if ((attributes[id] & mask) !== 0) this.#tokens.insert(bytes, id);
    }
    this.#unknownScore = Math.fround(least - UNKNOWN_PENALTY);
  }

  encode(text: string, out: IntList): void {
    // The tokenizer has put a space before the text; here it is put before the first word instead.
    const bytes = this.#normalise(encodeUtf8(this.addSpacePrefix ? text.slice(1) : text));
    const n = bytes.length;
    // The best way to each byte: its last token, where that begins, and the sum of scores.
    const token = new Int32Array(n + 1);
    const begin = new Int32Array(n + 1);
    const best = new Float64Array(n + 1).fill(-Infinity);
    best[0] = 0;
    const offer = (start: number, end: number, id: number, score: number): void => {
      const sum = best[start] + score;
      if (!(sum > best[end])) return;
      best[end] = sum;
      token[end] = id;
      begin[end] = start;
    };
    for (let start = 0; start < n;) {
      const next = Math.min(start + utf8Length(bytes[start]), n);
      let isKnown = false;
      let node = this.#tokens.step(0, bytes[start]);
      for (let end = start + 1; node !== undefined; end++) {
        const id = this.#tokens.token(node);
        if (id >= 0) {
          if (end === next) isKnown = true;
          offer(start, end, id, this.#scores[id]);
        }
        node = end < n ? this.#tokens.step(node, bytes[end]) : undefined;
      }
      if (!isKnown) offer(start, next, this.#unknown, this.#unknownScore);
      start = next;
    }
    const path: number[] = [];
    for (let end = n; end > 0; end = begin[end]) {
      // A run of unknown characters is one unknown token.
      if (token[end] !== this.#unknown || path.at(-1) !== this.#unknown) path.push(token[end]);
    }
    for (let i = path.length - 1; i >= 0; i--) out.push(path[i]);
  }

  bytesOfNormal(text: string): Uint8Array {
    return encodeUtf8(text.replaceAll(WRITTEN_SPACE, " "));
  }

  /** Replaces characters by the map, writes spaces as U+2581, and merges them where the model wants it. */
  #normalise(input: Uint8Array): Uint8Array {
    const out: number[] = [];
    let hasPrefix = false;
    let inWord = false;
    const push = (byte: number): void => {
      if (byte === SPACE) {
        inWord = false;
        if (!this.#mergesSpaces) out.push(...WRITTEN_SPACE_BYTES);
        return;
      }
      if (!inWord) {
        inWord = true;
        if ((this.addSpacePrefix && !hasPrefix) || this.#mergesSpaces) {
          out.push(...WRITTEN_SPACE_BYTES);
          hasPrefix = true;
        }
      }
      out.push(byte);
    };
    for (let i = 0; i < input.length;) {
      let length = this.#userDefined.longest(input, i);
      const mapped = length === 0 ? this.#charsMap?.match(input, i) : undefined;
      if (length === 0) length = mapped?.length ?? utf8Length(input[i]);
      for (const byte of mapped?.text ?? input.subarray(i, i + length)) push(byte);
      i += length;
    }
    return Uint8Array.from(out);
  }
}

/** Bytes of the character that begins with `byte`. */
function utf8Length(byte: number): number {
  return byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}
