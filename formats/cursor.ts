// A forward reader over a Source for file headers: little-endian fields out of a buffer of bounded size.
// `ensure` may have to wait for bytes; everything after it is synchronous, so that a vocabulary of
// 128,000 tokens costs one promise per chunk and not one per token.
import { DOWNLOAD_AGAIN, GgufError } from "./errors.ts";
import type { Source } from "./source.ts";

// The first read is small, because most keys fit and over a network it costs; later ones grow, because a
// vocabulary follows.
const FIRST_CHUNK = 64 * 1024;
const LARGEST_CHUNK = 4 * 1024 * 1024;

export class Cursor {
  readonly source: Source;
  /** Bytes from the start of the file up to which this cursor may read. */
  readonly limit: number;
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  #start = 0; // offset in the file of #bytes[0]
  #at = 0; // position in #bytes
  #chunk = FIRST_CHUNK;

  /** Reads `source` from the start; nothing beyond `limit` bytes, however long the file claims to be. */
  constructor(source: Source, limit: number) {
    if (!Number.isSafeInteger(source.size) || source.size < 0) {
      throw new GgufError({
        subject: "file size",
        expected: "a number of bytes",
        found: String(source.size),
        source: source.name,
      });
    }
    this.source = source;
    this.limit = Math.min(limit, source.size);
  }

  /** Offset in the file of the next byte. */
  get offset(): number {
    return this.#start + this.#at;
  }

  /** Bytes from here to the end of the file. */
  get remaining(): number {
    return this.source.size - this.offset;
  }

  /** Bytes that can be read without waiting. */
  get buffered(): number {
    return this.#bytes.length - this.#at;
  }

  /** The buffered bytes. Valid until the next `ensure`; pair with `position` and `skip`. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Index of the next byte in `bytes`. */
  get position(): number {
    return this.#at;
  }

  /**
   * Makes the next `length` bytes available; `what` names them in the error when the file ends first or
   * the header limit is reached. Only await the answer when there is one.
   */
  ensure(length: number, what: string): Promise<void> | undefined {
    if (length <= this.buffered) return undefined;
    return this.#fill(length, what);
  }

  skip(length: number): void {
    this.#at += length;
  }

  u32(): number {
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4, true);
  }

  u64(): bigint {
    this.#at += 8;
    return this.#view.getBigUint64(this.#at - 8, true);
  }

  /** A view over the buffered bytes for the rarer field types; `position` is the index of the next byte. */
  get view(): DataView {
    return this.#view;
  }

  /**
   * A u64 count of things that take at least `bytesEach` bytes, so that no count is used to allocate or
   * to loop before the rest of the file is known to be large enough for it. The 8 bytes are buffered.
   */
  count(what: string, bytesEach: number, maximum = Number.MAX_SAFE_INTEGER): number {
    const offset = this.offset;
    const count = this.u64();
    if (count <= maximum && Number(count) * bytesEach <= this.remaining) return Number(count);
    throw new GgufError({
      subject: what,
      expected:
        count > maximum
          ? `at most ${maximum}`
          : `what the remaining ${this.remaining} bytes can hold`,
      found: String(count),
      source: this.source.name,
      offset,
      remedy: DOWNLOAD_AGAIN,
    });
  }

  /** A fresh copy of the next `length` bytes at the start of its own buffer; waits for them chunk by chunk. */
  async copy(length: number, what: string): Promise<Uint8Array<ArrayBuffer>> {
    this.#check(length, what);
    const copy = new Uint8Array(length);
    for (let done = 0; done < length;) {
      const part = Math.min(length - done, LARGEST_CHUNK);
      await this.ensure(part, what);
      copy.set(this.#bytes.subarray(this.#at, this.#at + part), done);
      this.#at += part;
      done += part;
    }
    return copy;
  }

  async #fill(length: number, what: string): Promise<void> {
    this.#check(length, what);
    const offset = this.offset;
    const wanted = Math.min(Math.max(length, this.#chunk), this.limit - offset);
    this.#chunk = Math.min(this.#chunk * 4, LARGEST_CHUNK);
    const bytes = await this.source.read(offset, wanted);
    // a caller's own source may answer anything
    if (!ArrayBuffer.isView(bytes) || bytes.length !== wanted) {
      throw new GgufError({
        subject: "read",
        expected: `${wanted} bytes`,
        found: ArrayBuffer.isView(bytes) ? `${bytes.length}` : "no Uint8Array",
        source: this.source.name,
        offset,
        remedy: "the file may have changed while it was being read",
      });
    }
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#start = offset;
    this.#at = 0;
  }

  #check(length: number, what: string): void {
    const place = { source: this.source.name, offset: this.offset };
    if (length > this.remaining) {
      throw new GgufError({
        subject: what,
        expected: `${length} bytes`,
        found: `${this.remaining} before the end of the file`,
        ...place,
        remedy: DOWNLOAD_AGAIN,
      });
    }
    if (length > this.limit - this.offset) {
      throw new GgufError({
        subject: what,
        expected: `a header of at most ${this.limit} bytes`,
        found: "a longer one",
        ...place,
        remedy: "raise maxHeaderBytes if the file is to be trusted",
      });
    }
  }
}
