// Ctrl-C: the first one asks the work to stop, so that what there is can be shown; the second one
// ends the process. Other signals end it at once, as by default, but files that are half written go first.

import { constants } from "node:os";
import { EXIT_INTERRUPTED } from "./errors.ts";

let controller: AbortController | undefined;

/** From now on the first SIGINT aborts the returned signal instead of ending the process. */
export function interruptSignal(): AbortSignal {
  if (controller === undefined) {
    process.on("SIGINT", () => {
      if (interrupted()) process.exit(EXIT_INTERRUPTED);
      controller!.abort();
    });
    controller = new AbortController();
  }
  return controller.signal;
}

/** SIGTERM and SIGHUP leave through process.exit, whose handlers remove unfinished outputs (platform/output-file.ts). */
export function endOnSignals(): void {
  for (const signal of ["SIGTERM", "SIGHUP"] as const)
    process.once(signal, () => process.exit(128 + constants.signals[signal]));
}

/** For the next piece of work, what was interrupted before being over: its first SIGINT is a first one again. */
export function nextInterruptSignal(): AbortSignal {
  interruptSignal();
  controller = new AbortController();
  return controller.signal;
}

export function interrupted(): boolean {
  return controller?.signal.aborted ?? false;
}
