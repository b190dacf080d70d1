// A sampler's state as bytes, so that a sequence can be saved, forked and resumed elsewhere: 32-bit
// little-endian words. Layout: `SBS1`, number of words that follow, generator (4 words), then
// what each stateful sampler of the chain writes, in chain order. Options are not part of it: a
// state fits a sampler made with the same options.

import { SamplingError } from "./error.ts";

const magic = 0x3153_4253; // "SBS1", read little-endian; the digit is the layout's version
const headerWords = 2;

export class StateWriter {
  readonly #words: number[] = [];

  u32(word: number): void {
    this.#words.push(word);
  }

  f64(value: number): void {
    const view = new DataView(new ArrayBuffer(8));
    view.setFloat64(0, value, true);
    this.#words.push(view.getUint32(0, true), view.getUint32(4, true));
  }

  bytes(): Uint8Array {
    const view = new DataView(new ArrayBuffer(4 * (headerWords + this.#words.length)));
    view.setUint32(0, magic, true);
    view.setUint32(4, this.#words.length, true);
    for (const [i, word] of this.#words.entries()) {
      view.setUint32(4 * (headerWords + i), word, true);
    }
    return new Uint8Array(view.buffer);
  }
}

export class StateReader {
  readonly #view: DataView;
  #at = 4 * headerWords;

  /** Throws SamplingError if the bytes are not a whole state of this version. */
  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const n = bytes.byteLength;
    if (n < 4 * headerWords || n % 4 !== 0 || this.#view.getUint32(0, true) !== magic) {
      throw unfit("a saved sampler state of version 1", `${n} other bytes`);
    }
    const words = this.#view.getUint32(4, true);
    if (n !== 4 * (headerWords + words)) {
      throw unfit(`${4 * (headerWords + words)} bytes`, `${n} bytes`);
    }
  }

  u32(): number {
    this.expectWords(1);
    const word = this.#view.getUint32(this.#at, true);
    this.#at += 4;
    return word;
  }

  f64(): number {
    this.expectWords(2);
    const value = this.#view.getFloat64(this.#at, true);
    this.#at += 8;
    return value;
  }

  /** Throws unless that many words are left: checked before anything is allocated for them. */
  expectWords(count: number): void {
    const left = (this.#view.byteLength - this.#at) / 4;
    if (count > left) throw unfit(`${count} more words`, `${left}`);
  }

  /** Throws if something is left over. */
  end(): void {
    const left = this.#view.byteLength - this.#at;
    if (left !== 0) throw unfit("no more bytes", `${left}`);
  }
}

function unfit(expected: string, found: string): SamplingError {
  const remedy = "restore a state into a sampler made with the same options";
  return new SamplingError("state", expected, found, remedy);
}
