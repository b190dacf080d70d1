// The bar of a command that works through chunks of a text, or tasks: on standard error, and only on a terminal.

import { SingleBar } from "cli-progress";

export interface ChunkProgress {
  /** `note` stands behind the bar: the result so far. */
  update(done: number, note: string): void;
  /** Takes the bar away. Calling it twice is harmless. */
  stop(): void;
}

export function chunkProgress(
  total: number,
  what = "chunk",
  stream: NodeJS.WriteStream = process.stderr,
): ChunkProgress {
  if (!stream.isTTY) return { update() {}, stop() {} };
  const bar = new SingleBar({
    stream,
    format: `${what} {value}/{total} {bar} {eta_formatted} left  {note}`,
    barsize: 24,
    hideCursor: true,
    clearOnComplete: true,
    // Ctrl-C is ours: interrupt.ts
    gracefulExit: false,
  });
  bar.start(total, 0, { note: "" });
  let running = true;
  return {
    update: (done, note) => void bar.update(done, { note }),
    stop() {
      if (running) bar.stop();
      running = false;
    },
  };
}
