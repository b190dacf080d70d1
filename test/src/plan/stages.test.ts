import { describe, expect, it } from "vitest";
import { assignBanks } from "../../../src/plan/banks.ts";
import { accessOf, conflict } from "../../../src/plan/conflicts.ts";
import { Op } from "../../../src/memory/abi.generated.ts";
import type { Instr, Recording, Ref } from "../../../src/plan/instruction.ts";
import { inStages } from "../../../src/plan/stages.ts";
import type { Ops } from "../../../models/ops.ts";
import { forward, PAGES, record, shapes } from "./planning.ts";

const staged = (recording: Recording, capacity = Infinity) => {
  const { segments } = assignBanks(recording, capacity, PAGES);
  return { segments, ...inStages(recording, segments) };
};

/** Products with biases: recorded one after the other. */
function biased(ops: Ops): void {
  const embd = ops.weight("token_embd.weight", [16, 40]),
    x = ops.embed(embd);
  const [q, k, v] = ["q", "k", "v"].map((name) => {
    const w = ops.weight(`blk.0.${name}`, shapes[`blk.0.${name}`]);
    return ops.addWeight(ops.matmul(w, x), ops.weight(`bias.${name}`, [w.shape[1]]));
  });
  const cache = ops.kvStore(0, k, v, { nHeadKv: 1, headDimK: 8, headDimV: 8 });
  ops.logits(ops.matmul(embd, ops.outputRows(ops.attention(q, { cache, nHead: 2, scale: 1 }))));
}
const withBiases = { ...shapes, "bias.q": [16], "bias.k": [8], "bias.v": [8] };

describe("inStages", () => {
  it("puts products of one input side by side, and their biases", () => {
    const { recording, stageOf } = staged(record(withBiases, biased));
    const stage = (label: string) =>
      stageOf[recording.instrs.findIndex((instr) => instr.label === label)];
    expect(["blk.0.q", "blk.0.k", "blk.0.v"].map(stage)).toEqual([2, 2, 2]);
    expect(["bias.q", "bias.k", "bias.v"].map(stage)).toEqual([3, 3, 3]);
    expect(stage("kv store 0")).toBe(4);
    expect(stage("attention 0")).toBe(5);
  });

  it.each([
    ["the small model", record(shapes, forward)],
    ["biases", record(withBiases, biased)],
  ])("keeps the order of what conflicts, and puts none of it in one stage: %s", (_, recorded) => {
    const { recording, stageOf } = staged(recorded);
    let conflicts = 0;
    recorded.instrs.forEach((earlier, i) => {
      for (const later of recorded.instrs.slice(i + 1)) {
        if (!conflict(accessOf(earlier), accessOf(later))) continue;
        conflicts++;
        const [a, b] = [earlier, later].map((instr) => stageOf[recording.instrs.indexOf(instr)]);
        expect(a, `${earlier.label} before ${later.label}`).toBeLessThan(b);
      }
    });
    expect(conflicts).toBeGreaterThan(recorded.instrs.length / 2);
  });

  it("lets nothing write before those have read that come first", () => {
    // what reads `a` must wait for b and c; what writes `a` next needs nothing else
    const [a, b, c, d] = ["a", "b", "c", "d"].map((name, id): Ref => ({
      kind: "value",
      value: { id, name, bytes: 64, rowBytes: 0, rows: 1, keep: false, hostWritten: false },
      offset: 0,
    }));
    const instr = (label: string, reads: Ref[], writes: Ref[]): Instr => ({
      ...{ op: Op.binary, rows: 1, label, words: new Map(), head: false, encoder: false },
      ...{ reads, writes },
    });
    const instrs = [
      instr("write a", [], [a]),
      instr("write b", [], [b]),
      instr("b to c", [b], [c]),
      instr("read a", [a, c], [d]),
      instr("write a again", [], [a]),
    ];
    const segment = { bank: 0, start: 0, end: 5, transfers: [], head: false, encoder: false };
    const found = inStages({ instrs } as unknown as Recording, [segment]);
    expect(found.recording.instrs.map(({ label }) => label)).toEqual(instrs.map((i) => i.label));
    expect(found.stageOf).toEqual([0, 0, 1, 2, 3]);
  });

  it("leaves every instruction in its segment", () => {
    const recorded = record(shapes, forward),
      { recording, segments, stageOf } = staged(recorded, 4096);
    expect(segments.length).toBeGreaterThan(3);
    for (const { start, end } of segments) {
      expect(new Set(recording.instrs.slice(start, end))).toEqual(
        new Set(recorded.instrs.slice(start, end)),
      );
      if (start > 0) expect(stageOf[start]).toBe(stageOf[start - 1] + 1);
    }
  });
});
