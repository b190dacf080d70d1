// Page accounting of the KV cache: whatever is done in whatever order, no page leaks, none is written by two sequences,
// and every sequence reads back what it wrote.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ContextFullError, SamebitError } from "../../src/errors.ts";
import {
  CachedSequence,
  KvCachePages,
  type PageRun,
  pagesOfWindow,
  slotOf,
} from "../../src/kv-cache.ts";
import type { Bank } from "../../src/memory/bank.ts";
import type { PagePool } from "../../src/memory/placed.ts";

const PAGE = 16;
/** Most tokens that are appended at once. */
const MOST = 40;
const POOLS: readonly PagePool[] = ["whole", "window"];

const HEADS = 2;
const GROUP = 16;

/**
 * One cache of a pool: of each of two heads, keys take one byte per position and values two. Drawn in
 * assembly/ops/kv-page.ts.
 */
class StubCache {
  readonly nHeadKv = HEADS;
  readonly kPageBytes = HEADS * PAGE;
  readonly vPageBytes = 2 * HEADS * PAGE;
  constructor(
    readonly pool: PagePool,
    readonly k: number,
    readonly v: number,
    private readonly bytes: Uint8Array,
  ) {}

  /** The bytes of a slot: of each head a key, and two of values. */
  private *places(slot: number): Generator<[number, number]> {
    const page = Math.floor(slot / PAGE),
      group = Math.floor(page / GROUP);
    for (let head = 0; head < HEADS; head++) {
      const block = (group * HEADS + head) * GROUP + (page % GROUP),
        at = block * PAGE + (slot % PAGE);
      yield [this.k + at, this.v + 2 * at];
    }
  }

  write(slot: number, token: number) {
    for (const [key, value] of this.places(slot)) {
      this.bytes[key] = token;
      this.bytes.fill(token ^ 0xff, value, value + 2);
    }
  }
  /** The token of a slot; -1 when its bytes disagree. */
  read(slot: number): number {
    const found = [...this.places(slot)].flatMap(([key, value]) => [
      this.bytes[key],
      ...this.bytes.subarray(value, value + 2).map((v) => v ^ 0xff),
    ]);
    return found.every((token) => token === found[0]) ? found[0] : -1;
  }
}

/** A bank with a cache of each pool. */
class StubBank {
  readonly bytes: Uint8Array;
  readonly caches: Readonly<Record<PagePool, StubCache>>;
  constructor(nPages: Readonly<Record<PagePool, number>>) {
    const bytesOf = (pages: number) => Math.ceil(pages / GROUP) * GROUP * HEADS * PAGE;
    const [n, m] = [bytesOf(nPages.whole), bytesOf(nPages.window)];
    this.bytes = new Uint8Array(3 * (n + m));
    this.caches = {
      whole: new StubCache("whole", 0, n, this.bytes),
      window: new StubCache("window", 3 * n, 3 * n + m, this.bytes),
    };
  }
  u8(address: number, length: number) {
    return this.bytes.subarray(address, address + length);
  }
  *placedStates() {}
  *placedCaches() {
    for (const pool of POOLS) yield [this.caches[pool], this.caches[pool]];
  }
}

class Harness {
  readonly banks: StubBank[];
  readonly cache: KvCachePages;
  /** `start`: where the last append began. */
  readonly live: { sequence: CachedSequence; tokens: number[]; start: number }[] = [];
  readonly nPages: Readonly<Record<PagePool, number>>;
  private next = 1;

  constructor(
    whole: number,
    readonly nSequences: number,
    readonly maxPages: number,
    readonly window?: number,
  ) {
    const pages = window === undefined ? 0 : pagesOfWindow(window, MOST) * nSequences;
    this.nPages = { whole, window: pages };
    this.banks = [new StubBank(this.nPages), new StubBank(this.nPages)];
    this.cache = new KvCachePages(
      this.banks as unknown as Bank[],
      { whole: { nPages: whole }, window: { nPages: pages, window } },
      nSequences,
      maxPages,
    );
  }

  private get pools(): readonly PagePool[] {
    return this.window === undefined ? ["whole"] : POOLS;
  }

  create() {
    if (this.live.length < this.nSequences)
      this.live.push({ sequence: this.cache.create(), tokens: [], start: 0 });
    else expect(() => this.cache.create()).toThrow(SamebitError);
  }

