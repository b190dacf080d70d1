// WordPiece, the tokenizer of BERT (`tokenizer.ggml.model` = bert): text without accents and in
// lower case, cut at spaces and punctuation, each word by its longest known beginnings.
// Semantics: llama.cpp, src/llama-vocab.cpp, llm_tokenizer_wpm_session.
import { encodeUtf8 } from "../../formats/utf8.ts";
import { TokenizerError } from "./errors.ts";
import type { IntList } from "./int-list.ts";
import type { TokenizerModel } from "./model.ts";
import {
  baseOf,
  classOf,
  isAssigned,
  OTHER,
  PUNCTUATION,
  SYMBOL,
  toLower,
  WHITE,
} from "./unicode/classes.ts";
import type { SpecialTokens, Vocabulary } from "./vocabulary.ts";

/** Tokens that begin a word are written with U+2581 before them. */
const WORD_START = "\u2581";

// [CLS] and [SEP] stand around a text.
export const WORDPIECE_SPECIAL_TOKENS: SpecialTokens = {
  bos: 101,
  unk: 100,
  sep: 102,
  pad: 0,
  mask: 103,
};

export class WordPieceModel implements TokenizerModel {
  readonly addBos = true;
  readonly addEos = false;
  readonly addSep = true;
  readonly addSepBetween = true;
  /** Encoding does not see it; decoding takes the first word's space off. */
  readonly addSpacePrefix = true;
  readonly #vocabulary: Vocabulary;
  readonly #longest: number;

  constructor(vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary;
    this.#longest = vocabulary.texts.reduce((n, text) => Math.max(n, text.length), 0);
  }

  encode(text: string, out: IntList): void {
    let word = "";
    for (const character of text) {
      const code = baseOf(character.codePointAt(0)!);
      const bits = classOf(code);
      if ((bits & WHITE) !== 0) {
        this.#encodeWord(word, out);
        word = "";
      } else if (code !== 0 && code !== 0xfffd && !isControl(code, bits)) {
        const letter = String.fromCodePoint(toLower(code));
        if (standsAlone(code, bits)) {
          this.#encodeWord(word, out);
          this.#encodeWord(letter, out);
          word = "";
        } else {
          word += letter;
        }
      }
    }
    this.#encodeWord(word, out);
  }

  bytesOfNormal(text: string): Uint8Array {
    return encodeUtf8(text.replaceAll(WORD_START, " "));
  }

  /** The longest tokens from left to right, or one unknown token for a word that has a gap. */
  #encodeWord(word: string, out: IntList): void {
    if (word === "") return;
    const { ids, special } = this.#vocabulary;
    const text = WORD_START + word;
    const before = out.length;
    for (let start = 0; start < text.length;) {
      let end = Math.min(text.length, start + this.#longest);
      let id = ids.get(text.slice(start, end));
      while (id === undefined && --end > start) id = ids.get(text.slice(start, end));
      if (id === undefined) {
        out.length = before;
        break;
      }
      out.push(id);
      start = end;
    }
    if (out.length > before) return;
    if (special.unk === undefined) {
      throw new TokenizerError({
        subject: "tokenizer.ggml.unknown_token_id",
        expected: `an id, to encode ${JSON.stringify(word)}`,
        found: "none",
        remedy: "convert the model again with a current converter",
      });
    }
    out.push(special.unk);
  }
}

// llama.cpp does not count unassigned code points (Cn) as control characters.
function isControl(code: number, bits: number): boolean {
  return (bits & OTHER) !== 0 && isAssigned(code);
}

function standsAlone(code: number, bits: number): boolean {
  if ((bits & PUNCTUATION) !== 0) return true;
  return ((bits & SYMBOL) !== 0 && code < 0x7f) || isIdeograph(code);
}

// Hugging Face's tokenizers begin the last of the extensions at U+2B920, not U+2B820; so do the models.
function isIdeograph(code: number): boolean {
  return (
    (code >= 0x4e00 && code <= 0x9fff) ||
    (code >= 0x3400 && code <= 0x4dbf) ||
    (code >= 0x20000 && code <= 0x2a6df) ||
    (code >= 0x2a700 && code <= 0x2b73f) ||
    (code >= 0x2b740 && code <= 0x2b81f) ||
    (code >= 0x2b920 && code <= 0x2ceaf) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0x2f800 && code <= 0x2fa1f)
  );
}
