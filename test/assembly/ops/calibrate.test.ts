import { afterAll, beforeAll, expect, it } from "vitest";
import { SumSquaresWord, Word } from "../../../assembly/abi.ts";
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
