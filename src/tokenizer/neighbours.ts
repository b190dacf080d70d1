// Which characters stand side by side in some token. Between two that never do, no merge crosses, so
// a text can be cut there and its parts, which come again and again, encoded one by one.

const SPACE = 0x20;
const WRITTEN_SPACE = 0x2581;
const ASCII = 128;
// Pairs beyond ASCII share 2^18 bits by a hash: 1,400 pairs (Llama 2) make one in 200 look like a
// neighbour that is none, which costs a cut and nothing else.
const BITS = 18;

export class Neighbours {
  /** By 128 * left + right. */
  readonly #ascii = new Uint8Array(ASCII * ASCII);
  readonly #others = new Uint32Array(1 << (BITS - 5));

  /** `codeOf` says what stands for a code point of a token, a byte perhaps; -1 is no neighbour. */
  constructor(texts: readonly string[], codeOf = (code: number) => code) {
    for (const text of texts) {
      let left = -1;
      for (let i = 0; i < text.length; i++) {
        const code = text.codePointAt(i)!;
        if (code > 0xffff) i++;
        const right = codeOf(code);
        if (left >= 0 && right >= 0) this.#add(left, right);
        left = right;
      }
    }
  }

  /** False where no token has `left` and then `right`. */
  has(left: number, right: number): boolean {
    const [a, b] = [asciiOf(left), asciiOf(right)];
    if ((a | b) < ASCII) return this.#ascii[a * ASCII + b] !== 0;
    const hash = hashOf(a, b);
    return (this.#others[hash >>> 5] & (1 << (hash & 31))) !== 0;
  }

  #add(left: number, right: number): void {
    const [a, b] = [asciiOf(left), asciiOf(right)];
    if ((a | b) < ASCII) {
      this.#ascii[a * ASCII + b] = 1;
    } else {
      const hash = hashOf(a, b);
      this.#others[hash >>> 5] |= 1 << (hash & 31);
    }
  }
}

// Tokens write a space as U+2581: the most frequent of all characters belongs to the exact table.
function asciiOf(code: number): number {
  return code === WRITTEN_SPACE ? SPACE : code;
}

function hashOf(left: number, right: number): number {
  return (Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x61c88647)) >>> (32 - BITS);
}
