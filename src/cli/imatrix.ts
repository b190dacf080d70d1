// samebit imatrix: an importance matrix from a text, for quantising; also combines, converts and describes such files.

import { type Command } from "commander";
import type { Imatrix } from "../../formats/index.ts";
import type { Model } from "../index.ts";
import { cutChunks } from "../tools/chunks.ts";
import { collectImatrix } from "../tools/imatrix.ts";
import { imatrixStatistics, type TensorStatistics } from "../tools/imatrix-statistics.ts";
import { kernelMath } from "../tools/kernel-math.ts";
import { chunkProgress } from "./chunk-progress.ts";
import { tokenizeCorpus } from "./corpus.ts";
import { note, UsageError } from "./errors.ts";
import { type ImatrixFormat, readImatrixFiles, writeImatrixFile } from "./imatrix-file.ts";
import { interruptSignal } from "./interrupt.ts";
import { openDecoder } from "./load.ts";
import {
  addEngineOptions,
  addModelOptions,
  choiceOption,
  type EngineValues,
  listOption,
  type ModelValues,
  wholeOption,
} from "./options.ts";
import { checkOutput, print, printJson } from "./output.ts";
import { addTextOptions, type TextValues } from "./text.ts";

interface ImatrixValues extends ModelValues, EngineValues, TextValues {
  readonly ctxSize: number;
  readonly output: string;
  readonly outputFormat?: ImatrixFormat;
  readonly outputFrequency: number;
  readonly saveFrequency: number;
  readonly inFile: readonly string[];
  readonly chunk: number;
  readonly chunks: number;
  readonly processOutput?: boolean;
  readonly parseSpecial?: boolean;
  readonly ppl: boolean;
  readonly showStatistics?: boolean;
  readonly json?: boolean;
}

const I32 = 2 ** 31 - 1;

export function addImatrixCommand(program: Command): void {
  const command = program
    .command("imatrix")
    .description("collect an importance matrix, or combine and convert such files");
  addTextOptions(command).option("-e, --escape", "replace \\n, \\t, \\xHH ... in -p");
  command
    .optionsGroup("Matrix:")
    .addOption(
      wholeOption(
        "-c, --ctx-size <N>",
        "tokens of a chunk; 0: what the model was trained for",
        0,
        2 ** 24,
      ).default(512),
    )
    .addOption(wholeOption("--chunk <N>", "begin with this chunk, from 0", 0, I32).default(0))
    .addOption(wholeOption("--chunks <N>", "chunks at most; -1: all", -1, I32).default(-1))
    .addOption(
      listOption(
        "--in-file <FILE>",
        "add to this matrix; may be repeated; without a text: only combine",
      ).default([]),
    )
    .option("--process-output", "also the matrix of the logits, output.weight")
    .option("--parse-special", "read the texts of special tokens as those tokens")
    .option("--no-ppl", "do not compute the perplexity")
    .optionsGroup("Output:")
    .option("-o, --output <FILE>", "the matrix", "imatrix.gguf")
    .addOption(
      choiceOption("--output-format <FORMAT>", "gguf or dat (default: dat for *.dat)", [
        "gguf",
        "dat",
      ]),
    )
    .addOption(
      wholeOption("--output-frequency <N>", "save after every N chunks", 1, I32).default(10),
    )
    .addOption(
      wholeOption(
        "--save-frequency <N>",
        "keep a copy, FILE.at_CHUNK, after every N chunks; 0: none",
        0,
        I32,
      ).default(0),
    )
    .option("--show-statistics", "describe the matrix of --in-file, and do nothing else")
    .option("--json", "statistics as JSON");
  addModelOptions(command);
  addEngineOptions(command, { context: false });
  command.action((values: ImatrixValues) => imatrix(values));
}

