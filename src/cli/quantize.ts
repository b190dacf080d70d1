// samebit quantize: a model in another type, or in the mix of types that suits a size best. Arguments and options as
// llama-quantize's.

import { existsSync, realpathSync } from "node:fs";
import { type Command, Option } from "commander";
import {
  applyOverrides,
  closeGguf,
  type Gguf,
  ggufBytes,
  type GgufContents,
  parseOverrides,
  splitName,
  type TypeName,
  writeGguf,
} from "../../formats/index.ts";
import { openGguf } from "../index.ts";
import { OutputFile } from "../platform/output-file.ts";
import { openQuantizer, type Quantizer } from "../quantize.ts";
import { type Ftype, FTYPES } from "../tools/quantize/ftypes.ts";
import { type OptimisedPlan, optimisePlan } from "../tools/quantize/optimise.ts";
import { type PlannedTensor, planQuantization, type PlanOptions } from "../tools/quantize/plan.ts";
import {
  type OutputOptions,
  quantizedContents,
  quantizerTypes,
} from "../tools/quantize/quantize-model.ts";
import { note, UsageError } from "./errors.ts";
import { interruptSignal } from "./interrupt.ts";
import { listOption, overrideOption, wholeOption } from "./options.ts";
import { checkOutput, print, printJson } from "./output.ts";
import { bytesProgress } from "./progress.ts";
import {
  isTarget,
  parseBits,
  parseRequest,
  parseTargetSize,
  parseTensorType,
  parseType,
  planOptions,
  type QuantizeRequest,
  type QuantizeValues,
} from "./quantize-arguments.ts";
import { planTable, quantizeReport, summary } from "./quantize-report.ts";

export function addQuantizeCommand(program: Command): void {
  const command = program
    .command("quantize")
    .description("write a model in a smaller type")
    .usage("[options] <input> [output] <type> [threads]")
    .argument("<input>", "model in F32, F16 or BF16; any one file of a split model")
    .argument("[rest...]", "output, type (name or number; none beside a target) and threads");
  addOutputOptions(command);
  addTypeOptions(command);
  command
    .optionsGroup("Importance weights:")
    .option("--imatrix <FILE>", "of samebit imatrix or llama-imatrix")
    .addOption(
      listOption("--include-weights <NAME>", "only for tensors with this in their names").default(
        [],
        "all",
      ),
    )
    .addOption(
      listOption("--exclude-weights <NAME>", "not for tensors with this in their names")
        .conflicts("includeWeights")
        .default([], "none"),
    )
    .optionsGroup("Engine (never changes a byte):")
    .addOption(wholeOption("-t, --threads <N>", "compute threads (default: the machine's)", 1, 128))
    .addHelpText("after", `\nTypes: ${FTYPES.map(({ name }) => name).join(", ")}, COPY.`)
    .action((input: string, rest: string[], values: QuantizeValues) =>
      quantize(input, parseRequest(input, rest, values), values),
    );
}

function addOutputOptions(command: Command): void {
  command
    .optionsGroup("Output:")
    .option("-o, --output <FILE>", "where to write (default: ggml-model-TYPE.gguf beside input)")
    .option("--keep-split", "write as many files as the input has")
    .addOption(overrideOption())
    .option("--dry-run", "say what would be written, and how large it would be")
    .option("--json", "the report as JSON")
    .optionsGroup("Size (types are chosen by measured errors; --imatrix is needed):")
    .addOption(
      new Option("--target-bpw <N>", "bits per weight at most, over the whole model")
        .argParser(parseBits)
        .conflicts(["targetSize", "pure"]),
    )
    .addOption(
      new Option("--target-size <N>", "bytes of the output at most; K, M, G, T: times 1024 ...")
        .argParser(parseTargetSize)
        .conflicts("pure"),
    )
    .addOption(
      new Option("--candidates <TYPES>", "types to choose from (default: llama.cpp's)").argParser(
        (text: string) => text.split(",").map((name) => parseType(name, "--candidates")),
      ),
    );
}

function addTypeOptions(command: Command): void {
  const typeOption = (flags: string, description: string) => {
    const option = new Option(flags, description);
    return option.argParser((text: string): TypeName => parseType(text, option.long!));
  };
  command
    .optionsGroup("Types:")
    .option("--pure", "all tensors in one type, without llama.cpp's mix")
    .addOption(
      listOption(
        "--tensor-type <REGEX=TYPE>",
        "type of tensors whose names match; may be repeated, the first match counts",
      )
        .argParser((text: string, earlier: readonly unknown[]) => [
          ...earlier,
          parseTensorType(text, "--tensor-type"),
        ])
        .default([], "the mix"),
    )
    .option("--tensor-type-file <FILE>", "such pairs, between blanks or lines")
    .addOption(typeOption("--token-embedding-type <TYPE>", "type of the token embeddings"))
    .addOption(typeOption("--output-tensor-type <TYPE>", "type of output.weight"))
    .option("--leave-output-tensor", "output.weight stays as it is")
    .option("--allow-requantize", "accept quantised input: much worse than from F16");
}

