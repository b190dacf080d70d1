import { describe, expect, it } from "vitest";
import { allocateArena, barriers } from "../../../src/plan/allocate.ts";
import { assignBanks, type Banked } from "../../../src/plan/banks.ts";
import type { Recording } from "../../../src/plan/instruction.ts";
import { inStages, type Staged } from "../../../src/plan/stages.ts";
import { forward, PAGES, record, shapes } from "./planning.ts";

/** The small forward pass in banks of `capacity` bytes. */
function plan(capacity: number): { staged: Staged; banked: Banked; recording: Recording } {
  const recorded = record(shapes, forward),
    banked = assignBanks(recorded, capacity, PAGES),
    staged = inStages(recorded, banked.segments);
  return { staged, banked, recording: staged.recording };
}

/** Walks a plan as the threads would and fails where memory is read that something else has written since. */
function simulate(staged: Staged, banked: Banked) {
  const { offsets } = allocateArena(staged, banked),
    { recording } = staged;
  const owner = banked.banks.map(() => new Map<number, number>()); // 64-byte cell -> value id
  const stamp = (bank: number, id: number, bytes: number) => {
    const start = offsets[bank].get(id)!;
    expect(start, `value ${id} in bank ${bank}`).toBeDefined();
    for (let at = start; at < start + bytes; at += 64) owner[bank].set(at, id);
  };
  const check = (bank: number, id: number, bytes: number, label: string) => {
    const start = offsets[bank].get(id)!;
    for (let at = start; at < start + bytes; at += 64)
      expect(owner[bank].get(at), `${label} reads value ${id} in bank ${bank}`).toBe(id);
  };
  const play = (head: boolean) => {
    for (const segment of banked.segments.filter((s) => s.head === head)) {
      for (const { value, from, to } of segment.transfers) {
        check(from, value.id, value.bytes, "transfer");
        stamp(to, value.id, value.bytes);
      }
      for (let i = segment.start; i < segment.end; i++) {
        const { reads, writes, label } = recording.instrs[i];
        for (const r of reads)
          if (r.kind === "value") check(segment.bank, r.value.id, r.value.bytes, label);
        for (const w of writes)
          if (w.kind === "value") stamp(segment.bank, w.value.id, w.value.bytes);
      }
    }
  };
  play(false);
  play(true);
  play(true); // a second chunk of outputs: what the head reads must still be there
}

describe("allocateArena", () => {
  it.each([
    ["one bank", Infinity],
    ["banks of two layers", 13000],
    ["a bank per tensor", 4096],
  ])("keeps every value until its last reader, %s", (_, capacity) => {
    const { staged, banked } = plan(capacity);
    if (capacity !== Infinity) expect(banked.banks.length).toBeGreaterThan(1);
    simulate(staged, banked);
  });

  it("gives memory that the host writes before a run to nobody else", () => {
    const { staged, banked, recording } = plan(Infinity),
      { offsets } = allocateArena(staged, banked);
    const flag = offsets[0].get(recording.nanFlag.id)!;
    const values = recording.instrs
      .flatMap((i) => i.writes)
      .flatMap((w) => (w.kind === "value" && w.value !== recording.nanFlag ? [w.value] : []));
    expect(
      values.filter(
        (v) => offsets[0].get(v.id)! < flag + 64 && flag < offsets[0].get(v.id)! + v.bytes,
      ),
    ).toEqual([]);
  });

  it("reuses memory", () => {
    const { staged, banked, recording } = plan(Infinity);
    const values = new Map(
      recording.instrs
        .flatMap((i) => i.writes)
        .flatMap((w) => (w.kind === "value" ? [[w.value.id, w.value.bytes]] : [])) as [
        number,
        number,
      ][],
    );
    const sum = [...values.values()].reduce((a, b) => a + b, 0);
    expect(allocateArena(staged, banked).arenaBytes[0]).toBeLessThan(sum / 2);
  });
});

describe("barriers", () => {
  it("stand between a writer and its readers, and not between products of one input", () => {
    const { staged, banked, recording } = plan(Infinity);
    const { offsets } = allocateArena(staged, banked),
      { instrs } = recording;
    const needed = barriers(instrs, 0, instrs.length, offsets[0]);
    const at = (label: string) => instrs.findIndex((i) => i.label === label);
    expect(needed[at("blk.0.q")]).toBe(true); // reads the packing before it
    expect(needed[at("blk.0.k")]).toBe(false);
    expect(needed[at("blk.0.v")]).toBe(false);
    expect(needed[at("attention 0")]).toBe(true); // reads what kv store wrote
  });

  it("stand where stages begin, and nowhere else", () => {
    const { staged, banked, recording } = plan(Infinity);
    const { offsets } = allocateArena(staged, banked),
      needed = barriers(recording.instrs, 0, recording.instrs.length, offsets[0]);
    const heads = recording.instrs.findIndex((i) => i.head);
    staged.stageOf.forEach((stage, i) => {
      if (i > 0 && i !== heads)
        expect(needed[i], recording.instrs[i].label).toBe(stage !== staged.stageOf[i - 1]);
    });
  });

  it("separate every pair of instructions that conflict", () => {
    const { staged, banked, recording } = plan(Infinity);
    const { offsets } = allocateArena(staged, banked),
      { instrs } = recording;
    const needed = barriers(instrs, 0, instrs.length, offsets[0]);
    const ranges = (refs: (typeof instrs)[number]["reads"]) =>
      refs.flatMap((r) =>
        r.kind === "value"
          ? [[offsets[0].get(r.value.id)!, offsets[0].get(r.value.id)! + r.value.bytes]]
          : [],
      );
    const meet = (a: number[][], b: number[][]) =>
      a.some((x) => b.some((y) => x[0] < y[1] && y[0] < x[1]));
    let conflicts = 0;
    for (let i = 0; i < instrs.length; i++) {
      for (let j = i + 1; j < instrs.length; j++) {
        const conflict =
          meet(ranges(instrs[i].writes), ranges([...instrs[j].reads, ...instrs[j].writes])) ||
          meet(ranges(instrs[i].reads), ranges(instrs[j].writes));
        if (!conflict) continue;
        conflicts++;
        expect(needed.slice(i + 1, j + 1), `${instrs[i].label} and ${instrs[j].label}`).toContain(
          true,
        );
      }
    }
    expect(conflicts).toBeGreaterThan(20);
  });
});
