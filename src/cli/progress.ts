// The bar that a user sees while a model is read or converted: on standard error, and only on a terminal.

import { SingleBar } from "cli-progress";

export interface Progress {
  /** Bytes read so far, and all that will be read. */
  update(done: number, total: number): void;
  /** Takes the bar away. Calling it twice is harmless. */
  stop(): void;
}

const MIB = 1024 * 1024;

export function loadingProgress(stream: NodeJS.WriteStream = process.stderr): Progress {
  return bytesProgress("loading", stream);
}

/** `doing`: what is done with the bytes, before the bar. */
export function bytesProgress(
  doing: string,
  stream: NodeJS.WriteStream = process.stderr,
): Progress {
  if (!stream.isTTY) return { update() {}, stop() {} };
  const bar = new SingleBar({
    stream,
    format: `${doing} {bar} {percentage}% of {size}`,
    barsize: 30,
    hideCursor: true,
    clearOnComplete: true,
    // Ctrl-C is ours: interrupt.ts
    gracefulExit: false,
  });
  let started = false;
  return {
    update(done, total) {
      if (!started) bar.start(total, 0, { size: `${(total / MIB).toFixed(1)} MiB` });
      started = true;
      bar.update(done);
    },
    stop() {
      if (started) bar.stop();
      started = false;
    },
  };
}
