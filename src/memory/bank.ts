// One memory bank: a WebAssembly.Memory that the threads share, and the places of everything in it. Sizes are known before
// the memory is made, so it never grows and no view into it goes stale.

import { MemoryError } from "../errors.ts";
import { Batch, Control, Limit, Sequence } from "./abi.generated.ts";
import type { BankContents, PageCounts, PlacedCache, PlacedState, PlacedWeight } from "./placed.ts";

/** What the addresses of a bank depend on besides its contents. */
export interface BankLimits {
  readonly heapBase: number;
  readonly nThreads: number;
  readonly nBatch: number;
  readonly nSequences: number;
  /** Pages of 16 positions in the KV cache, and most pages of one sequence. */
  readonly nPages: PageCounts;
  readonly maxPagesPerSequence: number;
  readonly planBytes: number;
  readonly arenaBytes: number;
  /** Most bytes the bank may have. */
  readonly maxBytes: number;
  readonly nEmbd: number;
  /** false: a plain memory, for the calling thread alone. Default: one that threads can share. */
  readonly shared?: boolean;
}

const PAGE = 65536;
const align = (n: number, to: number) => Math.ceil(n / to) * to;

export class Bank {
  readonly memory: WebAssembly.Memory;
  readonly control: number;
  /** Batch header. */
  readonly batch: number;
  /** Arrays the header points to. */
  readonly arrays: {
    readonly tokens: number;
    readonly positions: number;
    readonly sequenceOf: number;
    readonly writeSlots: number;
    readonly windowSlots: number;
    readonly outputRows: number;
    readonly inputRows: number;
    readonly adapters: number;
    readonly sequences: number;
    readonly pageTables: number;
    readonly windowPageTables: number;
  };
  readonly scratch: number;
  /** Memory for loading: raw rows of the file before they are repacked. It overlaps the arena. */
  readonly staging: { readonly address: number; readonly bytes: number };
  readonly valueOffsets: ReadonlyMap<number, number>;
  private readonly arena: number;
  private readonly weights = new Map<PlacedWeight, number>();
  private readonly caches = new Map<PlacedCache, { k: number; v: number }>();
  private readonly states = new Map<PlacedState, number>();
  private next: number;
  private readonly planEnd: number;

  constructor(
    readonly index: number,
    contents: BankContents,
    valueOffsets: ReadonlyMap<number, number>,
    readonly limits: BankLimits,
  ) {
    const { nBatch, nSequences, maxPagesPerSequence, nPages } = limits;
    this.valueOffsets = valueOffsets;
    let at = align(limits.heapBase, 64);
    const take = (bytes: number, to = 64) => {
      const start = align(at, to);
      at = start + bytes;
      return start;
    };
    this.control = take(Control.bytes);
    this.batch = take(Batch.bytes);
    this.arrays = {
      tokens: take(nBatch * 4),
      positions: take(nBatch * 16),
      sequenceOf: take(nBatch * 4),
      writeSlots: take(nBatch * 4),
      windowSlots: take(nBatch * 4),
      outputRows: take(nBatch * 4),
      inputRows: take(nBatch * limits.nEmbd * 4),
      adapters: take(nBatch * 4),
      sequences: take(nSequences * Sequence.bytes),
      pageTables: take(nSequences * maxPagesPerSequence * 4),
      windowPageTables: take(nSequences * maxPagesPerSequence * 4),
    };
    this.scratch = take(limits.nThreads * Limit.scratchBytes);
    this.next = take(limits.planBytes);
    this.planEnd = at;
    this.arena = take(Math.max(limits.arenaBytes, STAGING_BYTES));
    this.staging = { address: this.arena, bytes: STAGING_BYTES };
    for (const state of contents.states) this.states.set(state, take(state.bytes));
    for (const weight of contents.weights) this.weights.set(weight, take(weight.bytes));
    for (const cache of contents.caches) {
      this.caches.set(cache, {
        k: take(cache.kPageBytes * nPages[cache.pool]),
        v: take(cache.vPageBytes * nPages[cache.pool]),
      });
    }
    const pages = Math.ceil(at / PAGE) + 1;
    if (pages * PAGE > limits.maxBytes) {
      throw new MemoryError(
        `memory bank ${index}: expected at most ${limits.maxBytes} bytes, found a need of ${pages * PAGE}; ` +
          "use larger banks, a smaller context or a smaller batch",
      );
    }
    try {
      const { shared = true } = limits;
      this.memory = new WebAssembly.Memory({ initial: pages, maximum: 65536, shared });
    } catch (cause) {
      throw new MemoryError(
        `memory bank ${index}: expected ${pages * PAGE} bytes of memory, found that the runtime ` +
          "refuses them; close other models or use a smaller context",
        { cause },
      );
    }
  }

  /** Bytes for plans: `plan`, `counters`, `schedule`. */
  allocate(what: string, bytes: number): number {
    const at = align(this.next, 64);
    if (at + bytes > this.planEnd)
      throw new MemoryError(
        `${what}: expected room for ${bytes} bytes of plan in bank ${this.index}, found none`,
      );
    this.next = at + bytes;
    return at;
  }

  valueAddress(id: number): number {
    return this.arena + this.valueOffsets.get(id)!;
  }

  weightAddress(weight: PlacedWeight): number {
    return this.weights.get(weight)!;
  }

  hasWeight(weight: PlacedWeight): boolean {
    return this.weights.has(weight);
  }

  cacheAddress(cache: PlacedCache, part: "k" | "v"): number {
    return this.caches.get(cache)![part];
  }

  get cacheBytes(): number {
    const { nPages } = this.limits;
    return [...this.caches.keys()].reduce(
      (sum, { pool, kPageBytes, vPageBytes }) => sum + (kPageBytes + vPageBytes) * nPages[pool],
      0,
    );
  }

  placedCaches(): IterableIterator<[PlacedCache, { k: number; v: number }]> {
    return this.caches.entries();
  }

  stateAddress(state: PlacedState): number {
    return this.states.get(state)!;
  }

  placedStates(): IterableIterator<[PlacedState, number]> {
    return this.states.entries();
  }

  u32(address: number, length: number): Uint32Array {
    return new Uint32Array(this.memory.buffer, address, length);
  }

  i32(address: number, length: number): Int32Array {
    return new Int32Array(this.memory.buffer, address, length);
  }

  f32(address: number, length: number): Float32Array {
    return new Float32Array(this.memory.buffer, address, length);
  }

  u8(address: number, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, address, length);
  }
}

/** Rows of the file that are read at once while loading: 4 MiB, large enough for one group of four rows of any model. */
export const STAGING_BYTES = 4 << 20;

/** Bytes of a bank that are neither weights, cache nor state; used to size banks before they exist. */
export function fixedBytes(limits: BankLimits): number {
  const { nBatch, nSequences, maxPagesPerSequence } = limits;
  return (
    limits.heapBase +
    Control.bytes +
    Batch.bytes +
    nBatch * (4 + 16 + 4 + 4 + 4 + 4 + 4 + limits.nEmbd * 4) +
    nSequences * (Sequence.bytes + 2 * maxPagesPerSequence * 4) +
    limits.nThreads * Limit.scratchBytes +
    limits.planBytes +
    Math.max(limits.arenaBytes, STAGING_BYTES) +
    2 * PAGE +
    64 * 64
  );
}
