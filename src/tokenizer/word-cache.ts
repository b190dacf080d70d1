// Tokens of words met before. Text repeats its words: nine of ten come from here.

// 64 UTF-16 units: longer words hardly ever come back. 1 << 16 words: 10-20 MB at most.
const MAX_WORD = 64;
const MAX_WORDS = 1 << 16;

export class WordCache {
  readonly #words = new Map<string, Int32Array>();

  get(word: string): Int32Array | undefined {
    return word.length <= MAX_WORD ? this.#words.get(word) : undefined;
  }

  set(word: string, tokens: Int32Array): void {
    if (word.length > MAX_WORD) return;
    if (this.#words.size >= MAX_WORDS) this.#words.clear();
    this.#words.set(word, tokens.slice());
  }
}
