// samebit split: one model file into several, or with --merge several into one. Options as llama-gguf-split's.

import { existsSync } from "node:fs";
import { type Command, Option } from "commander";
import {
  closeGguf,
  contentsOf,
  type Gguf,
  type GgufContents,
  parseSplitName,
  splitName,
  writeGguf,
} from "../../formats/index.ts";
import { openGguf } from "../index.ts";
import { OutputFile } from "../platform/output-file.ts";
import { splitContents } from "../tools/split.ts";
import { UsageError } from "./errors.ts";
import { interruptSignal } from "./interrupt.ts";
import { wholeOption } from "./options.ts";
import { print } from "./output.ts";

interface SplitValues {
  readonly merge?: boolean;
  readonly splitMaxTensors?: number;
  readonly splitMaxSize?: number;
  readonly tensorFirstSplit: boolean;
  readonly dryRun?: boolean;
}

/** llama-gguf-split's, where neither limit is given. */
const DEFAULT_MAX_TENSORS = 128;

export function addSplitCommand(program: Command): void {
  const size = new Option(
    "--split-max-size <N(M|G)>",
    "megabytes or gigabytes (powers of 10) of tensors in a file at most",
  );
  program
    .command("split")
    .description("cut a model file into several, or merge them")
    .argument("<input>", "model; to merge: any file of the series")
    .argument("<output>", "to split: the name before -00001-of-0000N.gguf; to merge: the file")
    .option("--split", "split (the default)")
    .option("--merge", "merge")
    .addOption(
      wholeOption(
        "--split-max-tensors <N>",
        `tensors in a file at most (default: ${DEFAULT_MAX_TENSORS})`,
        1,
        2 ** 31 - 1,
      ).conflicts("splitMaxSize"),
    )
    .addOption(size.argParser(parseSize))
    .option("--no-tensor-first-split", "no tensors in the first file, only metadata")
    .option("--dry-run", "say what would be written")
    .action((input: string, output: string, values: SplitValues) => split(input, output, values));
}

async function split(input: string, output: string, values: SplitValues): Promise<void> {
  const gguf = await openGguf(input);
  try {
    await writeAll(
      values.merge ? [merged(gguf, output)] : parts(gguf, output, values),
      values.dryRun ?? false,
    );
  } finally {
    await closeGguf(gguf);
  }
}

interface Part {
  readonly path: string;
  readonly contents: GgufContents;
}

function merged(gguf: Gguf, path: string): Part {
  if (gguf.sources.length === 1)
    throw new UsageError("split --merge: expected a file of a series, found a model in one file");
  return { path, contents: contentsOf(gguf) };
}

function parts(
  gguf: Gguf,
  output: string,
  { splitMaxTensors, splitMaxSize, tensorFirstSplit }: SplitValues,
): Part[] {
  if (parseSplitName(output) !== undefined)
    throw new UsageError(`${output}: expected a name without -0000N-of-0000N, which is added`);
  const maxTensors =
    splitMaxTensors ?? (splitMaxSize === undefined ? DEFAULT_MAX_TENSORS : undefined);
  const contents = splitContents(gguf, {
    maxTensors,
    maxBytes: splitMaxSize,
    noTensorFirstSplit: !tensorFirstSplit,
  });
  const all = contents.map((one, i) => ({
    path: splitName(output, i, contents.length),
    contents: one,
  }));
  return all;
}

/** Replaces nothing, as a series cannot be replaced at once. None of the files takes its place before all are written. */
async function writeAll(parts: readonly Part[], dryRun: boolean): Promise<void> {
  const taken = parts.find(({ path }) => existsSync(path));
  if (taken)
    throw new UsageError(
      `${taken.path}: expected no such file yet, found one; remove it or choose another name`,
    );
  const signal = interruptSignal(),
    files: OutputFile[] = [],
    lines: string[] = [];
  try {
    for (const { path, contents } of parts) {
      const n = [...contents.tensors].length,
        file = dryRun ? undefined : new OutputFile(path);
      if (file) files.push(file);
      const bytes = await writeGguf(
        {
          write(piece) {
            signal.throwIfAborted();
            file?.write(piece);
          },
        },
        contents,
      );
      lines.push(`${path}: ${n} tensors, ${bytes} bytes\n`);
    }
    for (const file of files) file.commit();
  } finally {
    for (const file of files) file.discard();
  }
  await print(lines.join(""));
}

function parseSize(text: string): number {
  const [, digits, unit] = /^(\d{1,9})([MG])$/.exec(text) ?? [];
  const bytes = Number(digits) * (unit === "G" ? 1e9 : 1e6);
  if (bytes > 0) return bytes;
  throw new UsageError(
    `--split-max-size: expected a number above 0 and M or G, such as 500M, found ${JSON.stringify(text)}`,
  );
}
