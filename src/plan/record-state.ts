// State per sequence in the recorder (record.ts): read and written as a tensor, or by the recurrent ops
// (record-recurrent.ts), which get from here what they need of the recorder.

import type { State, Tensor } from "../../models/ops.ts";
import { PlanError } from "../errors.ts";
import { Op, StateWord, Word } from "../memory/abi.generated.ts";
import type { Ref } from "./instruction.ts";
import type { Lowering } from "./record-recurrent.ts";
import { type Recorded, ref } from "./recorded.ts";
import { align, type RecordingContext } from "./recording-context.ts";

export function state(r: RecordingContext, name: string, width: number): State {
  sequenceState(r, name, width);
  return { name, width };
}

export function readState(r: RecordingContext, state: State): Tensor {
  const dst = r.tensor(state.name, "sequences", state.width),
    { base, slotBytes } = sequenceState(r, state.name, state.width);
  r.emit(
    Op.stateRead,
    `read ${state.name}`,
    "sequences",
    [
      [Word.dst, ref(dst)],
      [Word.dstStride, dst.stride],
      [Word.width, state.width],
      [StateWord.base, base],
      [StateWord.slotBytes, slotBytes],
    ],
    [base],
    [ref(dst)],
  );
  return dst;
}

export function writeState(r: RecordingContext, state: State, x: Tensor): void {
  const a = x as Recorded,
    { base, slotBytes } = sequenceState(r, state.name, state.width);
  if (a.rows !== "sequences" || a.width !== state.width) {
    throw new PlanError(
      `${state.name}: expected [sequences, ${state.width}], found [${a.rows}, ${a.width}]`,
    );
  }
  r.emit(
    Op.stateWrite,
    `write ${state.name}`,
    "sequences",
    [
      [Word.a, ref(a)],
      [Word.aStride, a.stride],
      [Word.width, a.width],
      [StateWord.base, base],
      [StateWord.slotBytes, slotBytes],
    ],
    [ref(a)],
    [base],
  );
}

/** Two slots for every sequence: a run reads one and writes the other (assembly/ops/state.ts). */
function sequenceState(
  r: RecordingContext,
  name: string,
  width: number,
): { base: Ref; slotBytes: number } {
  const slotBytes = align(width, 4) * 4;
  const state = r.placedState(`state:${name}`, 2 * slotBytes * r.options.nSequences, slotBytes);
  if (state.slotBytes !== slotBytes)
    throw new PlanError(`${name}: expected a state of one width, found a second`);
  return { base: { kind: "state", state, offset: 0 }, slotBytes };
}

/** What the recurrent ops need of the recorder. */
export function recurrentLowering(r: RecordingContext): Lowering {
  return {
    tensor: (name, width) => r.tensor(name, "tokens", width),
    vector: (w) => r.vector(w),
    emit: (op, name, dst, a, words, others) => {
      if (r.states.has(`state:${name}`))
        throw new PlanError(`${name}: expected one op per state, found a second`);
      if (r.head)
        throw new PlanError(
          `${name}: expected it before ops.outputRows, found it after; the head may run several times`,
        );
      const { base, slotBytes } = sequenceState(r, name, words.stateWidth);
      for (const x of [a, ...others])
        if (x.rows !== "tokens")
          throw new PlanError(`${name}: expected one row per token, found ${x.rows}`);
      r.emit(
        op,
        name,
        "tokens",
        [
          ...r.common(dst, a),
          [StateWord.base, base],
          [StateWord.slotBytes, slotBytes],
          ...words.words,
        ],
        [ref(a), ...others.map(ref), base],
        [ref(dst), base],
      );
      return dst;
    },
  };
}
