// samebit bench: how fast a model reads a prompt (pp) and writes (tg) here. The measures are llama-
// bench's: a prompt from an empty context, single tokens from an empty context.

import type { Command } from "commander";
import { closeGguf, inspect } from "../../formats/index.ts";
import type { Model } from "../index.ts";
import { platform } from "../platform/index.ts";
import { UsageError } from "./errors.ts";
import { interruptSignal } from "./interrupt.ts";
import { modelPath, openDecoder, openFile } from "./load.ts";
import {
  addEngineOptions,
  addModelOptions,
  type EngineValues,
  type ModelValues,
  wholeOption,
} from "./options.ts";
import { print, printJson } from "./output.ts";

interface BenchValues extends ModelValues, EngineValues {
  readonly nPrompt: number;
  readonly nGen: number;
  readonly repetitions: number;
  readonly json?: boolean;
}

interface Measure {
  /** Tokens of one repetition. */
  n: number;
  /** Mean over the repetitions, and its standard deviation. */
  tokens_per_second: number;
  stddev: number;
  /** Tokens per second of each. */
  samples: number[];
}

export function addBenchCommand(program: Command): void {
  const command = program.command("bench").description("measure the speed of reading and writing");
  command
    .addOption(
      wholeOption("-p, --n-prompt <N>", "tokens of the prompt; 0: none", 0, 2 ** 20).default(128),
    )
    .addOption(
      wholeOption("-n, --n-gen <N>", "tokens written one by one; 0: none", 0, 2 ** 20).default(32),
    )
    .addOption(
      wholeOption(
        "-r, --repetitions <N>",
        "how often to measure each, after a warm-up",
        1,
        1000,
      ).default(3),
    )
    .option("--json", "as one JSON object");
  addModelOptions(command);
  addEngineOptions(command, { context: false });
  command.action((values: BenchValues) => bench(values));
}

async function bench(values: BenchValues): Promise<void> {
  const { nPrompt, nGen, repetitions } = values;
  if (nPrompt + nGen === 0)
    throw new UsageError("--n-prompt: expected it or --n-gen above 0, found both 0");
  const model = await describeFile(values);
  const signal = interruptSignal();
  const loaded = await openDecoder(values, signal, { nCtx: Math.max(nPrompt, nGen) });
  try {
    const read = (n: number) => evaluate(loaded, n, n, signal),
      write = (n: number) => evaluate(loaded, n, 1, signal);
    // Engines compile hot code in the background: the first rounds are slower.
    if (nPrompt > 0) await read(nPrompt);
    if (nGen > 0) await write(Math.min(nGen, 8));
    const report = {
      pp: nPrompt > 0 ? await measure(nPrompt, repetitions, read) : null,
      tg: nGen > 0 ? await measure(nGen, repetitions, write) : null,
      load_seconds: loaded.loadSeconds,
      rss_bytes: process.memoryUsage().rss,
      peak_rss_bytes: process.resourceUsage().maxRSS * 1024,
      kernel_build: loaded.kernelBuild,
      runtime: platform.runtime,
      threads: loaded.threads,
      model,
    };
    await (values.json ? printJson(report) : print(readable(report)));
  } finally {
    await loaded.close();
  }
}

async function describeFile(values: ModelValues) {
  const gguf = await openFile(values);
  try {
    const { totals, types } = inspect(gguf, { maxArrayValues: 0 });
    return {
      file: modelPath(values),
      name: gguf.metadata.getString("general.name", ""),
      architecture: gguf.metadata.getString("general.architecture"),
      file_bytes: totals.fileBytes,
      parameters: totals.parameters,
      main_type: types[0]?.type ?? "",
    };
  } finally {
    await closeGguf(gguf);
  }
}

/** Seconds for n tokens in steps of `step`, from an empty context. */
async function evaluate(
  model: Model,
  n: number,
  step: number,
  signal: AbortSignal,
): Promise<number> {
  const tokens = randomTokens(n, model.nVocab),
    session = model.createSession();
  try {
    const start = performance.now();
    for (let i = 0; i < n; i += step)
      await session.evaluate(tokens.subarray(i, i + step), { signal });
    return (performance.now() - start) / 1000;
  } finally {
    session.close();
  }
}

async function measure(
  n: number,
  repetitions: number,
  run: (n: number) => Promise<number>,
): Promise<Measure> {
  const samples: number[] = [];
  for (let i = 0; i < repetitions; i++) samples.push(n / (await run(n)));
  const mean = samples.reduce((sum, x) => sum + x, 0) / repetitions;
  const variance =
    samples.reduce((sum, x) => sum + (x - mean) ** 2, 0) / Math.max(repetitions - 1, 1);
  return { n, tokens_per_second: mean, stddev: Math.sqrt(variance), samples };
}

/** The same n ids every time. Which ones hardly matters, except in a mixture of experts. */
function randomTokens(n: number, nVocab: number): Int32Array {
  let state = 1;
  return Int32Array.from({ length: n }, () => {
    // Numerical Recipes' linear congruential generator; its high bits are the good ones.
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * nVocab);
  });
}

function readable({
  pp,
  tg,
  load_seconds,
  rss_bytes,
  kernel_build,
  runtime,
  threads,
  model,
}: {
  pp: Measure | null;
  tg: Measure | null;
  load_seconds: number;
  rss_bytes: number;
  kernel_build: string;
  runtime: string;
  threads: number;
  model: { file: string; name: string };
}): string {
  const row = (name: string, m: Measure | null) =>
    m === null
      ? []
      : [
          `${name} ${m.n}`.padEnd(8) +
            `${m.tokens_per_second.toFixed(2)} ± ${m.stddev.toFixed(2)} tokens/s`,
        ];
  return (
    [
      `${model.name || model.file}: ${threads} threads, kernels ${kernel_build}, ${runtime}`,
      ...row("pp", pp),
      ...row("tg", tg),
      `loaded in ${load_seconds.toFixed(2)} s, ${(rss_bytes / 2 ** 20).toFixed(0)} MiB resident`,
    ].join("\n") + "\n"
  );
}
