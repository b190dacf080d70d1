// The KV cache as the caller's thread sees it: which pages of 16 positions belong to which sequence. Where a layer's bank
// has page p is drawn in assembly/ops/kv-page.ts. Sequences that were copied share their full pages; a page that is written
// to gets an owner of its own first. Layers with a sliding window have pages of their own: a sequence lets go those that no
// query can see any more, and they are used again.

import { ContextFullError, SamebitError } from "./errors.ts";
import { Kv } from "./memory/abi.generated.ts";
import type { Bank } from "./memory/bank.ts";
import { blocksOf, type PagePool } from "./memory/placed.ts";

const PAGE = Kv.pagePositions;

/** Consecutive pages of one sequence: page i of them holds the positions from 16 * (first + i) on. */
export interface PageRun {
  first: number;
  readonly pages: number[];
}

/** How many pages a pool has, and the window behind which it forgets; without one it keeps every position. */
export interface PoolSize {
  readonly nPages: number;
  readonly window?: number;
}

/** One sequence: a history of `length` tokens whose keys and values are in the cache. */
export class CachedSequence {
  /** Positions that hold a token. */
  length = 0;
  /** The tokens there, of which a next prompt may begin with the same. */
  tokens: number[] = [];
  /** Its pages; those of the pool `whole` begin at 0. */
  readonly runs: Readonly<Record<PagePool, PageRun>> = {
    whole: { first: 0, pages: [] },
    window: { first: 0, pages: [] },
  };
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

/** The pages of one kind of layers: which are free, and which have several owners. */
class PageStock {
  readonly free: number[];
  /** Owners of each page beside the first. */
  readonly shared: Uint32Array;
  readonly window: number | undefined;

  constructor(
    readonly pool: PagePool,
    { nPages, window }: PoolSize,
  ) {
    this.free = Array.from({ length: nPages }, (_, i) => nPages - 1 - i);
    this.shared = new Uint32Array(nPages);
    this.window = window;
  }

  /** The first page that queries from position `length` on can see. */
  firstVisible(length: number): number {
    if (this.window === undefined) return 0;
    return Math.floor(Math.max(0, length - this.window + 1) / PAGE);
  }

  /** The least length to which a sequence can go back; beside 0, which is always possible. */
  leastLength({ runs }: CachedSequence): number {
    const { first } = runs[this.pool];
    return this.window === undefined || first === 0 ? 0 : first * PAGE + this.window - 1;
  }

  /** The last page of a sequence, where it is to be written to and belongs to others as well. */
  sharedLast({ runs, length }: CachedSequence): number | undefined {
    const { first, pages } = runs[this.pool];
    const last = pages[Math.floor(length / PAGE) - first];
    return last !== undefined && this.shared[last] > 0 ? last : undefined;
  }

  /** Whether there are pages for positions up to `end`, pages [0, end), given what the sequence forgets before. */
  suffices(sequence: CachedSequence, end: number): boolean {
    const { first, pages } = sequence.runs[this.pool];
    const forgotten = pages.slice(0, this.firstVisible(sequence.length) - first);
    const returned = forgotten.filter((page) => this.shared[page] === 0).length;
    const copied = this.sharedLast(sequence) === undefined ? 0 : 1;
    const fresh = Math.max(0, end - first - pages.length) + copied;
    return fresh <= this.free.length + returned;
  }

  /** Lets the pages go that no query from the sequence's end on can see. */
  forget({ runs, length }: CachedSequence): void {
    const run = runs[this.pool],
      first = this.firstVisible(length);
    for (const page of run.pages.splice(0, first - run.first)) this.release(page);
    run.first = first;
  }

  release(page: number): void {
    if (this.shared[page] > 0) this.shared[page]--;
    else this.free.push(page);
  }
}

export class KvCachePages {
  /** Of the pools that the model has layers for. */
  private readonly stocks: readonly PageStock[];
  private readonly freeSlots: number[];
  private readonly live = new Set<CachedSequence>();

  /** At most maxPagesPerSequence pages for one sequence. */
  constructor(
    private readonly banks: readonly Bank[],
    { whole, window }: Readonly<Record<PagePool, PoolSize>>,
    nSequences: number,
    private readonly maxPagesPerSequence: number,
  ) {
    this.stocks = [new PageStock("whole", whole)];
    if (window.nPages > 0) this.stocks = [...this.stocks, new PageStock("window", window)];
    this.freeSlots = Array.from({ length: nSequences }, (_, i) => nSequences - 1 - i);
  }