  /** Appends n tokens; when `fails`, the run breaks off after it has written. */
  append(which: number, n: number, fails: boolean) {
    const entry = this.live[which % this.live.length];
    if (!entry) return;
    const { sequence, tokens } = entry,
      before = JSON.stringify(sequence);
    try {
      this.cache.reserve(sequence, n);
    } catch (error) {
      expect(error).toBeInstanceOf(ContextFullError);
      expect(JSON.stringify(sequence)).toBe(before);
      expect(n).toBeGreaterThan(this.cache.room(sequence) - (this.wouldCopy(sequence) ? PAGE : 0));
      return;
    }
    entry.start = sequence.length;
    for (let i = 0; i < n; i++) {
      const token = (this.next = (this.next % 250) + 1);
      for (const pool of this.pools) {
        const slot = slotOf(sequence.runs[pool], sequence.length + i);
        for (const bank of this.banks) bank.caches[pool].write(slot, token);
      }
      if (!fails) tokens.push(token);
    }
    if (fails) this.cache.truncate(sequence, sequence.length);
    else sequence.length += n;
  }

  private wouldCopy(sequence: CachedSequence): boolean {
    const last = sequence.runs.whole.pages.at(-1)!;
    return this.live.some(
      ({ sequence: other }) => other !== sequence && other.runs.whole.pages.includes(last),
    );
  }

  truncate(which: number, part: number) {
    const entry = this.live[which % this.live.length];
    if (!entry) return;
    const length = Math.floor(entry.tokens.length * part);
    const possible = this.cache.canTruncate(entry.sequence, length);
    if (length === 0 || length >= entry.start || this.window === undefined)
      expect(possible).toBe(true);
    if (!possible) {
      expect(() => this.cache.truncate(entry.sequence, length)).toThrow(
        /expected a length of 0 or from \d+ to \d+, found \d+: .*swaFull/,
      );
      return;
    }
    this.cache.truncate(entry.sequence, length);
    entry.tokens.length = length;
  }

  copy(which: number) {
    const entry = this.live[which % this.live.length];
    if (!entry) return;
    if (this.live.length === this.nSequences)
      return void expect(() => this.cache.copy(entry.sequence)).toThrow(SamebitError);
    const { tokens, start } = entry;
    this.live.push({ sequence: this.cache.copy(entry.sequence), tokens: [...tokens], start });
  }

  remove(which: number) {
    if (this.live.length === 0) return;
    const [{ sequence }] = this.live.splice(which % this.live.length, 1);
    this.cache.remove(sequence);
    this.cache.remove(sequence); // the second time nothing happens
    expect(this.cache.has(sequence)).toBe(false);
  }

  check() {
    const { freeSlots, stocks } = this.cache as unknown as {
      freeSlots: number[];
      stocks: { pool: PagePool; free: number[]; shared: Uint32Array }[];
    };
    expect(stocks.map(({ pool }) => pool)).toEqual(this.pools);
    for (const { pool, free, shared } of stocks) {
      const owners = new Uint32Array(this.nPages[pool]);
      for (const { sequence } of this.live)
        for (const page of sequence.runs[pool].pages) owners[page]++;
      expect(new Set(free).size, "free pages are free once").toBe(free.length);
      for (const page of free) expect(owners[page], `page ${page} is free and in use`).toBe(0);
      expect(free.length + owners.filter((n) => n > 0).length, "no page is lost").toBe(
        this.nPages[pool],
      );
      owners.forEach((n, page) =>
        expect(shared[page], `page ${page}: sharers`).toBe(Math.max(0, n - 1)),
      );
    }
    expect(freeSlots.length + this.live.length).toBe(this.nSequences);
    expect(new Set([...freeSlots, ...this.live.map(({ sequence }) => sequence.slot)]).size).toBe(
      this.nSequences,
    );
    for (const { sequence, tokens } of this.live) {
      expect(this.cache.has(sequence)).toBe(true);
      expect(sequence.length).toBe(tokens.length);
      expect(sequence.runs.whole.first).toBe(0);
      for (const pool of this.pools) {
        const run = sequence.runs[pool];
        expect(run.first + run.pages.length).toBe(Math.ceil(tokens.length / PAGE));
        this.checkContents(run, pool, tokens);
      }
    }
  }

  /** What the next query can see is what was written. */
  private checkContents(run: PageRun, pool: PagePool, tokens: readonly number[]) {
    const first = pool === "whole" ? 0 : Math.max(0, tokens.length - this.window! + 1);
    const positions = tokens.map((_, position) => position).slice(first);
    for (const { caches } of this.banks) {
      expect(positions.map((position) => caches[pool].read(slotOf(run, position)))).toEqual(
        tokens.slice(first),
      );
    }
  }
}

