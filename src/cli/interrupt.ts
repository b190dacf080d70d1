// Ctrl-C: the first one asks the work to stop, so that what there is can be shown; the second one
// ends the process.

import { EXIT_INTERRUPTED } from "./errors.ts";

let controller: AbortController | undefined;

/** From now on the first SIGINT aborts the returned signal instead of ending the process. */
export function interruptSignal(): AbortSignal {
  if (controller === undefined) {
    const made = (controller = new AbortController());
    process.on("SIGINT", () => {
      if (made.signal.aborted) process.exit(EXIT_INTERRUPTED);
      made.abort();
    });
  }
  return controller.signal;
}

export function interrupted(): boolean {
  return controller?.signal.aborted ?? false;
}
