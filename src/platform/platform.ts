// What samebit needs of the place it runs in: files, the kernels' bytes, time. node.ts serves Node, Deno and Bun,
// browser.ts serves browsers and web workers.

import type { Source } from "../../formats/source.ts";

/** What a thread says to whom it serves, and hears. The other end of a WorkerHandle (workers.ts). */
export interface WorkerPort {
  post(message: unknown): void;
  onMessage(handler: (message: unknown) => void): void;
}

export interface Platform {
  /** Name and version for reports: "node 20.20.2". */
  readonly runtime: string;
  availableParallelism(): number;
  /**
   * What threads need and this place does not have, with the remedy where there is one, to stand behind "threads need";
   * undefined: they can be started here.
   */
  threadsLack(): string | undefined;
  /** Lets whatever waits in this thread's event loop have its turn: events, timers, drawing. Takes microseconds. */
  turn(): Promise<void>;
  /** Bytes of a file that ships with the package. Throws what it found instead. */
  readAsset(url: URL): Promise<Uint8Array>;
  workerPort(): WorkerPort;
  /** Opens a file by path (not in browsers) or URL. */
  openFile(path: string): Promise<Source>;
  sha256(parts: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<string>;
}