const step = fc.oneof(
  fc.record({ do: fc.constant("create" as const) }),
  fc.record({
    do: fc.constant("append" as const),
    which: fc.nat(7),
    n: fc.integer({ min: 1, max: MOST }),
    fails: fc.boolean(),
  }),
  fc.record({
    do: fc.constant("truncate" as const),
    which: fc.nat(7),
    part: fc.double({ min: 0, max: 1, noNaN: true }),
  }),
  fc.record({ do: fc.constant("copy" as const), which: fc.nat(7) }),
  fc.record({ do: fc.constant("remove" as const), which: fc.nat(7) }),
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function play(harness: Harness, steps: readonly Step[]) {
  for (const s of steps) {
    if (s.do === "create") harness.create();
    else if (s.do === "append") harness.append(s.which, s.n, s.fails);
    else if (s.do === "truncate") harness.truncate(s.which, s.part);
    else if (s.do === "copy") harness.copy(s.which);
    else harness.remove(s.which);
    harness.check();
  }
}

describe("KvCachePages", () => {
  it("keeps its books and its contents through any history", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) =>
        play(new Harness(4 * 5, 4, 5), steps),
      ),
      { numRuns: 150 },
    );
  });

  it("does so with fewer pages than the sequences could fill", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => play(new Harness(7, 4, 5), steps)),
      { numRuns: 150 },
    );
  });

  it("does so where a window forgets", () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60 }),
        fc.constantFrom(1, 2, 15, 16, 17, 33),
        (steps, window) => play(new Harness(4 * 12, 4, 12, window), steps),
      ),
      { numRuns: 100 },
    );
  });

  it("holds no more than the window and the last run", () => {
    for (const n of [1, 7, 16, MOST]) {
      const harness = new Harness(64, 1, 64, 20);
      harness.create();
      const [{ sequence }] = harness.live;
      while (sequence.length + n <= 64 * PAGE) {
        harness.append(0, n, false);
        expect(sequence.runs.window.pages.length).toBeLessThanOrEqual(pagesOfWindow(20, n));
      }
      harness.check();
      expect(harness.cache.canTruncate(sequence, 100)).toBe(false);
      expect(() => harness.cache.truncate(sequence, 100)).toThrow(
        /from \d{3,4} to \d{3,4}, found 100: what lies before has left the model's sliding window/,
      );
    }
  });

  it("shares pages after a copy and parts them when either side writes", () => {
    for (const writer of [0, 1]) {
      const harness = new Harness(8, 2, 4);
      harness.create();
      harness.append(0, 20, false);
      harness.copy(0);
      const [a, b] = harness.live.map(({ sequence }) => sequence);
      const [pagesOfA, pagesOfB] = [a.runs.whole.pages, b.runs.whole.pages];
      expect(pagesOfB).toEqual(pagesOfA);
      harness.append(writer, 1, false);
      expect(pagesOfB[0]).toBe(pagesOfA[0]);
      expect(pagesOfB[1]).not.toBe(pagesOfA[1]);
      const before = [[...pagesOfA], [...pagesOfB]];
      harness.append(1 - writer, 1, false); // the other side is the only owner by now
      expect([pagesOfA, pagesOfB]).toEqual(before);
      harness.check();
    }
  });

  it("says how much there is room for", () => {
    const harness = new Harness(8, 2, 4);
    harness.create();
    const [{ sequence }] = harness.live;
    expect(harness.cache.room(sequence)).toBe(64);
    harness.append(0, 17, false);
    expect(harness.cache.room(sequence)).toBe(47);
    expect(() => harness.cache.reserve(sequence, 48)).toThrow(
      "context: expected room for 48 more tokens after 17, found 47 of 64; load the model with a larger context",
    );
    harness.append(0, 47, false);
    expect(harness.cache.room(sequence)).toBe(0);
    harness.check();
  });

  it.each([-1, 18, 1.5, Number.NaN])("refuses to truncate 17 tokens to %d", (length) => {
    const harness = new Harness(8, 2, 4);
    harness.create();
    harness.append(0, 17, false);
    expect(() => harness.cache.truncate(harness.live[0].sequence, length)).toThrow(
      "sequence: expected a length from 0 to 17",
    );
    harness.check();
  });
});
