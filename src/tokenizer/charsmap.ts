// SentencePiece's precompiled character map (`tokenizer.ggml.precompiled_charsmap`): replacements
// for sequences of bytes, as a compact double array and a pool of texts.
//
//   u32 size | size bytes: one u32 per node | replacement texts, each ended by a zero byte
//   node: base << 10 | shift << 9 | leaf << 8 | label; a value node holds an offset into the texts.
//
// Source: llama.cpp, src/llama-vocab.cpp, xcda_array_view.
import { TokenizerError } from "./errors.ts";

const LABEL = 0x800000ff;

export class CharsMap {
  readonly #nodes: Uint32Array;
  readonly #texts: Uint8Array;

  constructor(data: Uint8Array) {
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const size = data.length < 4 ? -1 : view.getUint32(0, true);
    if (size < 4 || size % 4 !== 0 || 4 + size > data.length || data.at(-1) !== 0) {
      throw new TokenizerError({
        subject: "tokenizer.ggml.precompiled_charsmap",
        expected: "a table of nodes and texts that end with a zero byte",
        found: `${data.length} bytes that say ${size}`,
        remedy: "convert the model again with a current converter",
      });
    }
    this.#nodes = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
    this.#texts = data.subarray(4 + size);
  }

  /** The longest replacement at bytes[start..]: how many bytes it takes, and what stands for them. */
  match(bytes: Uint8Array, start: number): { length: number; text: Uint8Array } | undefined {
    let found: { length: number; at: number } | undefined;
    let node = this.#base(0);
    for (let i = start; i < bytes.length && bytes[i] !== 0; i++) {
      node ^= bytes[i];
      const packed = this.#nodes[node];
      if (packed === undefined || (packed & LABEL) >>> 0 !== bytes[i]) break;
      node ^= this.#base(node);
      if (((packed >>> 8) & 1) === 0) continue;
      found = { length: i + 1 - start, at: (this.#nodes[node] ?? 0) & 0x7fffffff };
    }
    if (found === undefined || found.at >= this.#texts.length) return undefined;
    const text = this.#texts.subarray(found.at, this.#texts.indexOf(0, found.at));
    return { length: found.length, text };
  }

  #base(node: number): number {
    const packed = this.#nodes[node];
    return (packed >>> 10) << ((packed & 0x200) >>> 6);
  }
}
