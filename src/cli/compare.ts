// samebit compare: what a model's smaller versions cost. Size, perplexity, divergence from the first model and speed of each,
// as a table and as JSON.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { closeGguf, inspect } from "../../formats/index.ts";
import { type Model, openGguf } from "../index.ts";
import { platform } from "../platform/index.ts";
import { OutputFile, writeFileWhole } from "../platform/output-file.ts";
import { type Chunks, cutChunks } from "../tools/chunks.ts";
import { type KldBase, measureKlDivergence, openKldBase } from "../tools/kl-divergence.ts";
import { kldBaseWriter } from "../tools/kld-base-writer.ts";
import { measurePerplexity } from "../tools/perplexity.ts";
import { measureSpeed, type Speed } from "../tools/speed.ts";
import type { Estimate } from "../tools/uncertainty.ts";
import { chunkProgress } from "./chunk-progress.ts";
import { tokenizeCorpus } from "./corpus.ts";
import { UsageError } from "./errors.ts";
import { interruptSignal } from "./interrupt.ts";
import { openDecoder, openFile } from "./load.ts";
import {
  addEngineOptions,
  addModelOptions,
  type EngineValues,
  type ModelValues,
  wholeOption,
} from "./options.ts";
import { checkOutput, print, printJson } from "./output.ts";
import { addTextOptions, type TextValues } from "./text.ts";

interface CompareValues extends ModelValues, EngineValues, TextValues {
  readonly ctxSize: number;
  readonly chunks: number;
  readonly speed: boolean;
  readonly output?: string;
  readonly json?: boolean;
}

interface Compared {
  readonly model: string;
  readonly fileBytes: number;
  readonly bitsPerWeight: number;
  readonly perplexity: Estimate;
  /** Against the first model; absent for itself. */
  readonly klDivergence?: Estimate;
  readonly deltaPRms?: Estimate;
  readonly sameTop?: Estimate;
  readonly speed?: Speed;
}

export function addCompareCommand(program: Command): void {
  const command = program
    .command("compare")
    .description("show what quantised versions of a model cost in quality")
    .argument("<base>", "model to compare with: as a rule the one that is not quantised")
    .argument("[models...]", "its versions");
  addTextOptions(command).option("-e, --escape", "replace \\n, \\t, \\xHH ... in -p");
  command
    .optionsGroup("Measure:")
    .addOption(
      wholeOption(
        "-c, --ctx-size <N>",
        "tokens of a chunk; 0: what the base was trained for",
        0,
        2 ** 24,
      ).default(512),
    )
    .addOption(wholeOption("--chunks <N>", "chunks at most; -1: all", -1, 2 ** 31 - 1).default(-1))
    .option(
      "--no-speed",
      "do not measure tokens per second; everything else is the same on every run",
    )
    .optionsGroup("Output:")
    .option("-o, --output <FILE>", "also write the JSON to a file")
    .option("--json", "print JSON instead of a table");
  addModelOptions(command);
  command.options.find(({ long }) => long === "--model")!.hidden = true; // refused
  addEngineOptions(command, { context: false });
  command.action((base: string, models: string[], values: CompareValues) =>
    compare([base, ...models], values),
  );
}

