// Page accounting of the KV cache: whatever is done in whatever order, no page leaks, none is written by two sequences,
// and every sequence reads back what it wrote.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ContextFullError, SamebitError } from "../../src/errors.ts";
import { CachedSequence, KvCachePages } from "../../src/kv-cache.ts";
import type { Bank } from "../../src/memory/bank.ts";

const PAGE = 16;

const HEADS = 2;

/**
 * A bank with one cache of two heads, whose keys take one byte per position and head, and whose values take two: drawn in
 * assembly/ops/kv-page.ts.
 */
class StubBank {
  readonly bytes: Uint8Array;
  private readonly v: number;
  constructor(nPages: number) {
    this.v = Math.ceil(nPages / 16) * 16 * HEADS * PAGE;
    this.bytes = new Uint8Array(3 * this.v);
  }
  u8(address: number, length: number) {
    return this.bytes.subarray(address, address + length);
  }
  *placedStates() {}
  *placedCaches() {
    yield [
      { nHeadKv: HEADS, kPageBytes: HEADS * PAGE, vPageBytes: 2 * HEADS * PAGE },
      { k: 0, v: this.v },
    ];
  }

  /** The bytes of a slot: of each head a key, and two of values. */
  private *places(slot: number): Generator<[number, number]> {
    const page = Math.floor(slot / PAGE),
      group = Math.floor(page / 16);
    for (let head = 0; head < HEADS; head++) {
      const block = (group * HEADS + head) * 16 + (page % 16),
        key = block * PAGE + (slot % PAGE);
      yield [key, this.v + 2 * key];
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

class Harness {
  readonly banks: StubBank[];
  readonly cache: KvCachePages;
  readonly live: { sequence: CachedSequence; tokens: number[] }[] = [];
  private next = 1;

  constructor(
    readonly nPages: number,
    readonly nSequences: number,
    readonly maxPages: number,
  ) {
    this.banks = [new StubBank(nPages), new StubBank(nPages)];
    this.cache = new KvCachePages(this.banks as unknown as Bank[], nPages, nSequences, maxPages);
  }

  create() {
    if (this.live.length < this.nSequences)
      this.live.push({ sequence: this.cache.create(), tokens: [] });
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
    for (let i = 0; i < n; i++) {
      const token = (this.next = (this.next % 250) + 1),
        slot = this.cache.slotOf(sequence, sequence.length + i);
      for (const bank of this.banks) bank.write(slot, token);
      if (!fails) tokens.push(token);
    }
    if (fails) this.cache.truncate(sequence, sequence.length);
    else sequence.length += n;
  }

  private wouldCopy(sequence: CachedSequence): boolean {
    return this.live.some(
      ({ sequence: other }) => other !== sequence && other.pages.includes(sequence.pages.at(-1)!),
    );
  }

  truncate(which: number, part: number) {
    const entry = this.live[which % this.live.length];
    if (!entry) return;
    const length = Math.floor(entry.tokens.length * part);
    this.cache.truncate(entry.sequence, length);
    entry.tokens.length = length;
  }

  copy(which: number) {
    const entry = this.live[which % this.live.length];
    if (!entry) return;
    if (this.live.length === this.nSequences)
      return void expect(() => this.cache.copy(entry.sequence)).toThrow(SamebitError);
    this.live.push({ sequence: this.cache.copy(entry.sequence), tokens: [...entry.tokens] });
  }

  remove(which: number) {
    if (this.live.length === 0) return;
    const [{ sequence }] = this.live.splice(which % this.live.length, 1);
    this.cache.remove(sequence);
    this.cache.remove(sequence); // the second time nothing happens
    expect(this.cache.has(sequence)).toBe(false);
  }

  check() {
    const { free, freeSlots, shared } = this.cache as unknown as {
      free: number[];
      freeSlots: number[];
      shared: Uint32Array;
    };
    const owners = new Uint32Array(this.nPages);
    for (const { sequence } of this.live) for (const page of sequence.pages) owners[page]++;
    expect(new Set(free).size, "free pages are free once").toBe(free.length);
    for (const page of free) expect(owners[page], `page ${page} is free and in use`).toBe(0);
    expect(free.length + owners.filter((n) => n > 0).length, "no page is lost").toBe(this.nPages);
    owners.forEach((n, page) =>
      expect(shared[page], `page ${page}: sharers`).toBe(Math.max(0, n - 1)),
    );
    expect(freeSlots.length + this.live.length).toBe(this.nSequences);
    expect(new Set([...freeSlots, ...this.live.map(({ sequence }) => sequence.slot)]).size).toBe(
      this.nSequences,
    );
    for (const { sequence, tokens } of this.live) {
      expect(this.cache.has(sequence)).toBe(true);
      expect(sequence.length).toBe(tokens.length);
      expect(sequence.pages.length).toBe(Math.ceil(tokens.length / PAGE));
      for (const bank of this.banks) {
        expect(
          tokens.map((_, position) => bank.read(this.cache.slotOf(sequence, position))),
        ).toEqual(tokens);
      }
    }
  }
}

const step = fc.oneof(
  fc.record({ do: fc.constant("create" as const) }),
  fc.record({
    do: fc.constant("append" as const),
    which: fc.nat(7),
    n: fc.integer({ min: 1, max: 40 }),
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

  it("shares pages after a copy and parts them when either side writes", () => {
    for (const writer of [0, 1]) {
      const harness = new Harness(8, 2, 4);
      harness.create();
      harness.append(0, 20, false);
      harness.copy(0);
      const [a, b] = harness.live.map(({ sequence }) => sequence);
      expect(b.pages).toEqual(a.pages);
      harness.append(writer, 1, false);
      expect(b.pages[0]).toBe(a.pages[0]);
      expect(b.pages[1]).not.toBe(a.pages[1]);
      const [pagesA, pagesB] = [[...a.pages], [...b.pages]];
      harness.append(1 - writer, 1, false); // the other side is the only owner by now
      expect([a.pages, b.pages]).toEqual([pagesA, pagesB]);
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
