import { describe, expect, it } from "vitest";
import { MemoryError } from "../../../src/errors.ts";
import { assignBanks } from "../../../src/plan/banks.ts";
import { forward, PAGES, record, shapes } from "./planning.ts";

describe("assignBanks", () => {
  it("puts everything into one bank when it fits", () => {
    const banked = assignBanks(record(shapes, forward), Infinity, PAGES);
    expect(banked.banks.length).toBe(1);
    expect(banked.segments.map((s) => [s.bank, s.head])).toEqual([
      [0, false],
      [0, true],
    ]);
    expect(banked.segments.every((s) => s.transfers.length === 0)).toBe(true);
  });

  it("comes back to the first bank for tied embeddings, and copies what crosses a border", () => {
    const banked = assignBanks(record(shapes, forward), 13000, PAGES);
    expect(banked.banks.length).toBeGreaterThan(1);
    expect(banked.segments[0].bank).toBe(0);
    expect(banked.segments.at(-1)!.bank).toBe(0);
    for (const segment of banked.segments.slice(1)) {
      for (const t of segment.transfers)
        expect(t).toMatchObject({ to: segment.bank, from: banked.home.get(t.value.id) });
    }
    expect(banked.segments.some((s) => s.transfers.length > 0)).toBe(true);
  });

  it("keeps every bank within its capacity", () => {
    for (const capacity of [4096, 5000, 13000]) {
      for (const { weights, caches } of assignBanks(record(shapes, forward), capacity, PAGES)
        .banks) {
        let bytes = 0;
        for (const w of weights) if (w.layout === "matrix") bytes += w.bytes;
        for (const c of caches) bytes += (c.kPageBytes + c.vPageBytes) * 4;
        expect(bytes).toBeLessThanOrEqual(capacity);
      }
    }
  });

  it("refuses a tensor that is larger than a bank, by name", () => {
    expect(() => assignBanks(record(shapes, forward), 2000, PAGES)).toThrow(MemoryError);
    expect(() => assignBanks(record(shapes, forward), 2000, PAGES)).toThrow(
      /token_embd\.weight: expected at most 2000 bytes in a memory bank, found 2560/,
    );
  });
});
