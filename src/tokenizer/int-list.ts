// A growing Int32Array: the output of splitters and encoders, without boxing a number per token.

export class IntList {
  array = new Int32Array(64);
  length = 0;

  push(value: number): void {
    if (this.length === this.array.length) this.#grow(this.length + 1);
    this.array[this.length++] = value;
  }

  append(values: Int32Array): void {
    const end = this.length + values.length;
    if (end > this.array.length) this.#grow(end);
    this.array.set(values, this.length);
    this.length = end;
  }

  clear(): void {
    this.length = 0;
  }

  /** The values as a view; the next push may end its validity. */
  view(start = 0): Int32Array {
    return this.array.subarray(start, this.length);
  }

  #grow(needed: number): void {
    const grown = new Int32Array(Math.max(needed, this.array.length * 2));
    grown.set(this.array);
    this.array = grown;
  }
}
