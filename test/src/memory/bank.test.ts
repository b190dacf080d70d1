// Where everything lies in a bank: aligned, apart from everything else, inside the memory, and never larger than was
// reckoned before the bank was made.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MemoryError } from "../../../src/errors.ts";
import { Batch, Control, Limit, Sequence } from "../../../src/memory/abi.generated.ts";
import { Bank, type BankLimits, fixedBytes, STAGING_BYTES } from "../../../src/memory/bank.ts";
import type {
  BankContents,
  PlacedCache,
  PlacedState,
  PlacedWeight,
} from "../../../src/memory/placed.ts";

const LIMITS: BankLimits = {
  heapBase: 5000,
  nThreads: 2,
  nBatch: 8,
  nSequences: 2,
  nPages: { whole: 6, window: 2 },
  maxPagesPerSequence: 3,
  planBytes: 1000,
  arenaBytes: 4000,
  maxBytes: 2 ** 32 - 65536,
  nEmbd: 16,
};

const weight = (bytes: number): PlacedWeight => ({
  name: "w",
  shape: [bytes / 4],
  layout: "vector",
  type: 0,
  bytes,
  groupBytes: 0,
  expertBytes: 0,
});
const cache = (layer: number, kPageBytes: number, vPageBytes: number): PlacedCache => ({
  layer,
  pool: layer % 2 === 0 ? "whole" : "window",
  nHeadKv: 1,
  headDimK: 1,
  headDimV: 1,
  kPageBytes,
  vPageBytes,
});
const state = (bytes: number): PlacedState => ({ name: "s", bytes, slotBytes: bytes });

function contents(weights: number[], caches: [number, number][], states: number[]): BankContents {
  return {
    weights: new Set(weights.map(weight)),
    caches: new Set(caches.map(([k, v], layer) => cache(layer, k, v))),
    states: new Set(states.map(state)),
  };
}

/** Every region of a bank: what, from, bytes. */
function regions(
  bank: Bank,
  { weights, caches, states }: BankContents,
): [string, number, number][] {
  const {
      nBatch,
      nSequences,
      maxPagesPerSequence,
      nPages,
      nThreads,
      nEmbd,
      planBytes,
      arenaBytes,
    } = bank.limits,
    { arrays } = bank;
  return [
    ["control", bank.control, Control.bytes],
    ["batch", bank.batch, Batch.bytes],
    ["tokens", arrays.tokens, nBatch * 4],
    ["positions", arrays.positions, nBatch * 16],
    ["sequenceOf", arrays.sequenceOf, nBatch * 4],
    ["writeSlots", arrays.writeSlots, nBatch * 4],
    ["windowSlots", arrays.windowSlots, nBatch * 4],
    ["outputRows", arrays.outputRows, nBatch * 4],
    ["adapters", arrays.adapters, nBatch * 4],
    ["inputRows", arrays.inputRows, nBatch * nEmbd * 4],
    ["sequences", arrays.sequences, nSequences * Sequence.bytes],
    ["pageTables", arrays.pageTables, nSequences * maxPagesPerSequence * 4],
    ["windowPageTables", arrays.windowPageTables, nSequences * maxPagesPerSequence * 4],
    ["scratch", bank.scratch, nThreads * Limit.scratchBytes],
    ["plan", bank.allocate("plan", planBytes), planBytes],
    ["arena", bank.staging.address, Math.max(arenaBytes, STAGING_BYTES)],
    ...[...states].map((s): [string, number, number] => ["state", bank.stateAddress(s), s.bytes]),
    ...[...weights].map((w): [string, number, number] => [
      "weight",
      bank.weightAddress(w),
      w.bytes,
    ]),
    ...[...caches].flatMap((c): [string, number, number][] => [
      ["k", bank.cacheAddress(c, "k"), c.kPageBytes * nPages[c.pool]],
      ["v", bank.cacheAddress(c, "v"), c.vPageBytes * nPages[c.pool]],
    ]),
  ];
}