async function imatrix(values: ImatrixValues): Promise<void> {
  if (!values.showStatistics) checkOutput(values.output);
  const start = await readImatrixFiles(values.inFile, values.ctxSize || 512);
  if (values.showStatistics) {
    if (start === undefined)
      throw new UsageError("--show-statistics: expected --in-file FILE beside it, found none");
    const statistics = imatrixStatistics(start, await kernelMath());
    return values.json ? printJson(statistics) : print(statisticsTable(statistics));
  }
  if (start !== undefined && values.file === undefined && values.prompt === undefined) {
    await writeImatrixFile(values.output, start, values.outputFormat);
    return print(`${values.output}: ${start.entries.size} weights, ${start.chunkCount} chunks\n`);
  }
  const signal = interruptSignal(),
    model = await openDecoder(values, signal, { calibrate: true });
  try {
    await collect(model, values, start, signal);
  } finally {
    await model.close();
  }
}

async function collect(
  model: Model,
  values: ImatrixValues,
  start: Imatrix | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { chunk: firstChunk, output, outputFormat, outputFrequency, saveFrequency } = values;
  const tokens = await tokenizeCorpus(model, values, values.parseSpecial);
  const chunks = cutChunks(
    tokens,
    model.nCtx,
    values.chunks < 0 ? Infinity : firstChunk + Math.max(values.chunks, 1),
  );
  if (firstChunk >= chunks.count)
    throw new UsageError(`--chunk: expected less than ${chunks.count}, found ${firstChunk}`);
  const progress = chunkProgress(chunks.count - firstChunk);
  let final = "";
  try {
    const whole = await collectImatrix(model, chunks, {
      dataset: values.file ?? "",
      firstChunk,
      start,
      processOutput: values.processOutput,
      perplexity: values.ppl,
      signal,
      async onChunk({ chunk, perplexity, imatrix }) {
        const done = chunk - firstChunk;
        progress.update(done, perplexity ? `perplexity ${perplexity.value.toFixed(4)}` : "");
        if (perplexity) {
          await print(`[${chunk}]${perplexity.value.toFixed(4)},`);
          final = `\nFinal estimate: PPL = ${perplexity.value.toFixed(4)} +/- ${perplexity.error.toFixed(5)}\n`;
        }
        if (done % outputFrequency === 0) await writeImatrixFile(output, imatrix, outputFormat);
        if (saveFrequency > 0 && done % saveFrequency === 0)
          await writeImatrixFile(
            `${output}.at_${chunk}`,
            imatrix,
            outputFormat ?? formatOf(output),
          );
      },
    });
    await writeImatrixFile(output, whole, outputFormat);
    for (const [name, { counts }] of whole.entries) {
      const unseen = counts.filter((n) => n === 0).length;
      if (unseen > 0)
        note(
          `${name}: ${unseen} of ${counts.length} experts saw no token; a longer text would reach them`,
        );
    }
  } finally {
    progress.stop();
  }
  await print(final);
}

const formatOf = (path: string): ImatrixFormat => (path.endsWith(".dat") ? "dat" : "gguf");

function statisticsTable(statistics: readonly TensorStatistics[]): string {
  const rows = statistics.map((s) => [
    s.layer === undefined ? "-" : String(s.layer),
    s.name.replace(/^blk\.\d+\./, ""),
    s.sum.toFixed(2),
    s.min.toFixed(4),
    s.max.toFixed(4),
    s.mean.toFixed(4),
    s.deviation.toFixed(4),
    `${(100 * s.active).toFixed(2)}%`,
    String(s.n),
    s.entropy.toFixed(4),
    `${(100 * s.normalisedEntropy).toFixed(2)}%`,
    `${(100 * s.zScore).toFixed(2)}%`,
    s.cosine === undefined ? "-" : s.cosine.toFixed(4),
  ]);
  const titles = [
    "layer",
    "tensor",
    "sum(x^2)",
    "min",
    "max",
    "mean",
    "dev",
    "active",
    "n",
    "entropy",
    "norm",
    "far",
    "cosine",
  ];
  const widths = titles.map((title, i) =>
    Math.max(title.length, ...rows.map((row) => row[i].length)),
  );
  return [titles, ...rows]
    .map(
      (row) =>
        `${row.map((cell, i) => (i === 1 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join("  ")}\n`,
    )
    .join("");
}
