// The tokenizer of RWKV (`tokenizer.ggml.model` = rwkv): the longest token that the bytes of the
// text begin with, again and again. Tokens are written with escapes (\n, \x00).
// Semantics: llama.cpp, src/llama-vocab.cpp, llm_tokenizer_rwkv_session.
import { encodeUtf8 } from "../../formats/utf8.ts";
import { ByteTrie } from "./byte-trie.ts";
import { TokenizerError } from "./errors.ts";
import type { IntList } from "./int-list.ts";
import type { TokenizerModel } from "./model.ts";
import type { Vocabulary } from "./vocabulary.ts";

const BACKSLASH = 0x5c;
const ESCAPES = new Map([
  [0x74, 9],
  [0x6e, 10],
  [0x72, 13],
]);

export class RwkvModel implements TokenizerModel {
  readonly addBos = false;
  readonly addEos = false;
  readonly addSpacePrefix = false;
  readonly #unknown: number | undefined;
  readonly #tokens = new ByteTrie();

  constructor({ texts, special }: Vocabulary) {
    this.#unknown = special.unk;
    for (let id = 0; id < texts.length; id++) {
      this.#tokens.insert(this.bytesOfNormal(texts[id]), id);
    }
  }

  encode(text: string, out: IntList): void {
    const bytes = encodeUtf8(text);
    for (let start = 0; start < bytes.length;) {
      let token = -1;
      let end = start + 1;
      let node = this.#tokens.step(0, bytes[start]);
      for (let i = start + 1; node !== undefined; i++) {
        if (this.#tokens.token(node) >= 0) {
          token = this.#tokens.token(node);
          end = i;
        }
        node = i < bytes.length ? this.#tokens.step(node, bytes[i]) : undefined;
      }
      out.push(token >= 0 ? token : this.#unknownToken(bytes[start]));
      start = end;
    }
  }

  bytesOfNormal(text: string): Uint8Array {
    const escaped = encodeUtf8(text);
    if (!escaped.includes(BACKSLASH)) return escaped;
    const bytes: number[] = [];
    for (let i = 0; i < escaped.length; i++) {
      if (escaped[i] !== BACKSLASH || i + 1 === escaped.length) {
        bytes.push(escaped[i]);
      } else if (escaped[++i] === 0x78) {
        bytes.push(Number.parseInt(String.fromCharCode(escaped[i + 1], escaped[i + 2]), 16));
        i += 2;
      } else {
        bytes.push(ESCAPES.get(escaped[i]) ?? escaped[i]);
      }
    }
    return Uint8Array.from(bytes);
  }

  #unknownToken(byte: number): number {
    if (this.#unknown !== undefined) return this.#unknown;
    throw new TokenizerError({
      subject: "tokenizer.ggml.tokens",
      expected: `a token for byte 0x${byte.toString(16)}, or an unknown token`,
      found: "neither",
      remedy: "convert the model again with a current converter",
    });
  }
}
