// Tokens by their bytes, walked one byte at a time: for tokenizers that look for the tokens which a
// text begins with.

export class ByteTrie {
  // node * 256 + byte -> node; node 0 is the root.
  readonly #next = new Map<number, number>();
  readonly #tokens: number[] = [-1];

  /** An empty text is not inserted; a later token of the same bytes takes an earlier one's place. */
  insert(bytes: Uint8Array, token: number): void {
    let node = 0;
    for (const byte of bytes) {
      let next = this.#next.get(node * 256 + byte);
      if (next === undefined) {
        next = this.#tokens.push(-1) - 1;
        this.#next.set(node * 256 + byte, next);
      }
      node = next;
    }
    if (node !== 0) this.#tokens[node] = token;
  }

  /** The node behind `byte`, or undefined. The root is node 0. */
  step(node: number, byte: number): number | undefined {
    return this.#next.get(node * 256 + byte);
  }

  /** The token that ends at a node, or -1. */
  token(node: number): number {
    return this.#tokens[node];
  }

  /** Bytes of the longest token that bytes[start..] begins with; 0 for none. */
  longest(bytes: Uint8Array, start: number): number {
    let length = 0;
    let node: number | undefined = 0;
    for (let i = start; i < bytes.length; i++) {
      node = this.step(node, bytes[i]);
      if (node === undefined) break;
      if (this.#tokens[node] >= 0) length = i + 1 - start;
    }
    return length;
  }
}
