// Repacking by all threads: from files that each of them can open (fill), or while the caller reads on: one instruction (Op.repack) per bank and half of its staging area,
// rewritten for every chunk of rows. Bytes are read into one half while the threads empty the other.

import type { FillFault, FillPlan } from "./fill.ts";
import { Instruction, Op, RepackWord, RowsKind, Word } from "./memory/abi.generated.ts";
import type { Bank } from "./memory/bank.ts";
import type { ThreadPool } from "./threads/pool.ts";
import { scheduleOf } from "./threads/schedule.ts";

/** Rows to repack: raw rows of `rowBytes` bytes at the start of a half become groups at `dst`. */
export interface RepackJob {
  readonly bank: number;
  readonly type: number;
  readonly rows: number;
  readonly k: number;
  readonly rowBytes: number;
  readonly groupBytes: number;
  readonly dst: number;
}

/** Bytes of plan memory that a bank needs for repacking, nBanks schedules included. */
export const repackBytes = (nBanks: number): number =>
  2 * (Instruction.bytes + 64) + 2 * nBanks * 128;

export class Repacker {
  private readonly plans: {
    readonly plan: number;
    readonly schedule: number;
    readonly half: number;
  }[][];
  private pending: Promise<void> | undefined;
  private turn = 0;

  constructor(
    private readonly banks: readonly Bank[],
    private readonly pool: ThreadPool,
    private readonly signal?: AbortSignal,
  ) {
    this.plans = banks.map((bank) =>
      [0, 1].map((h) => {
        const plan = bank.allocate("repack plan", Instruction.bytes),
          counters = bank.allocate("repack counter", 4);
        const words = scheduleOf([
          {
            bank: bank.index,
            plan,
            count: 1,
            counters,
            batch: bank.batch,
            scratch: bank.scratch,
            transfers: [],
          },
        ]);
        const schedule = banks[0].allocate("repack schedule", words.length * 4);
        banks[0].u32(schedule, words.length).set(words);
        return { plan, schedule, half: bank.staging.address + h * this.halfBytes };
      }),
    );
  }

  get nThreads(): number {
    return this.pool.nThreads;
  }

  /** All threads read and repack by themselves; see ThreadPool.fill. Only before the first `start`. */
  fill(plan: FillPlan, onBytes: (bytes: number) => void): Promise<readonly FillFault[]> {
    return this.pool.fill(plan, onBytes, this.signal);
  }

  /** Bytes of one half of a staging area. */
  get halfBytes(): number {
    return this.banks[0].staging.bytes >> 1;
  }

  /** Where the next chunk of a bank must be read to; nothing else uses it until `start`. */
  half(bank: number): number {
    return this.plans[bank][this.turn].half;
  }

  /** Hands the chunk in `half` to the threads; returns when the chunk before it is done. */
  async start(job: RepackJob): Promise<void> {
    await this.finish();
    const { plan, schedule, half } = this.plans[job.bank][this.turn],
      words = this.banks[job.bank].u32(plan, Instruction.words);
    words[Word.op] = Op.repack;
    words[Word.rowsKind] = RowsKind.fixed;
    words[Word.rows] = job.rows;
    words[Word.dst] = job.dst;
    words[Word.a] = half;
    words[Word.aStride] = job.rowBytes;
    words[Word.width] = job.k;
    words[RepackWord.type] = job.type;
    words[RepackWord.groupBytes] = job.groupBytes;
    this.turn ^= 1;
    this.pending = this.pool.run(schedule, () => "repacking", this.signal);
    this.pending.catch(() => {}); // finish() reports it
  }

  /** Waits until nothing is being repacked. */
  async finish(): Promise<void> {
    const { pending } = this;
    this.pending = undefined;
    await pending;
  }
}
