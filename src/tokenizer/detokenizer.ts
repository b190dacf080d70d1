// Tokens to text, piece by piece: what `decode` and every streaming output go through.
import { ATTRIBUTE } from "./vocabulary.ts";

/** Turns a stream of tokens into text that never ends within a character. */
export interface Detokenizer {
  /** The text that has become certain with `token`; may be empty. */
  push(token: number): string;
  /** The rest: an unfinished character gives U+FFFD. The next push begins a new text. */
  flush(): string;
}

/**
 * `bytesOf` gives the bytes of a token, `attributeOf` its ATTRIBUTE bits. With `stripsSpace`, the
 * first text loses one space at its start: the one that was added when it was encoded.
 */
export class Utf8Detokenizer implements Detokenizer {
  readonly #bytesOf: (token: number) => Uint8Array;
  readonly #attributeOf: (token: number) => number;
  readonly #stripsSpace: boolean;
  // ignoreBOM: U+FEFF is text here, not a mark to drop.
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #atStart = true;

  constructor(
    bytesOf: (token: number) => Uint8Array,
    attributeOf: (token: number) => number,
    stripsSpace: boolean,
  ) {
    this.#bytesOf = bytesOf;
    this.#attributeOf = attributeOf;
    this.#stripsSpace = stripsSpace;
  }

  push(token: number): string {
    return this.#decoder.decode(this.#bytes(token), { stream: true });
  }

  flush(): string {
    this.#atStart = true;
    return this.#decoder.decode();
  }

  /** The text of `tokens`: the same as pushing each and flushing, with one call of the decoder. */
  all(tokens: Iterable<number>): string {
    let bytes = new Uint8Array(1024);
    let length = 0;
    for (const token of tokens) {
      const piece = this.#bytes(token);
      if (length + piece.length > bytes.length) {
        const grown = new Uint8Array(2 * (length + piece.length));
        grown.set(bytes.subarray(0, length));
        bytes = grown;
      }
      bytes.set(piece, length);
      length += piece.length;
    }
    this.#atStart = true;
    return this.#decoder.decode(bytes.subarray(0, length));
  }

  #bytes(token: number): Uint8Array {
    const bytes = this.#bytesOf(token);
    if (!this.#atStart) return bytes;
    const attribute = this.#attributeOf(token);
    if ((attribute & (ATTRIBUTE.control | ATTRIBUTE.unknown)) !== 0) return bytes;
    this.#atStart = false;
    // A user-defined token is cut out of a text before any space is added.
    if ((attribute & ATTRIBUTE.userDefined) !== 0 || !this.#stripsSpace) return bytes;
    return bytes[0] === 32 ? bytes.subarray(1) : bytes;
  }
}
