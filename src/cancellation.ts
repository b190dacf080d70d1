// What an AbortSignal of the caller's does to work that is under way.

import { RunError } from "./errors.ts";

export const LOAD_CANCELLED = "load: cancelled";

/** Throws RunError "cancelled" where a load is to end. */
export function checkCancelled(signal?: AbortSignal): void {
  if (signal?.aborted) throw new RunError("cancelled", LOAD_CANCELLED, { cause: signal.reason });
}

/** The promise's outcome; before it, RunError "cancelled" with this message as soon as `signal` becomes aborted. */
export async function unlessAborted<T>(
  promise: Promise<T>,
  message: string,
  signal?: AbortSignal,
): Promise<T> {
  if (!signal) return promise;
  let refuse!: () => void;
  const aborted = new Promise<never>((_, reject) => {
    refuse = () => reject(new RunError("cancelled", message, { cause: signal.reason }));
  });
  // an aborted signal is left to the work itself when nothing stands before it
  signal.addEventListener("abort", refuse, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", refuse);
  }
}
