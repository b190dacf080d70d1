// The only I/O contract of the formats layer: random access to bytes that have a name and a size. Files,
// URLs and browser blobs implement it elsewhere (src/platform); readers here take any of them.

/**
 * Random access to an immutable run of bytes.
 *
 * `read` answers exactly `length` bytes or fails with an error of its own: never fewer, never a shared
 * buffer that a later `read` overwrites. The caller does not write into the answer. Both `read` and
 * `readSync` are only called with 0 <= offset and offset + length <= size.
 */
export interface Source {
  /** File path, URL or label. Shown in errors, and the names of split siblings are derived from it. */
  readonly name: string;
  /** Bytes; constant while the source is open. */
  readonly size: number;
  /** `length` bytes from `offset`. May answer at once (memory) or later (file, network). */
  read(offset: number, length: number): Uint8Array | Promise<Uint8Array>;
  /**
   * Fills `into` with the bytes from `offset`, without a copy in between. `into` may lie in a
   * SharedArrayBuffer (weights are read straight into WASM memory). Absent where the platform cannot
   * read synchronously.
   */
  readSync?(offset: number, into: Uint8Array): void;
  /** Another thread can open the same bytes by this path. Absent where only this one has them. */
  readonly path?: string;
  /** Releases the underlying handle; the source is not used afterwards. Calling it twice is harmless. */
  close?(): void | Promise<void>;
}

/** A source over bytes in memory. `read` answers views of `bytes`, not copies. */
export function bytesSource(name: string, bytes: Uint8Array): Source {
  const check = (offset: number, length: number): void => {
    if (!(offset >= 0 && length >= 0 && offset + length <= bytes.length)) {
      throw new RangeError(
        `${name}: expected a range inside ${bytes.length} bytes, found ${length} bytes at ${offset}`,
      );
    }
  };
  return {
    name,
    size: bytes.length,
    read(offset, length) {
      check(offset, length);
      return bytes.subarray(offset, offset + length);
    },
    readSync(offset, into) {
      check(offset, into.length);
      into.set(bytes.subarray(offset, offset + into.length));
    },
  };
}

/** A source over a browser's Blob or File. */
export function blobSource(name: string, blob: Blob): Source {
  return {
    name,
    size: blob.size,
    read: async (offset, length) =>
      new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer()),
  };
}
