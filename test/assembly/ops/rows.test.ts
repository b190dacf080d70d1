import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { GatherWord, RowsKind, Word } from "../../../assembly/abi.ts";
import { expectSameBits, Machine, randoms } from "./machine.ts";

let machine: Machine;
beforeAll(async () => {
  machine = await Machine.create();
});
afterAll(() => machine.close());
beforeEach(() => machine.reset());

const pick = (x: Float32Array, width: number, rows: readonly number[]): Float32Array =>
  Float32Array.from(rows.flatMap((r) => [...x.slice(r * width, (r + 1) * width)]));

describe("gatherRows and scatterRows", () => {
  for (const width of [1, 6, 64, 4099]) {
    it(`width ${width}`, () => {
      const x = randoms(6 * width, 1),
        a = machine.tensor(6, width, x, 4),
        list = [5, 0, 0, 3];
      const words = { [Word.a]: a.address, [Word.aStride]: a.stride };
      const gathered = machine.tensor(4, width, undefined, 8);
      const found = machine.result("gatherRows", gathered, {
        ...words,
        [GatherWord.index]: machine.words(list),
      });
      expectSameBits(found, pick(x, width, list));
      machine.batch(
        Array.from({ length: 6 }, (_, position) => ({ position })),
        [],
        [4, 1, 2, 5],
      );
      machine.setOutputStart(0);
      const outputs = machine.tensor(4, width);
      expectSameBits(
        machine.result("gatherRows", outputs, { ...words, [Word.rowsKind]: RowsKind.outputs }),
        pick(x, width, [4, 1, 2, 5]),
      );
      machine.setOutputStart(2);
      const later = machine.tensor(2, width);
      expectSameBits(machine.result("gatherRows", later, words), pick(x, width, [2, 5]));
      const to = [3, 1, 0, 4, 6, 2],
        base = randoms(7 * width, 2),
        dst = machine.tensor(7, width, base, 4);
      const expected = base.slice();
      to.forEach((t, i) => expected.set(x.slice(i * width, (i + 1) * width), t * width));
      const scatter = { ...words, [Word.rows]: 6, [GatherWord.index]: machine.words(to) };
      expectSameBits(machine.result("scatterRows", dst, scatter, {}, true), expected);
    });
  }
});

describe("checkNan", () => {
  function found(rows: number, width: number, x: Float32Array): number[] {
    const a = machine.tensor(rows, width, x, 4),
      flag = machine.words([0]);
    const words = {
      [Word.rows]: rows,
      [Word.width]: width,
      [Word.a]: a.address,
      [Word.aStride]: a.stride,
      [Word.dst]: flag,
    };
    return [1, 3].map((threads) => {
      machine.u32(flag, 1)[0] = 0;
      machine.run("checkNan", words, {}, threads);
      return machine.u32(flag, 1)[0]!;
    });
  }

  it("finds a NaN wherever it is, and none in infinities or the lanes behind a row", () => {
    for (const [rows, width] of [
      [1, 1],
      [3, 7],
      [2, 9001],
    ] as const) {
      machine.reset();
      const x = randoms(rows * width, 1);
      x[0] = Infinity;
      expect(found(rows, width, x)).toEqual([0, 0]);
      for (const at of [0, Math.floor(x.length / 2), x.length - 1]) {
        const bad = x.slice();
        bad[at] = Number.NaN;
        expect(found(rows, width, bad)).toEqual([1, 1]);
      }
    }
  });
});
