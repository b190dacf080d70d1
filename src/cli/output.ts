// Where results go: standard output, of which a reader that goes away (`samebit run | head`) ends the program without a word, and
// the files that options name.

import { once } from "node:events";
import { checkWritable } from "../platform/output-file.ts";
import { EXIT_FAILED } from "./errors.ts";
import { interruptSignal } from "./interrupt.ts";

/** To be called once, before anything is printed. */
export function endQuietlyWithReader(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", ({ code, message }: NodeJS.ErrnoException) => {
      // Whoever closed the pipe has what they wanted: not a failure.
      if (code === "EPIPE") process.exit(0);
      // a full disk, for one
      if (stream === process.stdout)
        process.stderr.write(
          `samebit: standard output: expected to be written, found: ${message}\n`,
        );
      process.exit(EXIT_FAILED);
    });
  }
}

/** Waits while the reader is slower than we are. */
export async function print(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, "drain");
}

/** One line of JSON. */
export async function printJson(value: unknown): Promise<void> {
  await print(`${JSON.stringify(value)}\n`);
}

/** Throws where a file could not be written: before any work whose result goes there. From then on Ctrl-C asks to stop. */
export function checkOutput(path: string | undefined): void {
  interruptSignal(); // a Ctrl-C that ends the process at once would leave the file of the trial behind
  checkWritable(path);
}