describe("Bank", () => {
  it("lays everything out apart, aligned and inside, within what was reckoned", () => {
    const words = fc.integer({ min: 1, max: 3000 }).map((n) => n * 4);
    fc.assert(
      fc.property(
        fc.record({
          heapBase: fc.integer({ min: 16, max: 100_000 }),
          nThreads: fc.integer({ min: 1, max: 4 }),
          nBatch: fc.integer({ min: 1, max: 100 }),
          nSequences: fc.integer({ min: 1, max: 5 }),
          maxPagesPerSequence: fc.integer({ min: 1, max: 9 }),
          planBytes: words,
          arenaBytes: fc.oneof(words, fc.constant(STAGING_BYTES + 4096)),
          nEmbd: fc.integer({ min: 1, max: 300 }),
        }),
        fc.array(words, { maxLength: 6 }),
        fc.array(fc.tuple(words, words), { maxLength: 3 }),
        fc.array(words, { maxLength: 3 }),
        (sizes, weights, caches, states) => {
          const limits: BankLimits = {
            ...LIMITS,
            ...sizes,
            nPages: {
              whole: sizes.nSequences * sizes.maxPagesPerSequence,
              window: sizes.nSequences,
            },
          };
          const held = contents(weights, caches, states),
            bank = new Bank(0, held, new Map([[3, 128]]), limits);
          let end = limits.heapBase;
          let cacheBytes = 0;
          for (const [what, from, bytes] of regions(bank, held).sort((a, b) => a[1] - b[1])) {
            if (what === "k" || what === "v") cacheBytes += bytes;
            expect(from % 64, what).toBe(0);
            expect(from, what).toBeGreaterThanOrEqual(end);
            end = from + bytes;
          }
          expect(end).toBeLessThanOrEqual(bank.memory.buffer.byteLength);
          const anchored = [
            ...weights,
            ...states,
            ...[...held.caches].flatMap(({ pool, kPageBytes, vPageBytes }) => [
              kPageBytes * limits.nPages[pool],
              vPageBytes * limits.nPages[pool],
            ]),
          ];
          const reckoned =
            fixedBytes(limits) + anchored.reduce((sum, n) => sum + Math.ceil(n / 64) * 64, 0);
          // the last page is begun
          expect(bank.memory.buffer.byteLength).toBeLessThanOrEqual(
            Math.ceil(reckoned / 65536) * 65536,
          );
          expect(bank.cacheBytes).toBe(cacheBytes);
          expect(bank.valueAddress(3)).toBe(bank.staging.address + 128);
          expect([...held.weights].every((w) => bank.hasWeight(w))).toBe(true);
          expect(bank.hasWeight(weight(4))).toBe(false);
        },
      ),
      { numRuns: 40 },
    );
  });

  it("has no more plan than was asked for", () => {
    const bank = new Bank(2, contents([], [], []), new Map(), LIMITS);
    expect(bank.allocate("plan", 500) % 64).toBe(0);
    expect(() => bank.allocate("counters", 600)).toThrow(
      "counters: expected room for 600 bytes of plan in bank 2, found none",
    );
    expect(() => bank.allocate("counters", 300)).not.toThrow();
  });

  it("is refused when it would be too large, before memory is asked for", () => {
    const make = (maxBytes: number) =>
      new Bank(1, contents([400_000], [], []), new Map(), { ...LIMITS, maxBytes });
    const need = make(LIMITS.maxBytes).memory.buffer.byteLength;
    expect(() => make(need)).not.toThrow();
    expect(() => make(need - 1)).toThrow(MemoryError);
    expect(() => make(need - 1)).toThrow(
      `memory bank 1: expected at most ${need - 1} bytes, found a need of ${need}; use larger banks`,
    );
    expect(() => new Bank(0, contents([], [[2 ** 31, 2 ** 31]], []), new Map(), LIMITS)).toThrow(
      MemoryError,
    );
  });

  it("gives views of its memory", () => {
    const bank = new Bank(0, contents([64], [], []), new Map(), LIMITS),
      at = bank.staging.address;
    bank.f32(at, 1)[0] = 1;
    expect([bank.u32(at, 1)[0], bank.i32(at, 1)[0], ...bank.u8(at, 4)]).toEqual([
      0x3f800000, 0x3f800000, 0, 0, 0x80, 0x3f,
    ]);
  });
});
