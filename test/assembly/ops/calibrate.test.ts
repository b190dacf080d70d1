import { afterAll, beforeAll, expect, it } from "vitest";
import { ExpertSumSquaresWord, SumSquaresWord, Word } from "../../../assembly/abi.ts";
import { expectSameBits, Machine, randoms } from "./machine.ts";

let machine: Machine;
beforeAll(async () => {
  machine = await Machine.create();
});
afterAll(() => machine.close());

it("sumSquares adds rows in order, the same for any cut into batches, and counts them", () => {
  const f = Math.fround;
  for (const width of [1, 5, 64, 66, 200, 203]) {
    for (const batches of [[13], [1, 5, 7]]) {
      for (const threads of [1, 3]) {
        machine.reset();
        const x = randoms(13 * width, width),
          a = machine.tensor(13, width, x, 4);
        const dst = machine.tensor(1, width, new Float32Array(width)),
          count = machine.words([2]);
        let first = 0;
        for (const rows of batches) {
          machine.run(
            "sumSquares",
            {
              [Word.rows]: rows,
              [Word.width]: width,
              [Word.dst]: dst.address,
              [Word.a]: a.address + first * a.stride,
              [Word.aStride]: a.stride,
              [SumSquaresWord.count]: count,
            },
            {},
            threads,
          );
          first += rows;
        }
        const expected = new Float32Array(width);
        x.forEach((v, i) => (expected[i % width] = f(expected[i % width]! + f(v * v))));
        expectSameBits(machine.read(dst), expected);
        expect(machine.u32(count, 1)[0]).toBe(15);
      }
    }
  }
});

it("expertSumSquares adds every row to the experts it chose, and counts them", () => {
  const f = Math.fround,
    rows = 9,
    nExpert = 5,
    nUsed = 2;
  const chosen = Array.from({ length: rows }, (_, r) => [r % 4, 3 - ((r + 1) % 3)]); // expert 4 never
  for (const width of [5, 64, 200]) {
    for (const perSlot of [0, 1]) {
      for (const threads of [1, 3]) {
        machine.reset();
        const inputWidth = width * (perSlot ? nUsed : 1);
        const x = randoms(rows * inputWidth, width),
          a = machine.tensor(rows, inputWidth, x, 4);
        const dst = machine.tensor(nExpert, width, new Float32Array(nExpert * width)),
          counts = machine.words([1, 0, 0, 0, 0]);
        const ids = machine.words(chosen.flat());
        machine.run(
          "expertSumSquares",
          {
            [Word.rows]: rows,
            [Word.width]: width,
            [Word.dst]: dst.address,
            [Word.dstStride]: dst.stride,
            [Word.a]: a.address,
            [Word.aStride]: a.stride,
            [ExpertSumSquaresWord.counts]: counts,
            [ExpertSumSquaresWord.ids]: ids,
            [ExpertSumSquaresWord.idsStride]: nUsed * 4,
            [ExpertSumSquaresWord.nUsed]: nUsed,
            [ExpertSumSquaresWord.perSlot]: perSlot,
          },
          {},
          threads,
        );
        const expected = new Float32Array(nExpert * width),
          expectedCounts = [1, 0, 0, 0, 0];
        chosen.forEach((experts, r) =>
          experts.forEach((expert, slot) => {
            expectedCounts[expert]++;
            for (let c = 0; c < width; c++) {
              const v = x[r * inputWidth + perSlot * slot * width + c],
                i = expert * width + c;
              expected[i] = f(expected[i] + f(v * v));
            }
          }),
        );
        expectSameBits(machine.read(dst), expected);
        expect(Array.from(machine.u32(counts, nExpert))).toEqual(expectedCounts);
      }
    }
  }
});
