// samebit perplexity: how well a model predicts a text, and with --kl-divergence how far it is from another model. Numbers
// and base files are llama-perplexity's. Standard output has the same bytes for any number of threads.

import type { Command } from "commander";
import type { Model } from "../index.ts";
import { platform } from "../platform/index.ts";
import { OutputFile, writeFileWhole } from "../platform/output-file.ts";
import { type Chunks, cutChunks } from "../tools/chunks.ts";
import { measureKlDivergence, openKldBase } from "../tools/kl-divergence.ts";
import { kldBaseWriter } from "../tools/kld-base-writer.ts";
import { type ChunkPerplexity, measurePerplexity } from "../tools/perplexity.ts";
import { cutWindows, measureStridedPerplexity, windowTokens } from "../tools/strided-perplexity.ts";
import { addTaskOptions, measureTasks, type TaskValues, taskFlags } from "./choice-tasks.ts";
import { type ChunkProgress, chunkProgress } from "./chunk-progress.ts";
import { UsageError } from "./errors.ts";
import { interruptSignal } from "./interrupt.ts";
import { modelPath, openDecoder } from "./load.ts";
import {
  addEngineOptions,
  addModelOptions,
  type EngineValues,
  type ModelValues,
  wholeOption,
} from "./options.ts";
import { checkOutput, print, printJson } from "./output.ts";
import {
  divergenceCsv,
  divergenceJson,
  divergenceLine,
  divergenceText,
  DIVERGENCE_TITLE,
  perplexityCsv,
  perplexityJson,
  perplexityText,
} from "./perplexity-report.ts";
import { addTextOptions, type TextValues } from "./text.ts";
import { tokenizeCorpus } from "./corpus.ts";

interface PerplexityValues extends ModelValues, EngineValues, TextValues, TaskValues {
  readonly chunks: number;
  readonly pplStride: number;
  readonly klDivergence?: boolean;
  readonly klDivergenceBase?: string;
  readonly csv?: string;
  readonly json?: boolean;
}

const DEFAULT_CTX = 512;

export function addPerplexityCommand(program: Command): void {
  const command = program
    .command("perplexity")
    .description("measure how well a model predicts a text, or solves multiple-choice tasks");
  addTextOptions(command).option("-e, --escape", "replace \\n, \\t, \\xHH ... in -p");
  command
    .optionsGroup("Measure:")
    .addOption(
      wholeOption(
        "-c, --ctx-size <N>",
        "tokens of a chunk; 0: what the model was trained for",
        0,
        2 ** 24,
      ).default(DEFAULT_CTX),
    )
    .addOption(wholeOption("--chunks <N>", "chunks at most; -1: all", -1, 2 ** 31 - 1).default(-1))
    .option(
      "--kl-divergence-base <FILE>",
      "write this model's log-probabilities; with --kl-divergence: read them",
    )
    .option(
      "--kl-divergence",
      "compare with the model that wrote --kl-divergence-base, on its text and context",
    )
    .addOption(
      wholeOption(
        "--ppl-stride <N>",
        "windows that overlap: move by N tokens and score the last N; 0: chunks side by side",
        0,
        2 ** 24,
      ).default(0),
    );
  addTaskOptions(command);
  command
    .optionsGroup("Output:")
    .option("--csv <FILE>", "write the values of every chunk, or task")
    .option("--json", "as one JSON object");
  addModelOptions(command);
  addEngineOptions(command, { context: false });
  command.action((values: PerplexityValues) => perplexity(values));
}

async function perplexity(values: PerplexityValues): Promise<void> {
  checkCombination(values);
  checkOutput(values.csv);
  if (taskFlags(values).length > 0) return measureTasks(values);
  if (values.pplStride > 0) return measureStrided(values);
  if (!values.klDivergence) return measure(values);
  if (values.klDivergenceBase === undefined) {
    throw new UsageError(
      "--kl-divergence: expected --kl-divergence-base FILE beside it, found none",
    );
  }
  if (values.prompt !== undefined || values.file !== undefined) {
    throw new UsageError(
      "--kl-divergence: expected no text, found --prompt or --file; the base file holds the text",
    );
  }
  return compare(values, values.klDivergenceBase);
}

