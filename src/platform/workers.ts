// Starts threads. Not a part of the platform, which the threads load too: a bundler that finds the worker started in the worker's own
// code bundles it again and again (Turbopack never ends).

import { embeddedWorker } from "./embedded.ts";
import { isNodeLike } from "./index.ts";
import { builtin } from "./node.ts";

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

export async function startWorker(): Promise<WorkerHandle> {
  return isNodeLike ? startNodeWorker() : startBrowserWorker();
}

function startNodeWorker(): WorkerHandle {
  const { Worker } = builtin("node:worker_threads"),
    script = embeddedWorker();
  const execArgv: string[] = []; // the process may have been started with flags that a worker refuses (--input-type)
  const worker =
    script === undefined
      ? new Worker(new URL("../threads/worker.js", import.meta.url), { execArgv })
      : new Worker(script, { execArgv, eval: true });
  let asked = false;
  return {
    post: (message) => worker.postMessage(message),
    onMessage: (handler) => void worker.on("message", handler),
    onDeath(handler) {
      worker.on("error", (error) =>
        handler(error instanceof Error ? error.message : String(error)),
      );
      worker.on("exit", (code) => {
        if (!asked) handler(`exit code ${code}`);
      });
    },
    async terminate() {
      asked = true;
      worker.ref();
      await worker.terminate();
    },
    keepAlive(on) {
      // a run that is cut off lets its worker go, but whoever awaits the end must get it
      if (!asked) void (on ? worker.ref() : worker.unref());
    },
  };
}

function startBrowserWorker(): WorkerHandle {
  const script = embeddedWorker();
  let worker: Worker;
  if (script === undefined) {
    worker = new Worker(new URL("../threads/worker.js", import.meta.url), { type: "module" });
  } else {
    scriptUrl ??= URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
    worker = new Worker(scriptUrl);
  }
  return {
    post: (message) => worker.postMessage(message),
    onMessage: (handler) => worker.addEventListener("message", (event) => handler(event.data)),
    onDeath: (handler) =>
      worker.addEventListener("error", (event) =>
        handler(event.message || "the worker could not be loaded"),
      ),
    async terminate() {
      worker.terminate();
    },
    keepAlive() {},
  };
}

/** One for all workers, for as long as the page is there: one that is taken back may be missing for a worker that still loads. */
let scriptUrl: string | undefined;
