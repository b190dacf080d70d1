// Whose turn it is: the memory holds one batch at a time, so runs of concurrent callers follow each other in the order
// in which they were asked for. Long evaluations take one turn per run, which lets short ones in between.

import { unlessAborted } from "../cancellation.ts";

export class Turns {
  /** Settles when everything queued so far is over; never rejects. */
  private last: Promise<void> = Promise.resolve();

  /**
   * Does `work` when all earlier work is over. Gives up with RunError "cancelled" as soon as `signal` is aborted while
   * it waits: those behind keep their places.
   */
  async take<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    let leave!: () => void;
    const mine = new Promise<void>((resolve) => (leave = resolve)),
      before = this.last;
    this.last = before.then(() => mine);
    try {
      await unlessAborted(before, "run: cancelled while it waited for another one", signal);
      return await work();
    } finally {
      leave();
    }
  }
}
