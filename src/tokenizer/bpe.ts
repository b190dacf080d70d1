// Byte-pair encoding (`tokenizer.ggml.model` = gpt2): a text is split into words by the rule of
// `tokenizer.ggml.pre`; in each word the pair of lowest merge rank is joined until none is left.
// Semantics: llama.cpp, src/llama-vocab.cpp, llm_tokenizer_bpe_session.
import { encodeUtf8 } from "../../formats/utf8.ts";
import {
  byteTokenText,
  BYTE_OF_CHARACTER,
  CHARACTER_OF_BYTE,
  firstByte,
  lastByte,
  pushUtf8,
} from "./byte-alphabet.ts";
import { IntList } from "./int-list.ts";
import { MergeTable } from "./merge-table.ts";
import { Merger } from "./merger.ts";
import type { VocabularyMetadata } from "./metadata.ts";
import type { TokenizerModel } from "./model.ts";
import { Neighbours } from "./neighbours.ts";
import type { PreTokenizer } from "./pre-tokenizers.ts";
import { CodePoints } from "./split/code-points.ts";
import { RULES } from "./split/rules.ts";
import { eachPiece, runStages, type Stage } from "./split/stage.ts";
import { toLower } from "./unicode/classes.ts";
import type { Vocabulary } from "./vocabulary.ts";
import { WordCache } from "./word-cache.ts";

const SPACE = "\u2581";

/** Cuts between characters that stand side by side in no token: no merge joins them. */
function betweenCharacters({ texts }: Vocabulary): Stage {
  const neighbours = new Neighbours(texts);
  return eachPiece(({ codes }, start, end, ends) => {
    for (let at = start + 1; at < end; at++) {
      if (!neighbours.has(codes[at - 1], codes[at])) ends.push(at);
    }
    ends.push(end);
  });
}

/** The same for tokens of bytes. */
function betweenBytes({ texts }: Vocabulary): Stage {
  const byteOf = (code: number) => BYTE_OF_CHARACTER.get(String.fromCodePoint(code)) ?? -1;
  const neighbours = new Neighbours(texts, byteOf);
  return eachPiece(({ codes }, start, end, ends) => {
    for (let at = start + 1; at < end; at++) {
      if (!neighbours.has(lastByte(codes[at - 1]), firstByte(codes[at]))) ends.push(at);
    }
    ends.push(end);
  });
}

export class BpeModel implements TokenizerModel {
  readonly addBos: boolean;
  readonly forceBos: boolean;
  readonly addEos = false;
  readonly addSepBetween: boolean;
  readonly addSpacePrefix = false;
  readonly #vocabulary: Vocabulary;
  readonly #pre: PreTokenizer;
  readonly #stages: readonly Stage[];
  readonly #merger: Merger;
  /** Token of each byte; -1 where the vocabulary lacks it. */
  readonly #tokenOfByte: Int32Array;
  readonly #lowerCase: boolean;
  readonly #cache = new WordCache();
  readonly #codePoints = new CodePoints();
  readonly #lists: readonly [IntList, IntList] = [new IntList(), new IntList()];

