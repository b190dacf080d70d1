import { afterAll, beforeAll, it } from "vitest";
import { RowsKind, StateWord, Word } from "../../../assembly/abi.ts";
import { expectSameBits, Machine, randoms } from "./machine.ts";

let machine: Machine;
beforeAll(async () => {
  machine = await Machine.create();
});
afterAll(() => machine.close());

it("stateRead and stateWrite go by the state slot of each sequence", () => {
  for (const width of [1, 6, 5000]) {
    machine.reset();
    const slots = [4, 0, 2],
      initial = randoms(5 * width, 1),
      base = machine.vector(initial);
    const state = { address: base, rows: 5, width, stride: width * 4 };
    machine.batch(
      [{ position: 0 }],
      slots.map((stateSlot) => ({ pages: [0], length: 1, stateSlot })),
    );
    const read = machine.tensor(3, width, undefined, 4);
    const words = { [Word.rowsKind]: RowsKind.sequences, [StateWord.base]: base };
    const expected = Float32Array.from(
      slots.flatMap((s) => [...initial.slice(s * width, (s + 1) * width)]),
    );
    expectSameBits(machine.result("stateRead", read, words), expected);
    const fresh = randoms(3 * width, 2),
      a = machine.tensor(3, width, fresh, 4);
    const after = initial.slice();
    slots.forEach((s, i) => after.set(fresh.slice(i * width, (i + 1) * width), s * width));
    for (const threads of [1, 3]) {
      machine.f32(base, initial.length).set(initial);
      machine.run(
        "stateWrite",
        { ...words, [Word.width]: width, [Word.a]: a.address, [Word.aStride]: a.stride },
        {},
        threads,
      );
      expectSameBits(machine.read(state), after);
    }
  }
});
