// ik_llama.cpp's interleaved types and I2_S against its own bytes: rows put apart are those of the base type, bit for bit,
// and values are those of its decoder. What the loader does with them: weights.test.ts.

import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { GGML_TYPES, rowBytes, typeByName } from "../../../formats/types.ts";
import { plainRows, plainType } from "../../../src/interleaved/index.ts";
import { LAYOUTS } from "../../../src/interleaved/layouts.ts";
import type { Move } from "../../../src/interleaved/moves.ts";
import { MoveKind } from "../../../src/memory/abi.generated.ts";
import type * as Quants from "../../../src/quants.ts";
import { builds, Kernels } from "../../assembly/matmul/kernels.ts";
import { f32Of, hasShared, loadVectors, SHARED, type Section } from "../../reference/vectors.ts";

const { dequantize } = (await import(
  new URL("../../../dist/src/quants.js", import.meta.url).href
)) as typeof Quants;
const fixtures = fileURLToPath(new URL("../../fixtures/quants/", import.meta.url));
const shared = hasShared("quants/ik");
const kernelsOfBuilds: [string, Kernels][] = [];
for (const build of builds) kernelsOfBuilds.push([build, await Kernels.create(build)]);
const TYPES = GGML_TYPES.filter((t) => t.rowsInterleaved > 1 || t.tensorTailBytes > 0);

/** What the vectors have of a type: its bytes, and either rows of the base type or values. */
const CASES = [
  ["q", "base_q", "dq"],
  ["qi", "base_qi", "dqi"],
  ["rnd_q", "rnd_base_q", "rnd_dq"],
] as const;

interface Case {
  readonly bytes: Uint8Array;
  readonly nRows: number;
  readonly k: number;
  readonly base?: Uint8Array;
  readonly values?: Float32Array;
}

function casesOf(folder: string, name: string): Case[] {
  const vectors = loadVectors(folder + name),
    plain = plainType(typeByName(name));
  const cases: Case[] = [];
  for (const [q, base, dq] of CASES) {
    const bytes = vectors.get(q)?.bytes;
    if (!bytes) continue;
    const values = vectors.get(dq),
      rows = vectors.get(base);
    const [nRows, k] = values ? shapeOf(values) : rowsOf(rows!, plain);
    cases.push({
      bytes,
      nRows,
      k,
      ...(values ? { values: f32Of(values) } : { base: rows!.bytes }),
    });
  }
  return cases;
}

const shapeOf = ({ shape }: Section): [number, number] =>
  shape.length === 1 ? [1, shape[0]!] : [shape[0]!, shape[1]!];
const rowsOf = (
  { shape }: Section,
  { rowMetaBytes, typeSize, blockSize }: ReturnType<typeof typeByName>,
): [number, number] => [shape[0]!, ((shape[1]! - rowMetaBytes) / typeSize) * blockSize];

describe("types", () => {
  it("all have a layout, and nothing else has", () => {
    expect(TYPES.length).toBe(31);
    expect(Object.keys(LAYOUTS).toSorted()).toEqual(TYPES.map((t) => t.name).toSorted());
  });

  it("plain ones stay what they are", () => {
    for (const type of GGML_TYPES.filter((t) => !TYPES.includes(t))) {
      expect(plainType(type)).toBe(type);
      expect(plainRows(type, type.blockSize)).toBeUndefined();
    }
  });

  it.each(TYPES)("$name takes as many bits as its plain rows have, but for its scales", (type) => {
    const k = 2048,
      plain = plainType(type),
      { rows, bundleBytes, rowBytes: plainBytes } = plainRows(type, k)!;
    expect(bundleBytes).toBe(rows * rowBytes(type, k));
    expect(plainBytes).toBe(rowBytes(plain, k));
  });
});

/** Bits that a move sets in a block of one row. */
function targets(move: Move): number[] {
  const { kind, mask, to, left = 0 } = move;
  const bits = [...Array(32).keys()].filter((i) => (mask >>> i) & 1);
  return kind === MoveKind.sum ? [] : bits.map((bit) => 8 * to + bit + left);
}

describe.each(TYPES)("$name", (type) => {
  const { weights, moves, scales = [] } = LAYOUTS[type.name]!,
    plain = plainType(type);

  it("sets every bit of a block once", () => {
    const nBits = ((weights ?? plain.blockSize) / plain.blockSize) * plain.typeSize * 8;
    expect(moves.flatMap(targets).toSorted((a, b) => a - b)).toEqual([...Array(nBits).keys()]);
    const nScaleBits = plain.rowMetaBytes === 8 ? 32 : plain.rowMetaBytes * 8;
    expect(scales.flatMap(targets)).toEqual([...Array(nScaleBits).keys()]);
  });

  const places = shared ? [fixtures, `${SHARED}quants/ik/`] : [fixtures];

  it.each(kernelsOfBuilds)("has the base type's rows: %s", (_, kernels) => {
    for (const folder of places) {
      for (const { bytes, nRows, k, base } of casesOf(folder, type.name)) {
        if (!base) continue;
        kernels.reset();
        expect(kernels.plainRows(type.name, bytes, nRows, k)).toEqual(base);
      }
    }
  });

  it("has ik_llama.cpp's values", async () => {
    for (const folder of places) {
      const cases = casesOf(folder, type.name);
      expect(cases.length).toBeGreaterThan(0);
      for (const { bytes, nRows, k, base, values } of cases) {
        const n = nRows * k,
          expected = values ?? (await dequantize(plain.name, base!, n, { nPerRow: k }));
        const found = await dequantize(type.name, bytes, n, { nPerRow: k });
        // + 0: -0 and 0 count as equal
        expect(found.map((v) => v + 0)).toEqual(expected.map((v) => v + 0));
      }
    }
  });
});

describe("rows that cannot be put apart", () => {
  it.each([
    ["IQ1_S_R4", 288, "IQ1_S_R4 rows of a multiple of 256 weights", "IQ4_NL"],
    ["IQ1_M_R4", 32, "IQ1_M_R4 rows of a multiple of 256 weights", "IQ4_NL"],
    ["BF16_R16", 7, "BF16_R16 rows of a multiple of 2 weights", "BF16"],
  ] as const)("%s of %i weights", (name, k, expected, remedy) => {
    let error: unknown;
    try {
      plainRows(typeByName(name), k, "blk.0.ffn_down.weight");
    } catch (e) {
      error = e;
    }
    expect(error).toMatchObject({
      name: "GgufError",
      subject: "blk.0.ffn_down.weight",
      expected,
      found: String(k),
      remedy: expect.stringContaining(remedy),
    });
  });
});
