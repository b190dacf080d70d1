// Writes a plan into shared memory: 128-byte instructions per segment, and the schedule that names the segments.
// assembly/plan.ts executes the former, src/threads/schedule.ts walks the latter.

import type { Rows } from "../../models/ops.ts";
import { SamebitError } from "../errors.ts";
import { Flag, Instruction, RowsKind, StageLimit, Word } from "../memory/abi.generated.ts";
import type { Bank } from "../memory/bank.ts";
import { SCHEDULE, scheduleOf } from "../threads/schedule.ts";
import { barriers } from "./allocate.ts";
import type { Banked, Segment } from "./banks.ts";
import { rowCost } from "./costs.ts";
import type { Recording, Ref } from "./instruction.ts";

/** Addresses of the schedules in bank 0. */
export interface EncodedPlan {
  /** The encoder, where there is one. */
  readonly encoder: number;
  /** Everything up to the hidden states. */
  readonly body: number;
  /** From the hidden states of up to nOutputs rows to their logits. */
  readonly head: number;
  /** Both of these. */
  readonly all: number;
  /** Instruction labels by plan address, for messages. */
  readonly segments: readonly {
    readonly bank: number;
    readonly plan: number;
    readonly labels: readonly string[];
  }[];
}

export function planBytes(recording: Recording, banked: Banked): number {
  const perInstr = Instruction.bytes + 4;
  return (
    recording.instrs.length * perInstr +
    4 * scheduleWords(banked.segments) * 4 +
    banked.segments.length * 256 +
    256
  );
}

function scheduleWords(segments: readonly Segment[]): number {
  return (
    1 +
    segments.reduce(
      (n, s) => n + SCHEDULE.segmentWords + s.transfers.length * SCHEDULE.transferWords,
      0,
    )
  );
}

export function encodePlan(
  recording: Recording,
  banked: Banked,
  banks: readonly Bank[],
): EncodedPlan {
  const encoded = banked.segments.map((segment) => {
    const bank = banks[segment.bank],
      count = segment.end - segment.start;
    if (count >= StageLimit.instructions) {
      throw new SamebitError(
        `plan: expected fewer than ${StageLimit.instructions} instructions in a row, found ${count}; the model has too many layers`,
      );
    }
    const plan = bank.allocate("plan", count * Instruction.bytes),
      counters = bank.allocate("counters", count * 4);
    const barrierBefore = barriers(recording.instrs, segment.start, segment.end, bank.valueOffsets);
    const words = bank.u32(plan, count * Instruction.words),
      floats = words;
    for (let i = 0; i < count; i++) {
      const instr = recording.instrs[segment.start + i],
        at = i * Instruction.words;
      floats[at + Word.op] = instr.op;
      floats[at + Word.flags] =
        (barrierBefore[i] ? Flag.barrierBefore : 0) | (rowCost(instr) << Flag.costShift);
      floats[at + Word.rowsKind] = rowsKind(instr.rows);
      floats[at + Word.rows] = typeof instr.rows === "number" ? instr.rows : 0;
      for (const [index, word] of instr.words)
        floats[at + index] = typeof word === "number" ? word : address(word, bank);
    }
    return { segment, bank, plan, count, counters };
  });

  const write = (chosen: typeof encoded): number => {
    const words = scheduleOf(
      chosen.map(({ segment, bank, plan, count, counters }) => ({
        bank: segment.bank,
        plan,
        count,
        counters,
        batch: bank.batch,
        scratch: bank.scratch,
        transfers: segment.transfers.map(({ value, from, to }) => {
          const whole = value.rowBytes === 0;
          return {
            from,
            to,
            source: banks[from].valueAddress(value.id),
            target: banks[to].valueAddress(value.id),
            rowsKind: whole ? RowsKind.fixed : rowsKind(value.rows),
            bytes: whole || typeof value.rows === "number" ? value.bytes : value.rowBytes,
          };
        }),
      })),
    );
    const at = banks[0].allocate("schedule", words.length * 4);
    banks[0].u32(at, words.length).set(words);
    return at;
  };
  const decoder = encoded.filter((e) => !e.segment.encoder);
  return {
    encoder: write(encoded.filter((e) => e.segment.encoder)),
    body: write(decoder.filter((e) => !e.segment.head)),
    head: write(decoder.filter((e) => e.segment.head)),
    all: write(decoder),
    segments: encoded.map(({ segment, plan }) => ({
      bank: segment.bank,
      plan,
      labels: recording.instrs.slice(segment.start, segment.end).map((i) => i.label),
    })),
  };
}

function rowsKind(rows: Rows): RowsKind {
  return rows === "tokens"
    ? RowsKind.tokens
    : rows === "outputs"
      ? RowsKind.outputs
      : rows === "sequences"
        ? RowsKind.sequences
        : RowsKind.fixed;
}

function address(r: Ref, bank: Bank): number {
  switch (r.kind) {
    case "value":
      return bank.valueAddress(r.value.id) + r.offset;
    case "weight":
      return bank.weightAddress(r.weight) + (r.offset ?? 0);
    case "cache":
      return bank.cacheAddress(r.cache, r.part);
    case "state":
      return bank.stateAddress(r.state) + r.offset;
  }
}
