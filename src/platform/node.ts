// Node, Deno and Bun: all three offer Node's modules. They are asked for by a call and not imported, because pages, which have
// none, load this file too.

import type { Source } from "../../formats/source.ts";
import { SamebitError } from "../errors.ts";
import type { Platform } from "./platform.ts";

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

/** One of Node's modules. */
export const builtin: typeof process.getBuiltinModule = (id: string) => {
  if (typeof process.getBuiltinModule !== "function")
    throw new SamebitError(
      `runtime: expected Node 20.16, Deno 2.1 or Bun 1.2.10, or a later one, found ${runtimeName()}; update it`,
    );
  return process.getBuiltinModule(id);
};

export function nodePlatform(): Platform {
  const { createHash } = builtin("node:crypto"),
    { readFile } = builtin("node:fs/promises"),
    { availableParallelism } = builtin("node:os"),
    { setImmediate } = builtin("node:timers"),
    { isMainThread, parentPort } = builtin("node:worker_threads");
  return {
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

    workerPort() {
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
}

/** A file on disk. Reads are synchronous inside: they go straight into the caller's memory, shared or not. */
export function fileSource(path: string): Source {
  const { closeSync, fstatSync, openSync, readSync } = builtin("node:fs");
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
