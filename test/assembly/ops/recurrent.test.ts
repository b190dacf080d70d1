// The recurrent ops against the slow reference, and their promise: the same bits for one thread and three, and however
// the tokens of two sequences are cut into batches.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  GatedDeltaWord,
  RowsKind,
  ShortConvWord,
  SsmScanWord,
  StateWord,
  Wkv7Word,
  Word,
} from "../../../assembly/abi.ts";
import { gatedDeltaRow, shortConvRow, ssmRow, wkv7Row } from "../../reference/recurrent.ts";
import { expectSameBits, Machine, randoms, worstError } from "./machine.ts";

let machine: Machine;
beforeAll(async () => {
  machine = await Machine.create();
});
afterAll(() => machine.close());
beforeEach(() => machine.reset());

/** Tokens of the two sequences; cuts: how many of each go into the first batch. */
const LENGTHS = [7, 5];
const CUTS = [
  [0, 0],
  [1, 4],
  [6, 1],
];

interface Case {
  readonly op: string;
  readonly width: number;
  /** Widths of the operands beside Word.a, and their words (stride in the next). */
  readonly operands: readonly {
    word: number;
    width: number;
    values: (seed: number) => Float32Array;
  }[];
  readonly a: { width: number; values: (seed: number) => Float32Array };
  readonly stateWidth: number;
  readonly words: () => Record<number, number>;
  /** One token of the reference; rows: a, then the operands. */
  readonly step: (rows: Float32Array[], state: Float32Array) => ArrayLike<number>;
}

/** The inputs of `n` tokens of sequence s from token `from` on, operand by operand. */
function rowsOf({ a, operands }: Case, s: number, from: number, n: number): Float32Array[][] {
  return [a, ...operands].map(({ width, values }, i) =>
    Array.from({ length: n }, (_, t) => values(1 + i + 10 * (from + t) + 1000 * s).slice(0, width)),
  );
}

/** Runs both sequences, cut in two batches, and returns the outputs of each with its last state. */
function run(
  c: Case,
  cut: readonly number[],
  state: number,
  slots: readonly number[],
): Float32Array[] {
  const slotWidth = Math.ceil(c.stateWidth / 4) * 4;
  for (const slot of slots) machine.f32(state + slot * slotWidth * 4, slotWidth).fill(0);
  const results: number[][] = [[], []];
  let current = slots;
  for (const [from, to] of [
    [[0, 0], cut],
    [cut, LENGTHS],
  ]) {
    const parts = LENGTHS.map((_, s) => rowsOf(c, s, from[s], to[s] - from[s]));
    // a sequence without tokens is not in the batch
    const present = [0, 1].filter((s) => to[s] > from[s]);
    if (present.length === 0) continue;
    machine.batch(
      present.flatMap((s, i) =>
        parts[s][0].map((_, t) => ({ position: from[s] + t, sequence: i })),
      ),
      present.map((s) => ({ pages: [0], length: to[s], stateSlot: current[s] })),
    );
    const tensors = parts[0].map((_, i) => {
      const rows = present.flatMap((s) => parts[s][i]);
      const values = rows.flatMap((r) => [...r]);
      return machine.tensor(rows.length, rows[0].length, values, 4);
    });
    const [a, ...rest] = tensors;
    const dst = machine.tensor(a.rows, c.width, undefined, 4);
    const found = machine.result(c.op, dst, {
      [Word.rowsKind]: RowsKind.tokens,
      [Word.a]: a.address,
      [Word.aStride]: a.stride,
      [StateWord.base]: state,
      [StateWord.slotBytes]: slotWidth * 4,
      ...Object.fromEntries(
        c.operands.flatMap(({ word }, i) => [
          [word, rest[i].address],
          [word + 1, rest[i].stride],
        ]),
      ),
      ...c.words(),
    });
    let row = 0;
    for (const s of present) {
      const n = (to[s] - from[s]) * c.width;
      results[s].push(...found.slice(row, row + n));
      row += n;
    }
    current = current.map((slot, s) => (present.includes(s) ? slot ^ 1 : slot));
  }
  return results.map((values, s) =>
    Float32Array.from([
      ...values,
      ...machine.f32(state + current[s] * slotWidth * 4, c.stateWidth),
    ]),
  );
}

function expected(c: Case, s: number): Float32Array {
  const rows = rowsOf(c, s, 0, LENGTHS[s]);
  const state = new Float32Array(c.stateWidth);
  const out = rows[0].flatMap((_, t) => [
    ...Array.from(
      c.step(
        rows.map((r) => r[t]),
        state,
      ),
    ),
  ]);
  return Float32Array.from([...out, ...state]);
}

function check(name: string, make: () => Case): void {
  it(name, () => {
    const c = make();
    const state = machine.allocate(6 * (c.stateWidth + 4) * 4);
    const whole = run(c, CUTS[0], state, [4, 1]);
    for (const s of [0, 1]) expect(worstError(whole[s], expected(c, s))).toBeLessThan(2e-5);
    for (const cut of CUTS.slice(1)) {
      run(c, cut, state, [4, 1]).forEach((found, s) => expectSameBits(found, whole[s]));
    }
  });
}

const normal =
  (n: number) =>
  (seed: number): Float32Array =>
    randoms(n, seed, 0.5);
/** Between 0 and 1. */
const share =
  (n: number) =>
  (seed: number): Float32Array =>
    randoms(n, seed).map((x) => 1 / (1 + Math.exp(-x)));
const operand = (word: number, width: number, values = normal(width)) => ({ word, width, values });

