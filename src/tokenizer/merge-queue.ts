// Candidates for merging two neighbours, best first: a binary heap over typed arrays. With it and
// a linked list of symbols a run of n characters costs n log n, whatever the characters are.

export class MergeQueue {
  length = 0;
  #capacity = 256;
  // Lower is better; ties go to the leftmost pair.
  #priority = new Float64Array(this.#capacity);
  #left = new Int32Array(this.#capacity);
  #right = new Int32Array(this.#capacity);
  // Length of both symbols when the candidate was found: if it changed, the candidate is stale.
  #size = new Int32Array(this.#capacity);
  #merged = new Int32Array(this.#capacity);

  /** The candidate that the last `pop` took out. */
  left = 0;
  right = 0;
  size = 0;
  merged = 0;

  clear(): void {
    this.length = 0;
  }

  push(priority: number, left: number, right: number, size: number, merged: number): void {
    if (this.length === this.#capacity) this.#grow();
    let i = this.length++;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!this.#before(priority, left, parent)) break;
      this.#move(parent, i);
      i = parent;
    }
    this.#set(i, priority, left, right, size, merged);
  }

  /** Takes the best candidate out into the fields. The queue must not be empty. */
  pop(): void {
    this.left = this.#left[0];
    this.right = this.#right[0];
    this.size = this.#size[0];
    this.merged = this.#merged[0];
    const last = --this.length;
    if (last === 0) return;
    const priority = this.#priority[last];
    const left = this.#left[last];
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= last) break;
      const sibling = child + 1;
      if (sibling < last && this.#before(this.#priority[sibling], this.#left[sibling], child)) {
        child = sibling;
      }
      if (this.#before(priority, left, child)) break;
      this.#move(child, i);
      i = child;
    }
    this.#move(last, i);
  }

  #before(priority: number, left: number, other: number): boolean {
    const p = this.#priority[other];
    return priority < p || (priority === p && left < this.#left[other]);
  }

  #move(from: number, to: number): void {
    this.#set(
      to,
      this.#priority[from],
      this.#left[from],
      this.#right[from],
      this.#size[from],
      this.#merged[from],
    );
  }

  #set(
    i: number,
    priority: number,
    left: number,
    right: number,
    size: number,
    merged: number,
  ): void {
    this.#priority[i] = priority;
    this.#left[i] = left;
    this.#right[i] = right;
    this.#size[i] = size;
    this.#merged[i] = merged;
  }

  #grow(): void {
    this.#capacity *= 2;
    const grow = <T extends Float64Array | Int32Array>(old: T): T => {
      const grown = new (old.constructor as new (n: number) => T)(this.#capacity);
      grown.set(old);
      return grown;
    };
    this.#priority = grow(this.#priority);
    this.#left = grow(this.#left);
    this.#right = grow(this.#right);
    this.#size = grow(this.#size);
    this.#merged = grow(this.#merged);
  }
}
