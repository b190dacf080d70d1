// The kernels for one thread: their .wasm imports a shared memory, which a page without cross-origin isolation does not have.
// Whether it is shared is one bit of the import's limits; everything else is valid with a memory of either kind: atomic loads,
// stores, adds and notify work on both, and only a wait would trap (one thread never waits: assembly/plan.ts).
// Binary format: https://webassembly.github.io/threads/core/binary/modules.html#import-section

import { SamebitError } from "../errors.ts";

const HEADER_BYTES = 8;
const IMPORT_SECTION = 2;
/** Kinds of imports. */
const FUNCTION = 0,
  TABLE = 1,
  MEMORY = 2,
  GLOBAL = 3;
/** Bits of a memory's limits. */
const HAS_MAXIMUM = 1,
  SHARED = 2;

/** A copy of the module `wasm` whose imported memory is not shared. Throws SamebitError where it imports no shared one. */
export function withPlainMemory(wasm: Uint8Array): Uint8Array {
  const at = sharedLimits(new Reader(wasm));
  if (at === undefined) {
    throw new SamebitError(
      "kernels: expected a module that imports a shared memory, found another; install the package again",
    );
  }
  const plain = new Uint8Array(wasm);
  plain[at] &= ~SHARED;
  return plain;
}

/** Where the limits of the first imported shared memory begin. */
function sharedLimits(reader: Reader): number | undefined {
  reader.at = HEADER_BYTES;
  while (reader.at < reader.bytes.length) {
    const section = reader.byte(),
      size = reader.number();
    if (section !== IMPORT_SECTION) {
      reader.at += size;
      continue;
    }
    for (let left = reader.number(); left > 0; left--) {
      reader.name(); // of the module
      reader.name(); // of what is imported
      const kind = reader.byte();
      if (kind === TABLE) reader.at++; // type of its elements
      if (kind === MEMORY && reader.bytes[reader.at] & SHARED) return reader.at;
      if (kind === FUNCTION) reader.number();
      else if (kind === TABLE || kind === MEMORY) reader.limits();
      else if (kind === GLOBAL) reader.at += 2;
      else return undefined; // a kind that the kernels do not use
    }
    return undefined;
  }
  return undefined;
}

class Reader {
  at = 0;

  constructor(readonly bytes: Uint8Array) {}

  byte(): number {
    return this.bytes[this.at++];
  }

  /** LEB128, u32. */
  number(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value |= (byte & 0x7f) << shift;
      if (!(byte & 0x80)) return value >>> 0;
    }
  }

  name(): void {
    const length = this.number();
    this.at += length;
  }

  limits(): void {
    const flags = this.byte();
    this.number();
    if (flags & HAS_MAXIMUM) this.number();
  }
}