  /** Whether there are layers that have pages of their own because they may forget. */
  get hasWindow(): boolean {
    return this.stocks.length > 1;
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

  /** Whether the sequence can go back to `length`: recurrent state cannot, nor can a window to what it has forgotten. */
  canTruncate(sequence: CachedSequence, length: number): boolean {
    if (!Number.isInteger(length) || length < 0) return false;
    if (length === 0 || length === sequence.length) return true;
    if (this.stateOf(sequence).length > 0) return false;
    return length < sequence.length && length >= this.leastLength(sequence);
  }

  private leastLength(sequence: CachedSequence): number {
    return Math.max(...this.stocks.map((stock) => stock.leastLength(sequence)));
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
      const least = this.leastLength(sequence);
      if (length > 0 && length < least) {
        throw new SamebitError(
          `sequence: expected a length of 0 or from ${least} to ${sequence.length}, found ${length}: what lies before has ` +
            "left the model's sliding window; truncate to 0 and evaluate again, or load the model with swaFull",
        );
      }
      for (const state of states) state.fill(0);
    }
    for (const stock of this.stocks) {
      const run = sequence.runs[stock.pool];
      if (length === 0) run.first = 0;
      const keep = length === 0 ? 0 : Math.ceil(length / PAGE) - run.first;
      for (const page of run.pages.splice(keep)) stock.release(page);
    }
    sequence.length = length;
    sequence.tokens.splice(length);
  }

  /** A new sequence with the same history. Full pages are shared until one of the two is written to. */
  copy(sequence: CachedSequence): CachedSequence {
    const copy = this.create();
    for (const { pool, shared } of this.stocks) {
      const { first, pages } = sequence.runs[pool];
      copy.runs[pool].first = first;
      copy.runs[pool].pages.push(...pages);
      for (const page of pages) shared[page]++;
    }
    copy.length = sequence.length;
    copy.tokens = [...sequence.tokens];
    if (sequence.encoder) {
      try {
        copy.encoder = this.copy(sequence.encoder);
      } catch (error) {
        this.remove(copy); // there was a slot for one of the two
        throw error;
      }
    }
    const from = this.stateOf(sequence);
    this.stateOf(copy).forEach((state, i) => state.set(from[i]));
    return copy;
  }

  /** How many more tokens `sequence` can take. */
  room(sequence: CachedSequence): number {
    const held = sequence.runs.whole.pages.length,
      [{ free }] = this.stocks;
    const pages = Math.min(this.maxPagesPerSequence - held, free.length);
    return held * PAGE - sequence.length + pages * PAGE;
  }

  /**
   * Makes positions [length, length + n) writable: takes pages, copies a shared last page, and forgets what no window reaches
   * any more. n: at most what one run takes. The length grows only when the run has succeeded. Throws ContextFullError
   * and changes nothing when there is no room.
   */
  reserve(sequence: CachedSequence, n: number): void {
    const end = Math.ceil((sequence.length + n) / PAGE);
    if (
      end > this.maxPagesPerSequence ||
      !this.stocks.every((stock) => stock.suffices(sequence, end))
    ) {
      throw contextFull(n, sequence.length, this.room(sequence), this.maxPagesPerSequence * PAGE);
    }
    for (const stock of this.stocks) {
      const run = sequence.runs[stock.pool];
      stock.forget(sequence);
      const last = stock.sharedLast(sequence);
      if (last !== undefined) {
        const page = stock.free.pop()!;
        this.copyPage(stock.pool, last, page);
        stock.release(last);
        run.pages[run.pages.indexOf(last)] = page;
      }
      while (run.first + run.pages.length < end) run.pages.push(stock.free.pop()!);
    }
  }

  private copyPage(pool: PagePool, from: number, to: number): void {
    for (const bank of this.banks) {
      for (const [cache, { k, v }] of bank.placedCaches()) {
        if (cache.pool !== pool) continue;
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

/** The page and lane of a position, as the kernels want it. */
export function slotOf({ first, pages }: PageRun, position: number): number {
  return pages[Math.floor(position / PAGE) - first] * PAGE + (position % PAGE);
}

/**
 * Most pages that a sequence holds for a window and a run of nBatch tokens: their positions may begin anywhere in a page.
 */
export function pagesOfWindow(window: number, nBatch: number): number {
  return Math.ceil((window + nBatch - 2) / PAGE) + 1;
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