async function compare([basePath, ...paths]: string[], values: CompareValues): Promise<void> {
  if (values.model !== undefined) {
    throw new UsageError(
      `--model: expected models as arguments, found ${values.model}; samebit compare BASE.gguf MODEL.gguf ...`,
    );
  }
  checkOutput(values.output);
  // a file that is none must not be found after an hour with those before it
  for (const path of [basePath, ...paths]) await closeGguf(await openGguf(path, values.overrideKv));
  const signal = interruptSignal(),
    folder = mkdtempSync(join(tmpdir(), "samebit-compare-"));
  const basefile = join(folder, "base.kld"),
    rows: Compared[] = [];
  try {
    const nCtx = await measureBase(basePath, basefile, values, signal, rows);
    const source = await platform.openFile(basefile);
    try {
      const base = await openKldBase(source);
      for (const path of paths) rows.push(await measureVersion(path, base, values, signal));
    } finally {
      await source.close?.();
    }
    const json = { n_ctx: nCtx, text: values.file ?? null, models: rows.map(rowJson) };
    if (values.output !== undefined)
      writeFileWhole(values.output, `${JSON.stringify(json, null, 2)}\n`);
    await (values.json ? printJson(json) : print(table(rows)));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Adds the base's row, and leaves its log-probabilities in `basefile`. */
async function measureBase(
  path: string,
  basefile: string,
  values: CompareValues,
  signal: AbortSignal,
  rows: Compared[],
): Promise<number> {
  const model = await openDecoder({ ...values, model: path }, signal),
    file = new OutputFile(basefile);
  try {
    const most = values.chunks < 0 ? Infinity : Math.max(values.chunks, 1);
    const chunks = cutChunks(await tokenizeCorpus(model, values), model.nCtx, most),
      progress = chunkProgress(chunks.count);
    try {
      const { perplexity } = await measurePerplexity(model, chunks, {
        signal,
        onRow: kldBaseWriter(model.nVocab, chunks, (bytes) => file.write(bytes)),
        onChunk: ({ chunk }) => progress.update(chunk, path),
      });
      file.commit();
      rows.push({
        ...(await size(path, values)),
        perplexity,
        speed: await speedOf(model, chunks, values, signal),
      });
    } finally {
      progress.stop();
    }
    return model.nCtx;
  } finally {
    file.discard();
    await model.close();
  }
}

async function measureVersion(
  path: string,
  base: KldBase,
  values: CompareValues,
  signal: AbortSignal,
): Promise<Compared> {
  const model = await openDecoder({ ...values, model: path }, signal, { nCtx: base.nCtx }),
    progress = chunkProgress(base.nChunks);
  try {
    const { perplexity, klDivergence, deltaPRms, sameTop } = await measureKlDivergence(
      model,
      base,
      {
        signal,
        onChunk: ({ chunk }) => progress.update(chunk, path),
      },
    );
    const speed = await speedOf(
      model,
      { tokens: base.tokens, nCtx: base.nCtx, count: base.nChunks },
      values,
      signal,
    );
    return { ...(await size(path, values)), perplexity, klDivergence, deltaPRms, sameTop, speed };
  } finally {
    progress.stop();
    await model.close();
  }
}

async function speedOf(
  model: Model,
  { tokens }: Chunks,
  { speed }: CompareValues,
  signal: AbortSignal,
): Promise<Speed | undefined> {
  return speed ? measureSpeed(model, tokens, signal) : undefined;
}

/** Bits per weight: of the tensors alone, without the vocabulary. */
async function size(
  path: string,
  values: CompareValues,
): Promise<Pick<Compared, "model" | "fileBytes" | "bitsPerWeight">> {
  const gguf = await openFile({ ...values, model: path });
  try {
    const { totals } = inspect(gguf, { maxArrayValues: 0 });
    return { model: path, fileBytes: totals.fileBytes, bitsPerWeight: totals.bitsPerWeight };
  } finally {
    await closeGguf(gguf);
  }
}

function rowJson(row: Compared) {
  const estimate = (name: string, e: Estimate | undefined) =>
    e === undefined ? {} : { [name]: e.value, [`${name}_error`]: e.error };
  return {
    model: row.model,
    file_bytes: row.fileBytes,
    bits_per_weight: row.bitsPerWeight,
    ...estimate("perplexity", row.perplexity),
    ...estimate("kld_mean", row.klDivergence),
    ...estimate("delta_p_rms", row.deltaPRms),
    ...estimate("same_top", row.sameTop),
    ...(row.speed && {
      read_tokens_per_second: row.speed.read,
      write_tokens_per_second: row.speed.write,
    }),
  };
}

function table(rows: readonly Compared[]): string {
  const pm = (e: Estimate | undefined, digits: number, factor = 1) =>
    e === undefined
      ? "-"
      : `${(factor * e.value).toFixed(digits)} ± ${(factor * e.error).toFixed(digits)}`;
  const cells = rows.map((row) => [
    row.model,
    (row.fileBytes / 1e6).toFixed(2),
    row.bitsPerWeight.toFixed(2),
    pm(row.perplexity, 4),
    pm(row.klDivergence, 6),
    pm(row.deltaPRms, 2, 100),
    pm(row.sameTop, 2, 100),
    row.speed?.read.toFixed(1) ?? "-",
    row.speed?.write.toFixed(1) ?? "-",
  ]);
  const titles = [
    "model",
    "MB",
    "bits/weight",
    "perplexity",
    "KL divergence",
    "RMS Δp %",
    "same top %",
    "read t/s",
    "write t/s",
  ];
  const widths = titles.map((title, i) =>
    Math.max(title.length, ...cells.map((row) => row[i].length)),
  );
  return [titles, ...cells]
    .map(
      (row) =>
        `${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join("  ")}\n`,
    )
    .join("");
}
