// Whether a token is worth two threads. When another process keeps a core busy, the thread that shares it is displaced now and
// then, and thread 0 waits for it at the next barrier; a small model has a barrier every 15 us, and one thread alone is then the
// faster (measured, bench/RESULTS.md). Threads that meet in time do not sleep at barriers, so nothing is tried on a quiet machine.
// Bits never depend on it.

/** Runs that are looked at together. */
const LOOK = 8;
/** Runs that thread 0 tries alone. */
const TRIAL = 4;
/** Runs that follow a trial in the way that it found the faster, before the next look: twice as many where it finds the same again. */
const KEEP = 64,
  MOST_KEPT = 256;
/** A trial must be this much faster. */
const CLEARLY = 0.9;

export class Company {
  private alone = false;
  /** Milliseconds of the runs of this look or trial, and how often threads slept at barriers in them. */
  private times: number[] = [];
  private sleeps = 0;
  /** Milliseconds of a run in company, while a trial goes on. */
  private together: number | undefined;
  /** What the last trial found, and for how many runs it was kept. */
  private found: boolean | undefined;
  private keep = KEEP;
  /** Runs to come without a look. */
  private kept = 0;

  /** Whether the next run is for thread 0 alone. */
  get isAlone(): boolean {
    return this.alone;
  }

  /** A run has taken so many milliseconds, and threads slept at its barriers so many times. */
  record(milliseconds: number, sleeps: number): void {
    if (this.kept > 0) {
      // the next look begins in company
      if (--this.kept === 0) this.alone = false;
      return;
    }
    this.times.push(milliseconds);
    this.sleeps += sleeps;
    if (this.together !== undefined && this.times.length === TRIAL) {
      this.alone = this.look() < CLEARLY * this.together;
      this.together = undefined;
      this.keep = this.alone === this.found ? Math.min(2 * this.keep, MOST_KEPT) : KEEP;
      this.found = this.alone;
      this.kept = this.keep;
    } else if (this.together === undefined && this.times.length === LOOK) {
      const displaced = this.sleeps >= LOOK,
        time = this.look();
      if (displaced) [this.together, this.alone] = [time, true];
    }
  }

  /** The median of the runs looked at, which are forgotten. */
  private look(): number {
    const sorted = this.times.sort((a, b) => a - b),
      median = sorted[sorted.length >> 1];
    this.times = [];
    this.sleeps = 0;
    return median;
  }
}