describe("tokenShift", () => {
  for (const width of [1, 6, 64, 200]) {
    check(`width ${width}`, () => ({
      op: "tokenShift",
      width,
      a: { width, values: normal(width) },
      operands: [],
      stateWidth: width,
      words: () => ({}),
      step: ([x], state) => {
        const before = state.slice();
        state.set(x);
        return before;
      },
    }));
  }
});

describe("shortConv", () => {
  for (const [width, taps] of [
    [4, 2],
    [72, 3],
    [192, 4],
    [8, 12],
  ]) {
    check(`width ${width}, ${taps} taps`, () => {
      const weights = randoms(width * taps, 7);
      const weight = machine.vector(weights);
      return {
        op: "shortConv",
        width,
        a: { width, values: normal(width) },
        operands: [],
        stateWidth: (taps - 1) * width,
        words: () => ({ [ShortConvWord.weight]: weight, [ShortConvWord.taps]: taps }),
        step: ([x], state) => shortConvRow(x, weights, state),
      };
    });
  }

  it("takes a width that is no multiple of 4", () => {
    const taps = 3;
    const weights = randoms(5 * taps, 7);
    const weight = machine.vector(weights);
    const state = machine.allocate(2 * taps * 8 * 4, 0);
    const x = randoms(4 * 5, 3);
    machine.batch(
      Array.from({ length: 4 }, (_, position) => ({ position })),
      [{ pages: [0], length: 4, stateSlot: 0 }],
    );
    const a = machine.tensor(4, 5, x);
    const found = machine.result("shortConv", machine.tensor(4, 5), {
      [Word.a]: a.address,
      [Word.aStride]: a.stride,
      [StateWord.base]: state,
      [StateWord.slotBytes]: 2 * 8 * 4,
      [ShortConvWord.weight]: weight,
      [ShortConvWord.taps]: taps,
    });
    const history = new Float32Array(2 * 5);
    const rows = [0, 1, 2, 3].flatMap((t) =>
      shortConvRow(x.slice(5 * t, 5 * t + 5), weights, history),
    );
    expect(worstError(found, rows)).toBeLessThan(1e-6);
  });
});

describe("ssmScan", () => {
  for (const [width, nHead, nState, nGroup, perHead] of [
    [24, 24, 16, 1, 0],
    [600, 600, 8, 1, 0],
    [24, 6, 32, 2, 1],
    [160, 2, 64, 1, 1],
  ]) {
    check(`${width} channels, ${nHead} heads, ${nState} numbers, ${nGroup} groups`, () => {
      const a = share(perHead ? nHead : nHead * nState)(3).map((x) => -4 * x);
      const d = randoms(nHead, 4);
      const weights = { [SsmScanWord.A]: machine.vector(a), [SsmScanWord.D]: machine.vector(d) };
      return {
        op: "ssmScan",
        width,
        a: { width, values: normal(width) },
        operands: [
          operand(SsmScanWord.dt, nHead, share(nHead)),
          operand(SsmScanWord.b, nGroup * nState),
          operand(SsmScanWord.c, nGroup * nState),
        ],
        stateWidth: width * nState,
        words: () => ({
          ...weights,
          [SsmScanWord.nState]: nState,
          [SsmScanWord.headDim]: width / nHead,
          [SsmScanWord.nGroup]: nGroup,
          [SsmScanWord.aPerHead]: perHead,
        }),
        step: ([x, dt, b, c], state) => ssmRow({ x, dt, b, c, a, d, nState, nGroup }, state),
      };
    });
  }
});

describe("wkv7", () => {
  for (const [nHead, headSize] of [
    [1, 16],
    [2, 64],
    [3, 48],
  ]) {
    const width = nHead * headSize;
    check(`${nHead} heads of ${headSize}`, () => ({
      op: "wkv7",
      width,
      a: { width, values: normal(width) },
      operands: [
        operand(Wkv7Word.w, width, share(width)),
        operand(Wkv7Word.k, width),
        operand(Wkv7Word.v, width),
        operand(Wkv7Word.remove, width, (seed) => randoms(width, seed, 0.1)),
        operand(Wkv7Word.write, width, (seed) => randoms(width, seed, 0.1)),
      ],
      stateWidth: width * headSize,
      words: () => ({ [Wkv7Word.headSize]: headSize }),
      step: (rows, state) => wkv7Row(rows, headSize, state),
    }));
  }
});

describe("gatedDelta", () => {
  for (const [nHeadK, nHeadV, dimK, dimV, heads] of [
    [2, 4, 32, 32, "tiled"],
    [2, 4, 8, 16, "grouped"],
    [1, 1, 5, 48, "tiled"],
    [3, 3, 64, 16, "grouped"],
  ] as const) {
    check(`${nHeadK} heads of ${dimK}, ${nHeadV} of ${dimV}, ${heads}`, () => ({
      op: "gatedDelta",
      width: nHeadV * dimV,
      a: { width: nHeadK * dimK, values: normal(nHeadK * dimK) },
      operands: [
        operand(GatedDeltaWord.k, nHeadK * dimK, (seed) => randoms(nHeadK * dimK, seed, 0.2)),
        operand(GatedDeltaWord.v, nHeadV * dimV),
        operand(GatedDeltaWord.decay, nHeadV, share(nHeadV)),
        operand(GatedDeltaWord.beta, nHeadV, share(nHeadV)),
      ],
      stateWidth: nHeadV * dimV * dimK,
      words: () => ({
        [GatedDeltaWord.dimK]: dimK,
        [GatedDeltaWord.dimV]: dimV,
        [GatedDeltaWord.nHeadK]: nHeadK,
        [GatedDeltaWord.grouped]: heads === "grouped" ? 1 : 0,
      }),
      step: ([q, k, v, decay, beta], state) =>
        gatedDeltaRow({ q, k, v, decay, beta, nHeadK, nHeadV, heads }, state),
    }));
  }
});