  constructor(vocabulary: Vocabulary, meta: VocabularyMetadata, pre: PreTokenizer) {
    const { ids } = vocabulary;
    this.#vocabulary = vocabulary;
    this.#pre = pre;
    this.#stages = RULES[pre.rule];
    if (pre.longWords) {
      const cut = pre.rawUtf8 ? betweenCharacters(vocabulary) : betweenBytes(vocabulary);
      this.#stages = [...this.#stages, cut];
    }
    this.addBos = pre.addBos ?? false;
    this.forceBos = pre.forceBos ?? false;
    this.addSepBetween = pre.addSepBetween ?? false;
    this.#lowerCase =
      pre.dropSpaces === true && (meta.bool("tokenizer.ggml.normalizer.lowercase") ?? false);
    this.#tokenOfByte = Int32Array.from(
      CHARACTER_OF_BYTE,
      (character, byte) => ids.get(pre.rawUtf8 ? byteTokenText(byte) : character) ?? -1,
    );
    const merges = MergeTable.read(meta, vocabulary, pre.mergesOptional ?? false);
    this.#merger = new Merger(merges);
  }

  encode(text: string, out: IntList): void {
    if (this.#pre.dropSpaces) {
      for (const word of this.#normalizedWords(text)) this.#encodeWords(word, out);
    } else {
      this.#encodeWords(this.#pre.escapeSpaces ? text.replaceAll(" ", SPACE) : text, out);
    }
  }

  bytesOfNormal(text: string): Uint8Array {
    if (this.#pre.rawUtf8) return encodeUtf8(text.replaceAll(SPACE, " "));
    const bytes: number[] = [];
    for (const character of text) {
      const byte = BYTE_OF_CHARACTER.get(character);
      if (byte !== undefined) bytes.push(byte);
      // Not byte-encoded: an added token of an old conversion. Its text is meant.
      else bytes.push(...encodeUtf8(character));
    }
    return Uint8Array.from(bytes);
  }

  #encodeWords(text: string, out: IntList): void {
    const points = this.#codePoints;
    points.load(text);
    const ends = runStages(this.#stages, points, this.#lists);
    const { codes } = points;
    let start = 0;
    for (let i = 0; i < ends.length; i++) {
      const end = ends.array[i];
      if (!this.#cache.take(codes, start, end, out)) {
        const first = out.length;
        this.#encodeWord(start, end, out);
        this.#cache.set(codes, start, end, out.view(first));
      }
      start = end;
    }
  }

  #encodeWord(start: number, end: number, out: IntList): void {
    const whole = this.#wholeWord(start, end);
    if (whole !== undefined) {
      out.push(whole);
      return;
    }
    const { codes } = this.#codePoints;
    const merger = this.#merger;
    const { symbols } = merger;
    symbols.clear();
    if (this.#pre.rawUtf8) {
      const { ids } = this.#vocabulary;
      for (let i = start; i < end; i++) {
        symbols.push(ids.get(String.fromCodePoint(codes[i])) ?? -1);
      }
    } else {
      const pushSymbol = (byte: number) => symbols.push(this.#tokenOfByte[byte]);
      for (let i = start; i < end; i++) pushUtf8(codes[i], pushSymbol);
    }
    merger.run();
    for (let i = 0; i < symbols.length; i++) {
      const token = symbols.array[i];
      if (token >= 0) out.push(token);
      else if (this.#pre.rawUtf8) {
        pushUtf8(codes[start + merger.first[i]], (byte) => this.#pushByte(byte, out));
      }
      // else a byte without a token, which is dropped, as llama.cpp drops it.
    }
  }

  #pushByte(byte: number, out: IntList): void {
    const token = this.#tokenOfByte[byte];
    if (token >= 0) out.push(token);
  }

  #wholeWord(start: number, end: number): number | undefined {
    const { ids } = this.#vocabulary;
    const { codes } = this.#codePoints;
    const { ignoreMerges, newlineTokens, rawUtf8 } = this.#pre;
    if ((newlineTokens && codes[start] === 10) || (ignoreMerges && rawUtf8)) {
      return ids.get(this.#codePoints.text(start, end));
    }
    if (!ignoreMerges) return undefined;
    let encoded = "";
    for (let i = start; i < end; i++) {
      pushUtf8(codes[i], (byte) => {
        encoded += CHARACTER_OF_BYTE[byte];
      });
    }
    return ids.get(encoded);
  }

  // The words between white space, in lower case where the vocabulary wants it.
  #normalizedWords(text: string): string[] {
    const points = new CodePoints();
    points.load(text);
    const words: string[] = [];
    let word = "";
    for (let i = 0; i < points.length; i++) {
      if (points.isWhite(i)) {
        if (word !== "") words.push(word);
        word = "";
      } else {
        const code = points.codes[i];
        word += String.fromCodePoint(this.#lowerCase ? toLower(code) : code);
      }
    }
    if (word !== "") words.push(word);
    return words;
  }
}
