// Interleaving and reading back against ggml's own bytes and values: the committed slice, and all of
// ../shared/reference/quants where it is there.

import { describe, expect, it } from "vitest";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { GRIDS, gridEntries } from "../../../assembly/quants/tables/grids.mjs";
import { SHARED, type Section, f32Of, hasShared, loadVectors } from "../../reference/vectors.ts";
import { Kernels, builds } from "../matmul/kernels.ts";
import { type BlockType, blockTypes } from "./blocks.ts";
import { ikTypes } from "./ik-blocks.ts";

const fixtures = fileURLToPath(new URL("../../fixtures/quants/", import.meta.url));
const shared = hasShared("quants");
/** Codes and values come in pairs: without importance weights, with them, random bytes. */
const pairs = [
  ["q", "dq"],
  ["qi", "dqi"],
  ["rnd_q", "rnd_dq"],
] as const;
const named = blockTypes.filter((type) => type.name !== "F32");

/** The vectors' folder. */
const sharedOf = (type: BlockType): string =>
  `${SHARED}quants/${ikTypes.includes(type) ? "ik" : "ggml"}/`;

describe("reading back", async () => {
  const kernels = await Kernels.create("base");

  function check(folder: string, type: BlockType): number {
    const sections = loadVectors(folder + type.name);
    let rows = 0;
    for (const [codes, values] of pairs) {
      const q = sections.get(codes),
        dq = sections.get(values);
      if (!q || !dq) continue;
      const [nRows, k] = dq.shape as [number, number];
      kernels.reset();
      const w = kernels.repack(type.id, kernels.plainRows(type.name, q.bytes, nRows, k), nRows, k);
      const expected = f32Of(dq);
      for (let r = 0; r < nRows; r++) {
        // + 0: the formula's -0 and the reference's 0 count as equal
        const found = kernels.dequantize(type.id, w, r, k).map((v) => v + 0);
        expect(found, `${codes} row ${r}`).toEqual(
          expected.subarray(r * k, r * k + k).map((v) => v + 0),
        );
        rows++;
      }
    }
    return rows;
  }

  for (const type of named) {
    it(`${type.name}: committed slice`, () => expect(check(fixtures, type)).toBeGreaterThan(0));
    it.skipIf(!shared)(`${type.name}: all vectors`, () => {
      expect(check(sharedOf(type), type)).toBeGreaterThanOrEqual(8);
    });
  }
});

for (const build of builds) {
  describe(`products on ggml's activations, ${build}`, async () => {
    const kernels = await Kernels.create(build);
    const input = shared ? loadVectors(`${SHARED}quants/input`) : new Map<string, Section>();

    for (const type of named) {
      it.skipIf(!shared)(`${type.name} agrees with the f64 product`, () => {
        // Our quantiser gives back ggml's codes from their values: amax is 127 d. (Q8_K's d may be negative and its
        // last bit may differ; codes change sign with it.)
        const section = { 1: "act", 32: "act_Q8_0_deq", 256: "act_Q8_K_deq" }[
          type.activations ?? type.weights
        ];
        const y = f32Of(input.get(section!)!);
        const k = 1024,
          nColumns = 4,
          nRows = 8;
        const sections = loadVectors(sharedOf(type) + type.name);
        for (const [codes, values] of pairs.slice(0, 2)) {
          // dqk: the values of the source's products, where its decoder has others
          const q = sections.get(codes),
            dq = (codes === "q" && sections.get("dqk")) || sections.get(values);
          if (!q || !dq || (codes === "qi" && sections.has("dqk"))) continue;
          kernels.reset();
          const weights = f32Of(dq);
          const rows = kernels.plainRows(type.name, q.bytes, nRows, k);
          const w = kernels.repack(type.id, rows, nRows, k);
          const found = kernels.multiply(type.id, w, nRows, k, y, 1);
          for (let c = 0; c < nColumns; c++) {
            for (let r = 0; r < nRows; r++) {
              let product = 0,
                row = 0,
                column = 0;
              for (let e = 0; e < k; e++) {
                const a = weights[r * k + e]!,
                  b = y[c * k + e]!;
                product += a * b;
                row += a * a;
                column += b * b;
              }
              // 1e-6 of the norms: the vectors' own measure of a sound order of summation
              const bound = 1e-6 * Math.sqrt(row * column);
              expect(
                Math.abs(found[c * nRows + r]! - product),
                `row ${r} column ${c}`,
              ).toBeLessThanOrEqual(bound);
            }
          }
        }
      });
    }
  });
}

describe.skipIf(!shared)("grids", () => {
  it.each(Object.keys(GRIDS) as (keyof typeof GRIDS)[])("%s is ggml's", (name) => {
    const file = `${SHARED}quants/tables/${name}_grid.json`;
    expect(gridEntries(name)).toEqual(JSON.parse(readFileSync(file, "utf8")));
  });
});
