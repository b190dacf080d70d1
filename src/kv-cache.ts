// The KV cache as the caller's thread sees it: which pages of 16 positions belong to which sequence. Where a layer's bank
// has page p is drawn in assembly/ops/kv-page.ts. Sequences that were copied share their full pages; a page that is written
// to gets an owner of its own first.

import { ContextFullError, SamebitError } from "./errors.ts";
import { Kv } from "./memory/abi.generated.ts";
import type { Bank } from "./memory/bank.ts";
import { blocksOf } from "./memory/placed.ts";

const PAGE = Kv.pagePositions;

/** One sequence: a history of `length` tokens whose keys and values are in the cache. */
export class CachedSequence {
  /** Positions that hold a token. */
  length = 0;
  /** Page ids, in order of position. */
  readonly pages: number[] = [];
  /**
   * Which of its two slots holds the recurrent state. A run reads this one and writes the other; the two are swapped when it
   * has succeeded, so that a run that fails leaves the state as it was.
   */
  side: 0 | 1 = 0;
  /** The encoder's tokens of this sequence, for models that have one. */
  encoder: CachedSequence | undefined;
  constructor(
    /** Which pair of slots of per-sequence memory (recurrent state) it has. */
    readonly slot: number,
  ) {}

  /** The slot that holds the state. */
  get stateSlot(): number {
    return 2 * this.slot + this.side;
  }
}

export class KvCachePages {
  private readonly free: number[];
  private readonly shared: Uint32Array;
  private readonly freeSlots: number[];
  private readonly live = new Set<CachedSequence>();

  /** nPages in all, at most maxPagesPerSequence for one sequence. */
  constructor(
    private readonly banks: readonly Bank[],
    nPages: number,
    nSequences: number,
    private readonly maxPagesPerSequence: number,
  ) {
    this.free = Array.from({ length: nPages }, (_, i) => nPages - 1 - i);
    this.shared = new Uint32Array(nPages);
    this.freeSlots = Array.from({ length: nSequences }, (_, i) => nSequences - 1 - i);
  }

  /** A new, empty sequence. Throws when all are in use. */
  create(): CachedSequence {
    const slot = this.freeSlots.pop();
    if (slot === undefined) {
      throw new SamebitError(
        "sequence: expected a free one, found all in use; free one or load the model with more nSequences",
      );
    }
    const sequence = new CachedSequence(slot);
    for (const state of this.stateOf(sequence)) state.fill(0);
    this.live.add(sequence);
    return sequence;
  }

  /** The bytes of every recurrent state of a sequence. */
  private stateOf(sequence: CachedSequence): Uint8Array[] {
    return this.banks.flatMap((bank) =>
      [...bank.placedStates()]
        .filter(([state]) => state.slotBytes > 0)
        .map(([state, base]) =>
          bank.u8(base + sequence.stateSlot * state.slotBytes, state.slotBytes),
        ),
    );
  }

  /** A run over `sequence` has succeeded: n more positions hold a token, and the state it wrote is the state. */
  advance(sequence: CachedSequence, n: number): void {
    sequence.length += n;
    sequence.side = sequence.side === 0 ? 1 : 0;
  }

  /** Whether the sequence is one of this cache and has not been removed. */
  has(sequence: CachedSequence): boolean {
    return this.live.has(sequence);
  }

  /** Gives pages and slot back. A sequence that is not here (any more) is passed over. */
  remove(sequence: CachedSequence): void {
    if (!this.live.delete(sequence)) return;
    if (sequence.encoder) this.remove(sequence.encoder);
    sequence.encoder = undefined;
    this.truncate(sequence, 0);
    this.freeSlots.push(sequence.slot);
  }

  /** Forgets every position from `length` on. */
  truncate(sequence: CachedSequence, length: number): void {
    if (!Number.isInteger(length) || length < 0 || length > sequence.length) {
      throw new SamebitError(
        `sequence: expected a length from 0 to ${sequence.length}, found ${length}`,
      );
    }
    if (length < sequence.length) {
      const states = this.stateOf(sequence);
      if (length > 0 && states.length > 0) {
        throw new SamebitError(
          "sequence: this model keeps recurrent state, which cannot go back; truncate to 0 and evaluate again",
        );
      }
      for (const state of states) state.fill(0);
    }
    const keep = Math.ceil(length / PAGE);
    for (const page of sequence.pages.splice(keep)) this.release(page);
    sequence.length = length;
  }

  /** A new sequence with the same history. Full pages are shared until one of the two is written to. */
  copy(sequence: CachedSequence): CachedSequence {
    const copy = this.create();
    for (const page of sequence.pages) {
      this.shared[page]++;
      copy.pages.push(page);
    }
    copy.length = sequence.length;
    if (sequence.encoder) copy.encoder = this.copy(sequence.encoder);
    const from = this.stateOf(sequence);
    this.stateOf(copy).forEach((state, i) => state.set(from[i]));
    return copy;
  }

  /** How many more tokens `sequence` can take. */
  room(sequence: CachedSequence): number {
    const pages = Math.min(this.maxPagesPerSequence - sequence.pages.length, this.free.length);
    return sequence.pages.length * PAGE - sequence.length + pages * PAGE;
  }

  /**
   * Makes positions [length, length + n) writable: takes pages, and copies a shared last page. The length grows
   * only when the run has succeeded. Throws ContextFullError and changes nothing when there is no room.
   */
  reserve(sequence: CachedSequence, n: number): void {
    const needed = Math.ceil((sequence.length + n) / PAGE),
      lastIndex = Math.floor(sequence.length / PAGE);
    const last = sequence.pages[lastIndex],
      copyLast = last !== undefined && this.shared[last] > 0;
    const fresh = Math.max(0, needed - sequence.pages.length) + (copyLast ? 1 : 0);
    if (needed > this.maxPagesPerSequence || fresh > this.free.length) {
      throw contextFull(n, sequence.length, this.room(sequence), this.maxPagesPerSequence * PAGE);
    }
    if (copyLast) {
      const page = this.free.pop()!;
      this.copyPage(last, page);
      this.release(last);
      sequence.pages[lastIndex] = page;
    }
    while (sequence.pages.length < needed) sequence.pages.push(this.free.pop()!);
  }

  /** The page and lane of a position, as the kernels want it. */
  slotOf(sequence: CachedSequence, position: number): number {
    return sequence.pages[Math.floor(position / PAGE)] * PAGE + (position % PAGE);
  }

  private release(page: number): void {
    if (this.shared[page] > 0) this.shared[page]--;
    else this.free.push(page);
  }

  private copyPage(from: number, to: number): void {
    for (const bank of this.banks) {
      for (const [cache, { k, v }] of bank.placedCaches()) {
        for (const [base, bytes] of [
          [k, cache.kPageBytes],
          [v, cache.vPageBytes],
        ] as const) {
          const targets = blocksOf(cache, bytes, to),
            sources = blocksOf(cache, bytes, from);
          targets.forEach(({ at, length }, head) =>
            bank.u8(base + at, length).set(bank.u8(base + sources[head].at, length)),
          );
        }
      }
    }
  }
}

/** The error for `n` tokens after `length` others where `room` of `nCtx` are left. */
export function contextFull(
  n: number,
  length: number,
  room: number,
  nCtx: number,
): ContextFullError {
  return new ContextFullError(
    `context: expected room for ${n} more tokens after ${length}, found ${room} of ${nCtx}; ` +
      "load the model with a larger context, shorten the prompt or allow a context shift",
  );
}