async function quantize(
  input: string,
  request: QuantizeRequest,
  values: QuantizeValues,
): Promise<void> {
  const options = await planOptions(values),
    original = await openGguf(input);
  try {
    const gguf = applyOverrides(original, (values.overrideKv ?? []).flatMap(parseOverrides));
    const output: OutputOptions = {
      ftype: undefined,
      imatrix: options.imatrix && { file: values.imatrix!, matrix: options.imatrix },
      keepSplit: values.keepSplit,
    };
    if (!values.dryRun) checkOutputs(gguf, request.output, values);
    const { plan, ftype, expectedError } = await makePlan(gguf, request, options, output, values);
    for (const { source, type, wanted } of plan)
      if (wanted !== undefined)
        note(
          `${source.name}: rows of ${source.shape[0]} do not fit ${wanted}; it becomes ${type.name}`,
        );
    const contents = { ...output, ftype: ftype?.number };
    const sizes = values.dryRun
      ? quantizedContents(gguf, plan, undefined, contents).map(ggufBytes)
      : await write(gguf, plan, request, contents);
    const files = outputPaths(request.output, sizes.length).map((path, i) => ({
      path,
      bytes: sizes[i],
    }));
    const name = isTarget(request.kind) ? "mix" : (ftype?.name ?? "COPY"),
      report = quantizeReport(plan, name, files, expectedError);
    if (values.json) return await printJson(report);
    const dryRun = values.dryRun ?? false;
    await print(`${dryRun ? planTable(plan) : ""}${summary(report, dryRun)}`);
  } finally {
    await closeGguf(original);
  }
}

/** The types of a file type's mix, or those that suit a target best. */
async function makePlan(
  gguf: Gguf,
  { kind, threads }: QuantizeRequest,
  options: Omit<PlanOptions, "ftype">,
  output: OutputOptions,
  { candidates }: QuantizeValues,
): Promise<Partial<OptimisedPlan> & { plan: PlannedTensor[]; ftype: Ftype | undefined }> {
  const types = await quantizerTypes();
  if (!isTarget(kind)) {
    const ftype = kind === "COPY" ? undefined : kind;
    return { plan: planQuantization(gguf, types, { ...options, ftype }), ftype };
  }
  return withQuantizer("measuring", gguf, threads, (quantizer, onBytes, signal) =>
    optimisePlan(gguf, types, options, quantizer, {
      target: kind,
      candidates,
      fileBytes: (plan) =>
        quantizedContents(gguf, plan, undefined, { ...output, ftype: 0 })
          .map(ggufBytes)
          .reduce((a, b) => a + b),
      signal,
      onBytes,
    }),
  );
}

/** Writes all files and answers their sizes. None takes its place before all are written. */
function write(
  gguf: Gguf,
  plan: readonly PlannedTensor[],
  { output, threads }: QuantizeRequest,
  options: OutputOptions,
): Promise<number[]> {
  return withQuantizer("quantising", gguf, threads, async (quantizer, onBytes, signal) => {
    const contents = quantizedContents(gguf, plan, quantizer, { ...options, signal, onBytes }),
      paths = outputPaths(output, contents.length),
      files: OutputFile[] = [],
      sizes: number[] = [];
    try {
      for (const [i, one] of contents.entries()) {
        const file = new OutputFile(paths[i]);
        files.push(file);
        sizes.push(await writeOne(file, one, signal));
      }
      for (const file of files) file.commit();
    } finally {
      for (const file of files) file.discard();
    }
    return sizes;
  });
}

/** Work with a quantiser, under a bar of the bytes of `gguf`. */
async function withQuantizer<T>(
  doing: string,
  gguf: Gguf,
  threads: number | undefined,
  work: (quantizer: Quantizer, onBytes: (bytes: number) => void, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const signal = interruptSignal(),
    progress = bytesProgress(doing),
    total = [...gguf.tensors.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  let done = 0;
  const quantizer = await openQuantizer({ threads });
  try {
    return await work(quantizer, (bytes) => progress.update((done += bytes), total), signal);
  } finally {
    progress.stop();
    await quantizer.close();
  }
}

function writeOne(file: OutputFile, contents: GgufContents, signal: AbortSignal): Promise<number> {
  const sink = {
    async write(piece: Uint8Array) {
      // a signal is only heard between two turns of the event loop
      await new Promise((resolve) => setImmediate(resolve));
      signal.throwIfAborted();
      file.write(piece);
    },
  };
  return writeGguf(sink, contents);
}

/**
 * Before any work: a series cannot be replaced at once, a file that is being read must stay, whatever its path, and there
 * must be a place to write to.
 */
function checkOutputs({ sources }: Gguf, output: string, { keepSplit }: QuantizeValues): void {
  const paths = outputPaths(output, keepSplit ? sources.length : 1);
  const taken = paths.length > 1 ? paths.find((path) => existsSync(path)) : undefined;
  if (taken !== undefined)
    throw new UsageError(
      `${taken}: expected no such file yet, found one; remove it or choose another name`,
    );
  const inputs = new Set(sources.map(({ name }) => realpathSync(name)));
  const own = paths.find((path) => existsSync(path) && inputs.has(realpathSync(path)));
  if (own !== undefined)
    throw new UsageError(`${own}: expected another file than the input, found the same`);
  paths.forEach(checkOutput);
}

const outputPaths = (output: string, count: number): string[] =>
  count === 1 ? [output] : Array.from({ length: count }, (_, i) => splitName(output, i, count));