/** One measure at a time. */
function checkCombination(values: PerplexityValues): void {
  const asked = [
    ...taskFlags(values),
    ...(values.klDivergence ? ["--kl-divergence"] : []),
    ...(values.pplStride > 0 ? ["--ppl-stride"] : []),
  ];
  if (asked.length > 1) throw new UsageError(`expected one measure, found ${asked.join(" and ")}`);
  const [only] = asked;
  if (only !== undefined && only !== "--kl-divergence" && values.klDivergenceBase !== undefined)
    throw new UsageError(`${only}: expected no --kl-divergence-base beside it, found one`);
}

const mostChunks = ({ chunks }: PerplexityValues) => (chunks < 0 ? Infinity : Math.max(chunks, 1));

async function measure(values: PerplexityValues): Promise<void> {
  const signal = interruptSignal(),
    model = await openDecoder(values, signal);
  try {
    const chunks = cutChunks(await tokenizeCorpus(model, values), model.nCtx, mostChunks(values));
    const base =
      values.klDivergenceBase === undefined ? undefined : new OutputFile(values.klDivergenceBase);
    try {
      const report = await scored(model, chunks, values, signal, base);
      base?.commit();
      if (values.csv !== undefined) writeFileWhole(values.csv, perplexityCsv(report));
      const about = { model: modelPath(values), nCtx: model.nCtx };
      await (values.json
        ? printJson(perplexityJson(about, report))
        : print(perplexityText(report)));
    } finally {
      base?.discard();
    }
  } finally {
    await model.close();
  }
}

async function measureStrided(values: PerplexityValues): Promise<void> {
  const { pplStride: stride, ctxSize = DEFAULT_CTX } = values;
  if (ctxSize === 0) throw new UsageError("--ppl-stride: expected -c N beside it, found -c 0");
  const signal = interruptSignal(),
    nCtx = windowTokens(ctxSize, stride),
    model = await openDecoder(values, signal, { nCtx });
  try {
    const windows = cutWindows(
        await tokenizeCorpus(model, values),
        nCtx,
        stride,
        mostChunks(values),
      ),
      progress = chunkProgress(windows.count);
    try {
      const report = await measureStridedPerplexity(model, windows, {
        signal,
        onChunk: (chunk) => showChunk(chunk, values, progress),
      });
      if (values.csv !== undefined) writeFileWhole(values.csv, perplexityCsv(report));
      const about = { model: modelPath(values), nCtx };
      await (values.json
        ? printJson(perplexityJson(about, report))
        : print(perplexityText(report)));
    } finally {
      progress.stop();
    }
  } finally {
    await model.close();
  }
}

async function showChunk(
  { chunk, perplexity: { value } }: ChunkPerplexity,
  { json }: PerplexityValues,
  progress: ChunkProgress,
): Promise<void> {
  progress.update(chunk, `perplexity ${value.toFixed(4)}`);
  if (!json) await print(`[${chunk}]${value.toFixed(4)},`);
}

async function scored(
  model: Model,
  chunks: Chunks,
  values: PerplexityValues,
  signal: AbortSignal,
  base: OutputFile | undefined,
) {
  const progress = chunkProgress(chunks.count);
  try {
    return await measurePerplexity(model, chunks, {
      signal,
      onRow: base && kldBaseWriter(model.nVocab, chunks, (bytes) => base.write(bytes)),
      onChunk: (chunk) => showChunk(chunk, values, progress),
    });
  } finally {
    progress.stop();
  }
}

async function compare(values: PerplexityValues, basePath: string): Promise<void> {
  const signal = interruptSignal(),
    source = await platform.openFile(basePath);
  try {
    const base = await openKldBase(source),
      most = mostChunks(values);
    const model = await openDecoder(values, signal, { nCtx: base.nCtx });
    const progress = chunkProgress(Math.min(base.nChunks, most));
    try {
      if (!values.json) await print(DIVERGENCE_TITLE);
      const report = await measureKlDivergence(
        model,
        base,
        {
          signal,
          async onChunk(chunk) {
            progress.update(chunk.chunk, `KL divergence ${chunk.klDivergence.value.toFixed(5)}`);
            if (!values.json) await print(divergenceLine(chunk));
          },
        },
        most,
      );
      if (values.csv !== undefined) writeFileWhole(values.csv, divergenceCsv(report));
      const about = { model: modelPath(values), nCtx: base.nCtx };
      await (values.json
        ? printJson(divergenceJson(about, report))
        : print(divergenceText(report)));
    } finally {
      progress.stop();
      await model.close();
    }
  } finally {
    await source.close?.();
  }
}
