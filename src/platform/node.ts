// Node, Deno and Bun: all three offer Node's modules.

import { createHash } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { setImmediate } from "node:timers";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import type { Source } from "../../formats/source.ts";
import { SamebitError } from "../errors.ts";
import type { Platform, WorkerHandle } from "./platform.ts";

interface Versions {
  readonly Deno?: { version: { deno: string } };
  readonly Bun?: { version: string };
}

function runtimeName(): string {
  const { Deno, Bun } = globalThis as Versions;
  if (Deno) return `deno ${Deno.version.deno}`;
  if (Bun) return `bun ${Bun.version}`;
  return `node ${process.versions.node}`;
}

export const nodePlatform: Platform = {
  runtime: runtimeName(),
  availableParallelism: () => availableParallelism(),
  threadsLack: () =>
    typeof SharedArrayBuffer === "undefined"
      ? "shared memory, which this runtime does not have"
      : undefined,
  turn: () => new Promise((resolve) => setImmediate(resolve)),
  readAsset: (url) => readFile(url),
  async openFile(path) {
    if (path === "")
      throw new SamebitError(
        "file: expected a path, found an empty one; check where it comes from",
      );
    if (/^[a-z][a-z\d+.-]+:\/\//i.test(path))
      throw new SamebitError(
        `${path}: expected a path, found a URL; download the file, or give its bytes, a Blob, or anything with read(offset, length)`,
      );
    return fileSource(path);
  },

  async startWorker(): Promise<WorkerHandle> {
    const worker = new Worker(new URL("../threads/worker.js", import.meta.url), {
      execArgv: [], // the process may have been started with flags that a worker refuses (--input-type)
    });
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
  },

  async workerPort() {
    if (isMainThread || !parentPort)
      throw new SamebitError("worker: expected to run in a worker thread, found the main thread");
    const port = parentPort;
    return {
      post: (message) => port.postMessage(message),
      onMessage: (handler) => void port.on("message", handler),
    };
  },

  async sha256(parts) {
    const hash = createHash("sha256");
    for await (const part of parts) hash.update(part);
    return hash.digest("hex");
  },
};

/** A file on disk. Reads are synchronous inside: they go straight into the caller's memory, shared or not. */
export function fileSource(path: string): Source {
  let fd: number | undefined;
  try {
    fd = openSync(path, "r");
  } catch (cause) {
    throw new SamebitError(
      `${path}: expected a readable file, found ${reason(cause)}; check the path`,
      { cause },
    );
  }
  const stat = fstatSync(fd);
  if (!stat.isFile()) {
    closeSync(fd);
    throw new SamebitError(
      `${path}: expected a file, found something else; give the path of a .gguf file`,
    );
  }
  const fill = (offset: number, into: Uint8Array) => {
    if (fd === undefined) throw new SamebitError(`${path}: expected an open file, found it closed`);
    for (let done = 0; done < into.length;) {
      // one read is at most 2 GiB on Linux
      const got = readSync(fd, into, done, Math.min(into.length - done, 1 << 30), offset + done);
      if (got === 0) {
        throw new SamebitError(
          `${path}: expected ${stat.size} bytes, found the end at ${offset + done}; the file was cut while open`,
        );
      }
      done += got;
    }
  };
  return {
    name: path,
    path,
    size: stat.size,
    read(offset, length) {
      const bytes = new Uint8Array(length);
      fill(offset, bytes);
      return bytes;
    },
    readSync: fill,
    close() {
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
    },
  };
}

function reason(cause: unknown): string {
  const { code } = cause as { code?: string };
  return code === "ENOENT"
    ? "no such file"
    : code === "EACCES"
      ? "no permission to read it"
      : String((cause as Error).message ?? cause);
}
