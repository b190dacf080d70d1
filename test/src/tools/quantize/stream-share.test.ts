import { describe, expect, it } from "vitest";
import { typeByName } from "../../../../formats/index.ts";
import type { Sensitivity } from "../../../../src/tools/quantize/sensitivity.ts";
import { streamShares } from "../../../../src/tools/quantize/stream-share.ts";

const type = typeByName("F16");

/** A tensor of [4, 10] whose products have this energy. */
function measured(name: string, energy: number, shape: readonly number[] = [4, 10]): Sensitivity {
  const source = { name, type, shape, nWeights: 40, offset: 0, bytes: 80, sourceIndex: 0 };
  const importance = name.startsWith("blk") ? new Float32Array(4) : undefined;
  return { tensor: { source, type, wanted: undefined, importance, bytes: 80 }, energy, types: [] };
}

describe("streamShares", () => {
  const tensors = [
    measured("token_embd.weight", 20), // 2 for a token
    measured("blk.10.ffn_down.weight", 12), // comes last, whatever the order here
    measured("blk.2.attn_output.weight", 2),
    measured("blk.2.ffn_down_exps.weight", 32, [4, 10, 8]), // 4 for an expert
    measured("blk.2.attn_q.weight", 99),
    measured("blk.2.attn_v.weight", 99),
    measured("blk.2.ffn_up_exps.weight", 99),
    measured("blk.3.ssm_in.weight", 99),
  ];

  it("prices noise by its share of the stream where it enters", () => {
    const shares = streamShares(tensors);
    expect(shares.get("blk.2.attn_output.weight")).toBe(2 / 4);
    expect(shares.get("blk.2.ffn_down_exps.weight")).toBe(4 / 8);
    expect(shares.get("blk.10.ffn_down.weight")).toBe(12 / 20);
  });

  it("prices what feeds a writer by the writer", () => {
    const shares = streamShares(tensors);
    expect(shares.get("blk.2.attn_v.weight")).toBe(0.5);
    expect(shares.get("blk.2.attn_q.weight")).toBe(0.25);
    expect(shares.get("blk.2.ffn_up_exps.weight")).toBe(0.25);
    // no writer is known: as much as the others on average
    expect(shares.get("blk.3.ssm_in.weight")).toBeCloseTo((0.5 * (0.5 + 0.5 + 0.6)) / 3, 12);
  });

  it("prices the output above all", () => {
    expect(streamShares(tensors).get("token_embd.weight")).toBe(5);
    const untied = streamShares([...tensors, measured("output.weight", 1)]);
    expect(untied.get("token_embd.weight")).toBe(1);
    expect(untied.get("output.weight")).toBe(4);
  });
});
