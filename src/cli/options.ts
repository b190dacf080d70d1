// Options that several commands share: which model, how to run it, and the parsers of option
// values. Every parser fails with `--flag: expected X, found Y`.

import { type Command, Option } from "commander";
import { parseOverrides } from "../../formats/index.ts";
import type { CacheType, KernelBuild, WeightsKind } from "../index.ts";
import { UsageError } from "./errors.ts";

export interface ModelValues {
  readonly model?: string;
  readonly overrideKv?: readonly string[];
  readonly mmproj?: string;
}

export interface EngineValues {
  readonly threads?: number;
  readonly ctxSize?: number;
  readonly batchSize?: number;
  readonly weights?: WeightsKind;
  readonly cacheTypeK?: CacheType;
  readonly cacheTypeV?: CacheType;
  readonly swaFull?: boolean;
  readonly kernelBuild?: KernelBuild;
  readonly bankBytes?: number;
}

/** llama.cpp's options for things that samebit does not have or does not ask about -> why. */
export const IGNORED: ReadonlyMap<string, string> = new Map([
  ["nGpuLayers", "--n-gpu-layers (-ngl) has no effect: everything runs on the CPU"],
  ["mmap", "--mmap and --no-mmap have no effect: weights are always copied into memory"],
  ["flashAttn", "--flash-attn (-fa) has no effect: attention is always fused"],
  ["mlock", "--mlock has no effect: memory cannot be locked from JavaScript"],
]);

export function addModelOptions(command: Command): Command {
  return command
    .optionsGroup("Model:")
    .option(
      "-m, --model <FILE>",
      "GGUF file; any one file of a split model (default: the embedded model)",
    )
    .addOption(overrideOption())
    .addOption(new Option("--n-gpu-layers <N>", "accepted and ignored").hideHelp())
    .addOption(new Option("--mmproj <FILE>", "refused: images are not supported").hideHelp())
    .addOption(new Option("--mmap", "accepted and ignored").hideHelp())
    .addOption(new Option("--no-mmap", "accepted and ignored").hideHelp())
    .addOption(new Option("--flash-attn [MODE]", "accepted and ignored").hideHelp())
    .addOption(new Option("--mlock", "accepted and ignored").hideHelp())
    .addHelpText(
      "after",
      "\nAccepted for llama.cpp's sake, without effect: -ngl, --mmap, --no-mmap, --mlock, -fa.",
    );
}

/** `context`: whether the user chooses the size of the context. */
export function addEngineOptions(command: Command, { context = true } = {}): Command {
  command.optionsGroup("Engine (-t, -b, --kernel-build and --bank-bytes never change a result):");
  command.addOption(
    wholeOption("-t, --threads <N>", "compute threads (default: the machine's)", 1, 128),
  );
  if (context) {
    command.addOption(
      wholeOption(
        "-c, --ctx-size <N>",
        "positions of the context; 0: what the model was trained for (default: that, at most 4096)",
        0,
        2 ** 24,
      ),
    );
  }
  return command
    .addOption(
      wholeOption("-b, --batch-size <N>", "tokens evaluated at once (default: 512)", 1, 8192),
    )
    .addOption(
      choiceOption(
        "--weights <KIND>",
        "compact: as in the file (default); fast: IQ1, IQ2, IQ3 larger and faster; f32: all in f32",
        ["compact", "fast", "f32"],
      ),
    )
    .addOption(
      choiceOption(
        "--cache-type-k <TYPE>",
        "-ctk; keys in the cache: f32, f16 (default) or q8_0",
        CACHE_TYPES,
      ),
    )
    .addOption(
      choiceOption(
        "--cache-type-v <TYPE>",
        "-ctv; values in the cache: f32, f16 (default) or q8_0",
        CACHE_TYPES,
      ),
    )
    .option("--swa-full", "layers with a sliding window keep every position in the cache")
    .addOption(
      choiceOption("--kernel-build <NAME>", "dot32, rel16 or base (default: the fastest here)", [
        "dot32",
        "rel16",
        "base",
      ]),
    )
    .addOption(
      wholeOption(
        "--bank-bytes <N>",
        "most bytes of weights and cache in one memory (default: 4 GiB)",
        1,
        2 ** 32,
      ),
    );
}

const CACHE_TYPES = ["f32", "f16", "q8_0"] as const;

export function overrideOption(): Option {
  return listOption(
    "--override-kv <KEY=TYPE:VALUE>",
    "replace a metadata value; TYPE is int, float, bool or str; may be repeated",
  ).argParser((text: string, earlier: readonly string[] = []) => {
    parseOverrides(text); // throws for bad ones, before any file is opened
    return [...earlier, text];
  });
}

/** May be given several times. */
export function listOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser(
    (text: string, earlier: readonly string[] = []) => [...earlier, text],
  );
}

export function wholeOption(
  flags: string,
  description: string,
  least: number,
  most: number,
): Option {
  const option = new Option(flags, description);
  return option.argParser((text: string) => {
    const value = /^[+-]?\d{1,16}$/.test(text) ? Number(text) : NaN;
    if (value >= least && value <= most) return value;
    throw new UsageError(
      `${option.long}: expected an integer from ${least} to ${most}, found ${JSON.stringify(text)}`,
    );
  });
}

export function realOption(flags: string, description: string): Option {
  const option = new Option(flags, description);
  return option.argParser((text: string) => {
    if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return Number(text);
    throw new UsageError(`${option.long}: expected a number, found ${JSON.stringify(text)}`);
  });
}

export function choiceOption(
  flags: string,
  description: string,
  choices: readonly string[],
): Option {
  const option = new Option(flags, description);
  return option.argParser((text: string) => {
    if (choices.includes(text)) return text;
    throw new UsageError(
      `${option.long}: expected one of ${choices.join(", ")}, found ${JSON.stringify(text)}`,
    );
  });
}

/** `1,5,7`: token ids. */
export function tokensOption(flags: string, description: string): Option {
  const option = new Option(flags, description);
  return option.argParser((text: string) => {
    if (/^\s*\d{1,9}\s*(,\s*\d{1,9}\s*)*$/.test(text)) return text.split(",").map(Number);
    throw new UsageError(
      `${option.long}: expected token ids separated by commas, found ${JSON.stringify(text)}`,
    );
  });
}
