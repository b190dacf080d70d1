// Files that appear whole or not at all: written under another name beside the target, renamed at the end. Whatever ends
// the program before that leaves the target as it was. For Node, Deno and Bun.

import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { SamebitError } from "../errors.ts";

/** An output under way. Close it with `commit` or `discard`. */
export class OutputFile {
  private fd: number | undefined;
  private readonly temporary: string;

  constructor(readonly path: string) {
    // the process's number: two commands with one target must not write into one file
    this.temporary = `${path}.${process.pid}.part`;
    try {
      this.fd = openSync(this.temporary, "w");
    } catch (cause) {
      throw failure(path, cause);
    }
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
      fsyncSync(this.fd!);
      this.close();
      renameSync(this.temporary, this.path);
    } catch (cause) {
      this.discard();
      throw failure(this.path, cause);
    }
  }

  /** Leaves nothing behind. Harmless after commit. */
  discard(): void {
    this.close();
    rmSync(this.temporary, { force: true });
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

function failure(path: string, cause: unknown): SamebitError {
  return new SamebitError(
    `${path}: expected a file that can be written, found: ${(cause as Error).message}`,
    { cause },
  );
}
