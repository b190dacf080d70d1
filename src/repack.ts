// Repacking by all threads: from files that each of them can open (fill), or while the caller reads on: two instructions
// (Op.plainRows for interleaved types, Op.repack) per bank and half of its staging area, rewritten for every chunk of rows.
// Bytes are read into one half while the threads empty the other.

import type { FillFault, FillPlan } from "./fill.ts";
import {
  Flag,
  Instruction,
  Op,
  PlainRowsWord,
  RepackWord,
  RowsKind,
  Word,
} from "./memory/abi.generated.ts";
import type { Bank } from "./memory/bank.ts";
import type { Pool } from "./threads/pool.ts";
import { scheduleOf } from "./threads/schedule.ts";

/** Bundles of interleaved rows that become plain rows before they are repacked; addresses are in the bank. */
export interface Bundles {
  readonly layout: number;
  /** The scale of all rows, or 0. */
  readonly scale: number;
  readonly src: number;
  readonly count: number;
  readonly bundleBytes: number;
  /** Bytes of a bundle's plain rows. */
  readonly plainBytes: number;
}

/** Rows to repack: plain rows of `rowBytes` bytes at `src`, in a half, become groups at `dst`. */
export interface RepackJob {
  readonly bank: number;
  readonly src: number;
  /** Present: makes the rows at `src`. */
  readonly bundles: Bundles | undefined;
  readonly type: number;
  readonly rows: number;
  readonly k: number;
  readonly rowBytes: number;
  readonly groupBytes: number;
  readonly dst: number;
}

const INSTRUCTIONS = 2;

/** Bytes of plan memory that a bank needs for repacking, nBanks schedules included. */
export const repackBytes = (nBanks: number): number =>
  2 * (INSTRUCTIONS * Instruction.bytes + 64) + 2 * nBanks * 128;

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
    private readonly pool: Pool,
    private readonly signal?: AbortSignal,
  ) {
    this.plans = banks.map((bank) =>
      [0, 1].map((h) => {
        const plan = bank.allocate("repack plan", INSTRUCTIONS * Instruction.bytes),
          counters = bank.allocate("repack counters", INSTRUCTIONS * 4);
        const words = scheduleOf([
          {
            bank: bank.index,
            plan,
            count: INSTRUCTIONS,
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

  /** Whether there is somebody to `fill`. */
  get canFill(): boolean {
    return this.pool.fill !== undefined;
  }

  /** All threads read and repack by themselves; see ThreadPool.fill. Only before the first `start`. */
  fill(plan: FillPlan, onBytes: (bytes: number) => void): Promise<readonly FillFault[]> {
    return this.pool.fill!(plan, onBytes, this.signal);
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
    const { plan, schedule } = this.plans[job.bank][this.turn],
      [first, words] = [0, 1].map((i) =>
        this.banks[job.bank].u32(plan + i * Instruction.bytes, Instruction.words),
      ),
      { bundles } = job;
    first[Word.op] = Op.plainRows;
    first[Word.rowsKind] = RowsKind.fixed;
    first[Word.rows] = bundles?.count ?? 0;
    first[Word.width] = job.k;
    first[Word.dst] = job.src;
    if (bundles) {
      first[Word.dstStride] = bundles.plainBytes;
      first[Word.a] = bundles.src;
      first[Word.aStride] = bundles.bundleBytes;
      first[PlainRowsWord.layout] = bundles.layout;
      first[PlainRowsWord.scale] = bundles.scale;
    }
    words[Word.op] = Op.repack;
    words[Word.flags] = bundles ? Flag.barrierBefore : 0;
    words[Word.rowsKind] = RowsKind.fixed;
    words[Word.rows] = job.rows;
    words[Word.dst] = job.dst;
    words[Word.a] = job.src;
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
