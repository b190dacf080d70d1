// Special tokens by their texts, walked one UTF-16 unit at a time from every position of a text:
// nearly always the first unit already begins no token.

export class TrieNode {
  /** What was inserted with the text that ends here, or -1. */
  value = -1;
  // Chains are the rule, so the first child is not in the map.
  #unit = -1;
  #child: TrieNode | undefined;
  #others: Map<number, TrieNode> | undefined;

  /** The node behind `unit`. */
  step(unit: number): TrieNode | undefined {
    return unit === this.#unit ? this.#child : this.#others?.get(unit);
  }

  grow(unit: number): TrieNode {
    const known = this.step(unit);
    if (known !== undefined) return known;
    const node = new TrieNode();
    if (this.#child === undefined) [this.#unit, this.#child] = [unit, node];
    else (this.#others ??= new Map()).set(unit, node);
    return node;
  }
}

export class TokenTrie {
  readonly root = new TrieNode();
  isEmpty = true;
  /** By the low byte of a unit: 1 where some token begins with such a one. */
  readonly #begins = new Uint8Array(256);

  insert(text: string, value: number): void {
    this.isEmpty = false;
    let node = this.root;
    for (let i = 0; i < text.length; i++) node = node.grow(text.charCodeAt(i));
    node.value = value;
    this.#begins[text.charCodeAt(0) & 255] = 1;
  }

  /** False where no token begins with `unit`. */
  mayBegin(unit: number): boolean {
    return this.#begins[unit & 255] !== 0;
  }
}
