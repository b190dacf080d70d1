// Tokens to text, piece by piece: what `decode` and every streaming output go through.

/** Turns a stream of tokens into text that never ends within a character. */
export interface Detokenizer {
  /** The text that has become certain with `token`; may be empty. */
  push(token: number): string;
  /** The rest: an unfinished character gives U+FFFD. The next push begins a new text. */
  flush(): string;
}

/**
 * `bytesOf` gives the bytes of a token; `stripsSpace` whether a token is the first text of the
 * whole, whose space was added when it was encoded.
 */
export class Utf8Detokenizer implements Detokenizer {
  readonly #bytesOf: (token: number) => Uint8Array;
  readonly #isText: (token: number) => boolean;
  readonly #stripsSpace: boolean;
  // ignoreBOM: U+FEFF is text here, not a mark to drop.
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #atStart = true;

  constructor(
    bytesOf: (token: number) => Uint8Array,
    isText: (token: number) => boolean,
    stripsSpace: boolean,
  ) {
    this.#bytesOf = bytesOf;
    this.#isText = isText;
    this.#stripsSpace = stripsSpace;
  }

  push(token: number): string {
    let bytes = this.#bytesOf(token);
    if (this.#atStart && this.#isText(token)) {
      this.#atStart = false;
      if (this.#stripsSpace && bytes[0] === 32) bytes = bytes.subarray(1);
    }
    return this.#decoder.decode(bytes, { stream: true });
  }

  flush(): string {
    this.#atStart = true;
    return this.#decoder.decode();
  }
}
