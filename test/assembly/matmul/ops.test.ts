// The plan's matrix instructions, laid out by hand, against the slow product.

import { describe, expect, it } from "vitest";
import {
  Batch,
  EmbedIndex,
  EmbedWord,
  ExpertMatmulWord,
  Instruction,
  Limit,
  MatmulWord,
  PackRowsWord,
  PackWord,
  Word,
} from "../../../assembly/abi.ts";
import { dequantize } from "../../reference/dequantize.ts";
import { blockTypes, randomActivations, randomRows } from "../quants/blocks.ts";
import { Kernels, builds } from "./kernels.ts";
import { multiply } from "./reference.ts";

const q4 = blockTypes.find((type) => type.name === "Q4_0")!;
const iq2 = blockTypes.find((type) => type.name === "IQ2_XS")!;

/** Executes one op on instruction words {index: value}, as `nThreads` threads' share of the work. */
function execute(kernels: Kernels, op: string, words: Record<number, number>, nThreads = 2): void {
  const { call } = kernels;
  const ins = kernels.allocate(Instruction.bytes, 0);
  for (const [index, value] of Object.entries(words))
    kernels.u32(ins, Instruction.words)[Number(index)] = value;
  call.enterRun!(batchOf(kernels), kernels.allocate(Limit.scratchBytes), 0, nThreads);
  call.enterInstruction!(kernels.allocate(4, 0));
  call[op]!(ins);
}

const batches = new WeakMap<Kernels, number>();
function batchOf(kernels: Kernels): number {
  return batches.get(kernels) ?? 0;
}

/** A batch with the given tokens and positions and one input row. */
function setBatch(
  kernels: Kernels,
  tokens: number[],
  positions: number[],
  inputRows: Float32Array,
): void {
  const batch = kernels.allocate(Batch.bytes, 0);
  const words = kernels.u32(batch, Batch.bytes / 4);
  words[Batch.nTokens >> 2] = tokens.length;
  words[Batch.tokens >> 2] = kernels.words(tokens);
  words[Batch.positions >> 2] = kernels.words(positions.flatMap((p) => [p, 999, 999, 999]));
  words[Batch.inputRows >> 2] = kernels.floats(inputRows);
  batches.set(kernels, batch);
}

