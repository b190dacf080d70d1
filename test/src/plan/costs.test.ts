import { describe, expect, it } from "vitest";
import { Op } from "../../../src/memory/abi.generated.ts";
import { rowCost } from "../../../src/plan/costs.ts";
import { forward, record, shapes } from "./planning.ts";

describe("rowCost", () => {
  const { instrs } = record(shapes, forward);
  const costs = (op: Op) => instrs.filter((instr) => instr.op === op).map(rowCost);

  it("is 0 for what threads should share", () => {
    for (const op of [Op.matmul, Op.attention]) {
      expect(costs(op).length).toBeGreaterThan(0);
      expect(new Set(costs(op))).toEqual(new Set([0]));
    }
  });

  it("is some ns for what one thread does at once, more for more elements", () => {
    for (const op of [Op.norm, Op.pack, Op.binary, Op.kvStore, Op.gatherRows])
      for (const cost of costs(op)) {
        expect(cost).toBeGreaterThan(0);
        expect(cost).toBeLessThan(1000);
      }
    const wide = record({ embd: [8192, 4] }, (ops) => {
      const w = ops.weight("embd", [8192, 4]);
      ops.logits(ops.matmul(w, ops.outputRows(ops.rmsNorm(ops.embed(w), { eps: 1e-5 }))));
    });
    const norm = wide.instrs.find((instr) => instr.op === Op.norm)!;
    expect(rowCost(norm)).toBeGreaterThan(costs(Op.norm)[0] * 10);
  });

  it("fits into an instruction's flags", () => {
    const [norm] = instrs.filter((instr) => instr.op === Op.norm);
    const words = new Map(norm.words).set(8, 2 ** 30);
    expect(rowCost({ ...norm, words })).toBe(0xffffff);
  });
});
