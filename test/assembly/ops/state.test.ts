import { afterAll, beforeAll, it } from "vitest";
import { RowsKind, StateWord, Word } from "../../../assembly/abi.ts";
import { expectSameBits, Machine, randoms } from "./machine.ts";

let machine: Machine;
beforeAll(async () => {
  machine = await Machine.create();
});
afterAll(() => machine.close());

it("stateRead reads each sequence's slot, stateWrite writes the other of its pair", () => {
  for (const width of [1, 6, 5000]) {
    machine.reset();
    // slots are padded to whole vectors
    const slots = [4, 1, 2],
      slotWidth = Math.ceil(width / 4) * 4,
      initial = randoms(6 * slotWidth, 1),
      base = machine.vector(initial);
    const state = { address: base, rows: 6, width: slotWidth, stride: slotWidth * 4 };
    machine.batch(
      [{ position: 0 }],
      slots.map((stateSlot) => ({ pages: [0], length: 1, stateSlot })),
    );
    const read = machine.tensor(3, width, undefined, 4);
    const words = {
      [Word.rowsKind]: RowsKind.sequences,
      [StateWord.base]: base,
      [StateWord.slotBytes]: slotWidth * 4,
    };
    const expected = Float32Array.from(
      slots.flatMap((s) => [...initial.slice(s * slotWidth, s * slotWidth + width)]),
    );
    expectSameBits(machine.result("stateRead", read, words), expected);
    const fresh = randoms(3 * width, 2),
      a = machine.tensor(3, width, fresh, 4);
    const after = initial.slice();
    slots.forEach((s, i) =>
      after.set(fresh.slice(i * width, (i + 1) * width), (s ^ 1) * slotWidth),
    );
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
