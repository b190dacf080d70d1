// Every type, build and tile against the slow product, bit for bit, at odd sizes; and the activation quantiser.

import { describe, expect, it } from "vitest";
import { f16ToF32 } from "../../reference/dequantize.ts";
import { blockTypes, randomActivations, randomRows } from "../quants/blocks.ts";
import { Kernels, builds } from "./kernels.ts";
import { multiply } from "./reference.ts";

/** Row lengths that a type allows: one block, several, and for block types of 32 no multiple of 256. */
const lengths: Record<number, number[]> = {
  1: [1, 3, 7, 32, 259],
  32: [32, 96, 256, 288],
  64: [64, 192, 320],
  128: [128, 384],
  256: [256, 768],
};

for (const build of builds) {
  describe(build, async () => {
    const kernels = await Kernels.create(build);
    const T = (type: number): number => kernels.call.tileColumns!(kernels.call.packFormat!(type));

    for (const type of blockTypes) {
      it(`${type.name}: one column and tiles give the slow product's bits`, () => {
        for (const k of lengths[type.weights]!) {
          for (const nRows of [1, 3, 4, 5, 17, 36]) {
            kernels.reset();
            const rows = randomRows(type, nRows, k, 1000 * nRows + k);
            const x = randomActivations(5 * k, 7 * k + nRows);
            const w = kernels.repack(type.id, rows, nRows, k);
            const expected = multiply(type, rows, nRows, k, x);
            expect(kernels.multiply(type.id, w, nRows, k, x, 1)).toEqual(expected);
            expect(kernels.multiply(type.id, w, nRows, k, x, T(type.id))).toEqual(expected);
          }
        }
      });

      it(`${type.name}: tiles together give what they give apart`, () => {
        // more blocks and groups than a part holds
        const k = type.weights === 1 ? 1030 : 10 * 256,
          nRows = 21,
          nTiles = 16, // quants/types.txt, least
          columns = T(type.id);
        kernels.reset();
        const { call } = kernels;
        const w = kernels.repack(type.id, randomRows(type, nRows, k, 17), nRows, k);
        const x = randomActivations(nTiles * columns * k, 19),
          from = kernels.floats(x);
        const format = call.packFormat!(type.id),
          tileBytes = call.packTileBytes!(format, columns, k);
        const tiles = kernels.allocate(nTiles * tileBytes),
          scratch = kernels.allocate(call.scratchBytes!());
        for (let t = 0; t < nTiles; t++) {
          call.packTile!(
            format,
            columns,
            from + t * columns * k * 4,
            4 * k,
            columns,
            k,
            0,
            call.packUnits!(format, k),
            tiles + t * tileBytes,
          );
        }
        const stride = 96,
          out = kernels.allocate(nTiles * columns * stride);
        call.matmulTiles!(
          type.id,
          6,
          w,
          call.groupBytes!(type.id, k),
          tiles,
          tileBytes,
          nTiles,
          k,
          columns,
          out,
          stride,
          scratch,
        );
        const apart = kernels.multiply(type.id, w, nRows, k, x, 1);
        for (let c = 0; c < nTiles * columns; c++) {
          expect(kernels.f32(out + c * stride, nRows)).toEqual(
            apart.subarray(c * nRows, (c + 1) * nRows),
          );
        }
      });

      it(`${type.name}: extreme codes do not overflow`, () => {
        const k = type.weights === 1 ? 32 : 2 * type.weights;
        for (const fill of [0x00, 0x7f, 0x80, 0xff]) {
          kernels.reset();
          const rows = randomRows(type, 4, k, 5);
          if (type.decode) {
            rows.forEach((_, i) => {
              const meta = type.rowMeta ?? 0,
                inRow = i % (rows.length / 4);
              if (inRow < meta) return;
              const offset = (inRow - meta) % type.bytes;
              if (!type.halves.some((o) => offset === o || offset === o + 1)) rows[i] = fill;
            });
            const v = new DataView(rows.buffer);
            if (type.tame)
              for (let o = 0; o < rows.length; o += type.bytes) type.tame(v, o, () => fill);
          }
          const w = kernels.repack(type.id, rows, 4, k);
          // all elements at the limit: every product of a step has the largest magnitude and one sign
          for (const x of [new Float32Array(k).fill(1), new Float32Array(k).fill(-1)]) {
            const expected = multiply(type, rows, 4, k, x);
            expect(kernels.multiply(type.id, w, 4, k, x, 1)).toEqual(expected);
            expect(kernels.multiply(type.id, w, 4, k, x, T(type.id))).toEqual(expected);
          }
        }
      });

      it(`${type.name}: a NaN or an infinity in the activations reaches every output`, () => {
        const k = type.weights === 1 ? 32 : 2 * type.weights;
        for (const bad of [NaN, Infinity, -Infinity]) {
          kernels.reset();
          const w = kernels.repack(type.id, randomRows(type, 4, k, 3), 4, k);
          const x = randomActivations(2 * k, 11);
          x[k + 5] = bad;
          for (const columns of [1, T(type.id)]) {
            const y = kernels.multiply(type.id, w, 4, k, x, columns);
            expect(y.subarray(0, 4).every(Number.isFinite)).toBe(true);
            expect(y.subarray(4).some(Number.isFinite)).toBe(false);
          }
        }
      });

      it(`${type.name}: a packing in parts is the packing`, () => {
        const k = type.weights === 1 ? 777 : 1024 + type.weights;
        const format = kernels.call.packFormat!(type.id);
        const units = kernels.call.packUnits!(format, k);
        for (const columns of [1, T(type.id)]) {
          kernels.reset();
          const x = kernels.floats(randomActivations(columns * k, 13));
          const bytes = kernels.call.packTileBytes!(format, columns, k);
          const whole = kernels.allocate(bytes),
            parts = kernels.allocate(bytes);
          kernels.call.packTile!(format, columns, x, 4 * k, columns, k, 0, units, whole);
          for (let u = units - 1; u >= 0; u--) {
            kernels.call.packTile!(format, columns, x, 4 * k, columns, k, u, u + 1, parts);
          }
          expect(kernels.u8(parts, bytes)).toEqual(kernels.u8(whole, bytes));
        }
      });
    }

    it.each(blockTypes)(
      "$name: interleaving fills a group and writes nothing beyond it",
      (type) => {
        const k = 2 * type.weights;
        for (const nRows of [1, 4]) {
          kernels.reset();
          const rows = randomRows(type, nRows, k, 17);
          const source = kernels.bytes(rows);
          const bytes = kernels.call.groupBytes!(type.id, k);
          const found = [0x55, 0xaa].map((fill) => {
            const group = kernels.allocate(bytes + 64, fill);
            kernels.call.repackGroup!(type.id, source, rows.length / nRows, nRows, k, group);
            expect(kernels.u8(group + bytes, 64).every((byte) => byte === fill)).toBe(true);
            return kernels.u8(group, bytes).slice();
          });
          expect(found[0]).toEqual(found[1]);
        }
      },
    );

    it("F16: any weight, and activations too large for their multiples by powers of two", () => {
      const type = blockTypes.find((t) => t.name === "F16")!;
      // 128 and more, the smallest subnormals, zeros, infinities: each in a group of four rows among ordinary ones
      const strange = [0x5800, 0xd7ff, 0x0001, 0x83ff, 0x8000, 0x7bff, 0x7c00, 0xfc00];
      for (const k of [8, 259]) {
        const rows = randomRows(type, 20, k, k),
          halves = new Uint16Array(rows.buffer, rows.byteOffset, 20 * k);
        for (let row = 0; row < 16; row++) halves[row * k + ((7 * row) % k)] = strange[row % 8]!;
        const w = (kernels.reset(), kernels.repack(type.id, rows, 20, k));
        for (const size of [1, 2 ** 25, 2 ** 26, 2 ** 100, 2 ** -126, 2 ** -149]) {
          const x = randomActivations(5 * k, 3);
          x[2] = Math.fround(1.5 * size);
          x[k - 1] = -size;
          const expected = multiply(type, rows, 20, k, x);
          expect(kernels.multiply(type.id, w, 20, k, x, 1)).toEqual(expected);
          expect(kernels.multiply(type.id, w, 20, k, x, T(type.id))).toEqual(expected);
        }
        for (let row = 0; row < 20; row++)
          expect(kernels.dequantize(type.id, w, row, k)).toEqual(
            Float32Array.from(halves.subarray(row * k, row * k + k), f16ToF32),
          );
      }
    });

    const coded = blockTypes.filter((type) => kernels.call.fastType!(type.id) !== type.id);

    it("keeps the types as codes that have at most 16 values of 7 bits", () => {
      expect(coded.map((type) => type.name).toSorted()).toEqual(
        // prettier-ignore
        ["IQ1_M", "IQ1_M_R4", "IQ1_S", "IQ2_K", "IQ2_KL", "IQ2_KS", "IQ2_S", "IQ2_XS", "IQ2_XXS", "IQ3_K", "IQ3_KS", "IQ3_S", "IQ3_XXS"],
      );
    });

    it.each(coded)(
      "$name as codes: the same products, rows and nothing beyond the group",
      (type) => {
        const k = 768,
          fast = kernels.call.fastType!(type.id);
        for (const nRows of [1, 4, 7, 17]) {
          kernels.reset();
          const rows = randomRows(type, nRows, k, 100 + nRows);
          const x = randomActivations(9 * k, nRows);
          const compact = kernels.repack(type.id, rows, nRows, k),
            codes = kernels.repack(fast, rows, nRows, k);
          const expected = kernels.multiply(type.id, compact, nRows, k, x, 1);
          for (const columns of [1, T(type.id)])
            expect(kernels.multiply(fast, codes, nRows, k, x, columns)).toEqual(expected);
          for (let row = 0; row < nRows; row++) {
            expect(kernels.dequantize(fast, codes, row, k)).toEqual(
              kernels.dequantize(type.id, compact, row, k),
            );
          }
          // allocate fills with 0xff: what lies behind the last group is untouched
          const end = codes + Math.ceil(nRows / 4) * kernels.call.groupBytes!(fast, k);
          expect(kernels.u8(end, 16).every((byte) => byte === 0xff)).toBe(true);
        }
      },
    );

    it("rounds activations to nearest, ties to even", () => {
      // d = 1: the elements themselves are rounded. A Q8_0 row with a single 1 reads one of them.
      const ties = [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 126.5, -126.5, 0.49999997, 0.50000006];
      const x = new Float32Array(32);
      x.set(ties, 1);
      x[0] = 127;
      const rounded = ties.map((_, i) => {
        kernels.reset();
        const row = new Uint8Array(34);
        row.set([0x00, 0x3c]); // d = 1
        row[2 + 1 + i] = 1;
        return kernels.multiply(8, kernels.repack(8, row, 1, 32), 1, 32, x, 1)[0]! + 0;
      });
      expect(rounded).toEqual([0, 2, 2, 0, -2, -2, 126, -126, 0, 1]);
    });

    it("packs tiny and zero blocks as zeros", () => {
      // 1 / (1e-38 / 127) overflows
      for (const value of [0, 1e-38, -1e-45]) {
        kernels.reset();
        const w = kernels.repack(
          8,
          randomRows(
            blockTypes.find((t) => t.id === 8)!,
            4,
            32,
            3,
          ),
          4,
          32,
        );
        const y = kernels.multiply(8, w, 4, 32, new Float32Array(32).fill(value), 1);
        expect([...y].map((v) => v + 0)).toEqual([0, 0, 0, 0]);
      }
    });
  });
}
