// What samebit needs of the place it runs in: files, the kernels' bytes, threads. node.ts serves Node, Deno and Bun,
// browser.ts serves browsers and web workers.

import type { Source } from "../../formats/source.ts";

/** A running worker thread. */
export interface WorkerHandle {
  post(message: unknown): void;
  /** Each handler is set once, before the first message is awaited. */
  onMessage(handler: (message: unknown) => void): void;
  /** The thread is gone, or about to be: an uncaught error or an exit that nobody asked for. */
  onDeath(handler: (reason: string) => void): void;
  terminate(): Promise<void>;
  /** Whether the thread keeps the process alive. */
  keepAlive(on: boolean): void;
}

/** The other end of a WorkerHandle, inside the thread. */
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
  startWorker(): Promise<WorkerHandle>;
  workerPort(): WorkerPort;
  /** Opens a file by path (not in browsers) or URL. */
  openFile(path: string): Promise<Source>;
  sha256(parts: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<string>;
}
