// One run: the threads walk a schedule of the plan over the batch that was written (batch.ts). A run that gives NaN is traced
// to the instruction where the first one came up; the rows of the result are read from here. engine.ts orders the runs.

import type { ModelDescription } from "../models/index.ts";
import { RunError } from "./errors.ts";
import { Batch, Instruction } from "./memory/abi.generated.ts";
import type { PlacedModel } from "./place.ts";
import type { Pool } from "./threads/pool.ts";

export class Runs {
  constructor(
    private readonly result: ModelDescription["result"],
    private readonly placed: PlacedModel,
    private readonly pool: Pool,
  ) {}

  /** Runs a schedule of the plan, without a look at what it gives. */
  async run(schedule: number, signal?: AbortSignal): Promise<void> {
    await this.pool.run(schedule, this.describe, signal);
  }

  /** Runs a schedule for output rows [start, start + n); a NaN leads to a second, tracing run that names its origin. */
  async head(schedule: number, start: number, n: number, signal?: AbortSignal): Promise<void> {
    const { nanFlag } = this.placed.recording,
      flagBank = this.placed.banks[this.placed.home.get(nanFlag.id)!];
    const flag = flagBank.u32(flagBank.valueAddress(nanFlag.id), 1);
    const set = (field: Batch, value: number) => {
      for (const bank of this.placed.banks)
        bank.u32(bank.batch, Batch.bytes / 4)[field / 4] = value;
    };
    set(Batch.outputStart, start);
    set(Batch.nOutputs, n);
    flag[0] = 0;
    await this.run(schedule, signal);
    if (flag[0] === 0) return;
    set(Batch.traceNan, 1);
    try {
      await this.run(this.placed.plan.all, signal);
    } finally {
      set(Batch.traceNan, 0);
    }
    throw new RunError(
      "nan",
      `${this.result}: expected numbers, found NaN; the model's weights are damaged`,
    );
  }

  /** Row `row` of the last run's result, [width]: a view of the bank's memory that the next run overwrites. */
  resultRow(row: number): Float32Array {
    const { value, offset, stride, width } = this.placed.recording.result,
      bank = this.placed.banks[this.placed.home.get(value.id)!];
    return bank.f32(bank.valueAddress(value.id) + offset + row * stride, width);
  }

  /** A run that was cut off may have left counters behind. */
  clearWorkingMemory(): void {
    for (const bank of this.placed.banks) {
      for (const [state, base] of bank.placedStates())
        if (state.everywhere) bank.u8(base, state.bytes).fill(0);
    }
  }

  private readonly describe = (bank: number, address: number): string => {
    for (const segment of this.placed.plan.segments) {
      const index = (address - segment.plan) / Instruction.bytes;
      if (segment.bank === bank && index >= 0 && index < segment.labels.length)
        return segment.labels[index];
    }
    return "nothing yet";
  };
}