for (const build of builds) {
  describe(build, async () => {
    const kernels = await Kernels.create(build);
    const { call } = kernels;
    const tileWords = (
      type: number,
      k: number,
    ): { format: number; T: number; bytes1: number; bytes: number } => {
      const format = call.packFormat!(type),
        T = call.tileColumns!(format);
      return {
        format,
        T,
        bytes1: call.packTileBytes!(format, 1, k),
        bytes: call.packTileBytes!(format, T, k),
      };
    };

    it.each(blockTypes)("pack and matmul: $name", (type) => {
      const k = 512,
        nRows = 130;
      const rows = randomRows(type, nRows, k, 21);
      for (const n of [1, 2, 9]) {
        kernels.reset();
        const w = kernels.repack(type.id, rows, nRows, k);
        const data = randomActivations(n * k, n);
        // 16 bytes lie between the rows of x, and rows are a multiple of 8
        const stride = k * 4 + 16,
          outStride = 132 * 4 + 32;
        const x = kernels.allocate(16 * stride),
          out = kernels.allocate(16 * outStride);
        for (let r = 0; r < n; r++)
          kernels.f32(x + r * stride, k).set(data.subarray(r * k, r * k + k));
        const { format, T, bytes1, bytes } = tileWords(type.id, k);
        const packed = kernels.allocate(Math.ceil(n / T) * bytes + bytes1);
        execute(kernels, "pack", {
          [Word.rows]: n,
          [Word.dst]: packed,
          [Word.a]: x,
          [Word.aStride]: stride,
          [Word.width]: k,
          [PackWord.format]: format,
          [PackWord.tileBytes1]: bytes1,
          [PackWord.tileBytes]: bytes,
          [PackWord.tileColumns]: T,
        });
        execute(kernels, "matmul", {
          [Word.rows]: n,
          [Word.dst]: out,
          [Word.dstStride]: outStride,
          [Word.a]: packed,
          [Word.width]: k,
          [MatmulWord.type]: type.id,
          [MatmulWord.weight]: w,
          [MatmulWord.groupBytes]: call.groupBytes!(type.id, k),
          [MatmulWord.nGroups]: 33,
          [MatmulWord.tileBytes1]: bytes1,
          [MatmulWord.tileBytes]: bytes,
          [MatmulWord.tileColumns]: T,
        });
        const expected = multiply(type, rows, nRows, k, data);
        for (let r = 0; r < n; r++) {
          expect(kernels.f32(out + r * outStride, nRows)).toEqual(
            expected.subarray(r * nRows, (r + 1) * nRows),
          );
        }
      }
    });

    it("embed: tokens, input rows, positions and the first row", () => {
      kernels.reset();
      const k = 64,
        nRows = 6;
      const rows = randomRows(q4, nRows, k, 5);
      const values = dequantize("Q4_0", rows, nRows * k);
      const row = (r: number): Float32Array => values.subarray(r * k, r * k + k);
      const w = kernels.repack(q4.id, rows, nRows, k);
      const input = randomActivations(3 * k, 8);
      setBatch(kernels, [5, 0xffffffff, 2], [1, 4, 0], input);
      const stride = k * 4 + 16;
      const embedded = (index: EmbedIndex): Float32Array[] => {
        const out = kernels.allocate(8 * stride);
        execute(kernels, "embed", {
          [Word.rows]: 3,
          [Word.dst]: out,
          [Word.dstStride]: stride,
          [Word.width]: k,
          [EmbedWord.type]: q4.id,
          [EmbedWord.groupBytes]: call.groupBytes!(q4.id, k),
          [EmbedWord.index]: index,
          [EmbedWord.nRows]: nRows,
          [EmbedWord.weight]: w,
        });
        return [0, 1, 2].map((r) => kernels.f32(out + r * stride, k).slice());
      };
      expect(embedded(EmbedIndex.token)).toEqual([row(5), input.slice(k, 2 * k), row(2)]);
      expect(embedded(EmbedIndex.position)).toEqual([row(1), row(4), row(0)]);
      expect(embedded(EmbedIndex.zero)).toEqual([row(0), row(0), row(0)]);
      expect(embedded(EmbedIndex.tokenOrZero)).toEqual([row(5), row(0), row(2)]);
      setBatch(kernels, [6, 0, 0], [0, 0, 0], input);
      expect(() => embedded(EmbedIndex.token)).toThrow();
    });

    // many: more tiles of an expert than one piece takes, of a type that is unpacked first
    it.each([
      { columns: 1, type: q4, k: 96, nRows: 3 },
      { columns: 4, type: q4, k: 96, nRows: 3 },
      { columns: 1, type: iq2, k: 512, nRows: 12 },
      { columns: 4, type: iq2, k: 512, nRows: 40 },
    ])("expert matmul: $nRows rows in tiles of $columns, $type.name", (given) => {
      const { columns, type, k, nRows } = given;
      const M = 40,
        nUsed = 2,
        NONE = 0xffffffff;
      // pair = row * 2 + slot, grouped by expert: the first has more than half of them
      const byExpert: number[][] = [[], [], []];
      for (let pair = 0; pair < nRows * nUsed; pair++)
        byExpert[pair % 5 === 0 ? 2 : pair % 5 === 3 ? 1 : 0]!.push(pair);
      const experts = byExpert.map((_, e) => randomRows(type, M, k, 70 + e));
      for (const perSlot of [0, 1]) {
        kernels.reset();
        const expertBytes = (M / 4) * call.groupBytes!(type.id, k);
        const weight = kernels.allocate(3 * expertBytes);
        experts.forEach((rows, e) => {
          const one = kernels.repack(type.id, rows, M, k);
          kernels.u8(weight + e * expertBytes, expertBytes).set(kernels.u8(one, expertBytes));
        });
        const width = perSlot ? nUsed * k : k;
        const data = randomActivations(nRows * width, 31);
        const stride = width * 4 + 16;
        const x = kernels.allocate((nRows + 8) * stride);
        for (let r = 0; r < nRows; r++)
          kernels.f32(x + r * stride, width).set(data.subarray(r * width, (r + 1) * width));
        const tiles = byExpert.flatMap((pairs, e) =>
          Array.from({ length: Math.ceil(pairs.length / columns) }, (_, t) => ({
            e,
            pairs: Array.from({ length: columns }, (_, c) => pairs[t * columns + c] ?? NONE),
          })),
        );
        const maxTiles = tiles.length + 2;
        const list = kernels.words([
          tiles.length,
          columns,
          ...tiles.map((t) => t.e),
          ...Array<number>(maxTiles - tiles.length).fill(99),
          ...tiles.flatMap((t) => t.pairs),
        ]);
        const { format, bytes1, bytes } = tileWords(type.id, k);
        const packed = kernels.allocate(maxTiles * bytes);
        execute(kernels, "packRows", {
          [Word.dst]: packed,
          [Word.a]: x,
          [Word.aStride]: stride,
          [Word.width]: k,
          [PackRowsWord.format]: format,
          [PackRowsWord.tileBytes1]: bytes1,
          [PackRowsWord.tileBytes]: bytes,
          [PackRowsWord.list]: list,
          [PackRowsWord.maxTiles]: maxTiles,
          [PackRowsWord.nUsed]: nUsed,
          [PackRowsWord.perSlot]: perSlot,
        });
        const outStride = nUsed * M * 4 + 32;
        const out = kernels.allocate((nRows + 8) * outStride);
        execute(kernels, "expertMatmul", {
          [Word.dst]: out,
          [Word.dstStride]: outStride,
          [Word.a]: packed,
          [Word.width]: k,
          [ExpertMatmulWord.type]: type.id,
          [ExpertMatmulWord.weight]: weight,
          [ExpertMatmulWord.groupBytes]: call.groupBytes!(type.id, k),
          [ExpertMatmulWord.nGroups]: M / 4,
          [ExpertMatmulWord.tileBytes1]: bytes1,
          [ExpertMatmulWord.tileBytes]: bytes,
          [ExpertMatmulWord.list]: list,
          [ExpertMatmulWord.maxTiles]: maxTiles,
          [ExpertMatmulWord.nUsed]: nUsed,
          [ExpertMatmulWord.expertBytes]: expertBytes,
        });
        byExpert.forEach((pairs, e) => {
          for (const pair of pairs) {
            const row = Math.floor(pair / nUsed),
              slot = pair % nUsed;
            const at = row * width + (perSlot ? slot * k : 0);
            const expected = multiply(type, experts[e]!, M, k, data.slice(at, at + k));
            expect(kernels.f32(out + row * outStride + slot * M * 4, M), `pair ${pair}`).toEqual(
              expected,
            );
          }
        });
      }
    });
  });
}
