// Files that appear whole or not at all: written under another name beside the target, renamed at the end. Whatever ends
// the program before that leaves the target as it was. For Node, Deno and Bun.

import {
  closeSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import process from "node:process";
import { SamebitError } from "../errors.ts";

/** An output under way. Close it with `commit` or `discard`. */
export class OutputFile {
  private fd: number | undefined;
  /** Where the bytes are until `commit`; undefined for a device or a pipe, which takes them at once and cannot be replaced. */
  private readonly temporary: string | undefined;
  private readonly target: string;

  constructor(readonly path: string) {
    try {
      const found = kindOf(path);
      // what a link leads to is replaced, not the link
      this.target = found === undefined ? path : realpathSync(path);
      // the process's number: two commands with one target must not write into one file
      if (found !== "other") this.temporary = `${this.target}.${process.pid}.part`;
      this.fd = openSync(this.temporary ?? path, "w");
    } catch (cause) {
      throw failure(path, cause);
    }
    if (this.temporary === undefined) return;
    if (temporaries.size === 0) process.once("exit", removeTemporaries);
    temporaries.add(this.temporary);
  }

  /** Appends all of `bytes`. */
  write(bytes: Uint8Array): void {
    try {
      for (let done = 0; done < bytes.length;)
        done += writeSync(this.fd!, bytes, done, bytes.length - done);
    } catch (cause) {
      throw failure(this.path, cause);
    }
  }

  /** Puts the file in its place. */
  commit(): void {
    try {
      if (this.temporary !== undefined) fsyncSync(this.fd!);
      this.close();
      if (this.temporary !== undefined) renameSync(this.temporary, this.target);
    } catch (cause) {
      throw failure(this.path, cause);
    } finally {
      this.discard();
    }
  }

  /** Leaves nothing behind. Harmless after commit. */
  discard(): void {
    this.close();
    if (this.temporary === undefined || !temporaries.delete(this.temporary)) return;
    rmSync(this.temporary, { force: true });
    if (temporaries.size === 0) process.off("exit", removeTemporaries);
  }

  private close(): void {
    if (this.fd !== undefined) closeSync(this.fd);
    this.fd = undefined;
  }
}

/** Writes a small file whole. */
export function writeFileWhole(path: string, data: Uint8Array | string): void {
  const file = new OutputFile(path);
  try {
    file.write(typeof data === "string" ? new TextEncoder().encode(data) : data);
    file.commit();
  } finally {
    file.discard();
  }
}

/** Throws where `path` could not be written: to be asked before the work whose result goes there. */
export function checkWritable(path: string | undefined): void {
  if (path !== undefined && kindOf(path) !== "other") new OutputFile(path).discard();
}

/** Of the outputs under way. Whoever calls process.exit, as a second Ctrl-C does, leaves none of them behind. */
const temporaries = new Set<string>();

function removeTemporaries(): void {
  for (const path of temporaries) rmSync(path, { force: true });
}

/** What is at `path`; undefined: nothing. */
function kindOf(path: string): "file" | "other" | undefined {
  if (path === "") throw new SamebitError("output: expected a path, found an empty one");
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory())
    throw new SamebitError(`${path}: expected a file that can be written, found a folder`);
  if (found === undefined) return undefined;
  return found.isFile() ? "file" : "other";
}

function failure(path: string, cause: unknown): SamebitError {
  if (cause instanceof SamebitError) return cause;
  return new SamebitError(
    `${path}: expected a file that can be written, found: ${(cause as Error).message}`,
    { cause },
  );
}
