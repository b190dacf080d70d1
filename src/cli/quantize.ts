// samebit quantize: a model in another type, or in a mix of types that fits a size. Arguments and options as
// llama-quantize's.

import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type Command, Option } from "commander";
import {
  applyOverrides,
  closeGguf,
  countWeights,
  type Gguf,
  ggufBytes,
  type GgufContents,
  type Imatrix,
  parseOverrides,
  splitName,
  typeByName,
  type TypeName,
  writeGguf,
} from "../../formats/index.ts";
import { openGguf } from "../index.ts";
import { OutputFile } from "../platform/output-file.ts";
import { openQuantizer } from "../quantize.ts";
import { findFtype, type Ftype, FTYPES, ftypeCalled } from "../tools/quantize/ftypes.ts";
import {
  type PlannedTensor,
  type PlanOptions,
  planQuantization,
  type TensorTypeRule,
} from "../tools/quantize/plan.ts";
import {
  type OutputOptions,
  quantizedContents,
  quantizerTypes,
} from "../tools/quantize/quantize-model.ts";
import { note, UsageError } from "./errors.ts";
import { readImatrixFiles } from "./imatrix-file.ts";
import { interruptSignal } from "./interrupt.ts";
import { listOption, overrideOption, wholeOption } from "./options.ts";
import { print, printJson } from "./output.ts";
import { bytesProgress } from "./progress.ts";

interface QuantizeValues {
  readonly output?: string;
  readonly threads?: number;
  readonly imatrix?: string;
  readonly includeWeights: readonly string[];
  readonly excludeWeights: readonly string[];
  readonly pure?: boolean;
  readonly allowRequantize?: boolean;
  readonly leaveOutputTensor?: boolean;
  readonly outputTensorType?: TypeName;
  readonly tokenEmbeddingType?: TypeName;
  readonly tensorType: readonly TensorTypeRule[];
  readonly tensorTypeFile?: string;
  readonly overrideKv?: readonly string[];
  readonly keepSplit?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** Tokens of a chunk in .dat files, which do not tell; it changes no importance weight. */
const DAT_CHUNK = 512;
const MIB = 1024 * 1024;

export function addQuantizeCommand(program: Command): void {
  program
    .command("quantize")
    .description("write a model in a smaller type")
    .usage("[options] <input> [output] <type> [threads]")
    .argument("<input>", "model in F32, F16 or BF16; any one file of a split model")
    .argument("[rest...]", "output, type (name or number) and threads")
    .optionsGroup("Output:")
    .option("-o, --output <FILE>", "where to write (default: ggml-model-TYPE.gguf beside input)")
    .option("--keep-split", "write as many files as the input has")
    .addOption(overrideOption())
    .option("--dry-run", "say what would be written, and how large it would be")
    .option("--json", "the report as JSON")
    .optionsGroup("Types:")
    .option("--pure", "all tensors in one type, without llama.cpp's mix")
    .addOption(
      new Option(
        "--tensor-type <REGEX=TYPE>",
        "type of tensors whose name matches; may be repeated, the first match counts",
      )
        .argParser((text: string, earlier: readonly TensorTypeRule[]) => [
          ...earlier,
          parseTensorType(text, "--tensor-type"),
        ])
        .default([], "the mix"),
    )
    .option("--tensor-type-file <FILE>", "such pairs, between blanks or lines")
    .addOption(typeOption("--token-embedding-type <TYPE>", "type of the token embeddings"))
    .addOption(typeOption("--output-tensor-type <TYPE>", "type of output.weight"))
    .option("--leave-output-tensor", "output.weight stays as it is")
    .option("--allow-requantize", "accept quantised input: much worse than from F16")
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
      quantize(input, rest, values),
    );
}

/** What the positional arguments say. */
interface Request {
  readonly output: string;
  /** Undefined: COPY. */
  readonly ftype: Ftype | undefined;
  readonly threads: number | undefined;
}

/** `[output] type [threads]`, the output not where -o is given. */
function parseRest(input: string, rest: readonly string[], values: QuantizeValues): Request {
  const isType = (text: string) => text.toUpperCase() === "COPY" || findFtype(text) !== undefined;
  const named = values.output === undefined && rest.length > 0 && !isType(rest[0]);
  const output = named ? rest[0] : values.output,
    [type, nThreads, ...more] = rest.slice(named ? 1 : 0);
  if (type === undefined)
    throw new UsageError("quantize: expected a type after the files, found none");
  if (more.length > 0)
    throw new UsageError(`quantize: expected [output] type [threads], found ${rest.join(" ")}`);
  if (nThreads !== undefined && !/^[1-9]\d{0,2}$/.test(nThreads))
    throw new UsageError(`threads: expected a number from 1, found ${JSON.stringify(nThreads)}`);
  const ftype = type.toUpperCase() === "COPY" ? undefined : ftypeCalled(type);
  return {
    output: output ?? join(dirname(input), `ggml-model-${ftype?.name ?? "COPY"}.gguf`),
    ftype,
    threads: values.threads ?? (nThreads === undefined ? undefined : Number(nThreads)),
  };
}

async function quantize(
  input: string,
  rest: readonly string[],
  values: QuantizeValues,
): Promise<void> {
  const request = parseRest(input, rest, values),
    imatrix = await importanceOf(values),
    tensorTypes = [...values.tensorType, ...typesOfFile(values.tensorTypeFile)];
  const original = await openGguf(input);
  try {
    const gguf = applyOverrides(original, (values.overrideKv ?? []).flatMap(parseOverrides));
    const options: PlanOptions = {
      ftype: request.ftype,
      pure: values.pure,
      leaveOutput: values.leaveOutputTensor,
      outputType: values.outputTensorType,
      tokenEmbeddingType: values.tokenEmbeddingType,
      tensorTypes,
      imatrix,
      allowRequantize: values.allowRequantize,
      keepSplit: values.keepSplit,
    };
    const plan = planQuantization(gguf, await quantizerTypes(), options);
    const outputOptions: OutputOptions = {
      ftype: request.ftype?.number,
      imatrix: imatrix && { file: values.imatrix!, matrix: imatrix },
      keepSplit: values.keepSplit,
    };
    for (const { source, type, wanted } of plan)
      if (wanted !== undefined && !values.json)
        note(
          `${source.name}: rows of ${source.shape[0]} do not fit ${wanted}, written as ${type.name}`,
        );
    const files = values.dryRun
      ? quantizedContents(gguf, plan, undefined, outputOptions).map(ggufBytes)
      : await write(gguf, plan, request, outputOptions);
    const paths = outputPaths(request.output, files.length),
      report = reportOf(request, plan, paths, files);
    if (values.json) return await printJson(report);
    await print(`${values.dryRun ? planTable(plan) : ""}${summary(report, values.dryRun)}`);
  } finally {
    await closeGguf(original);
  }
}

/** Writes all files and answers their sizes. None takes its place before all are written. */
async function write(
  gguf: Gguf,
  plan: readonly PlannedTensor[],
  { output, threads }: Request,
  options: OutputOptions,
): Promise<number[]> {
  const signal = interruptSignal(),
    progress = bytesProgress("quantising"),
    total = plan.reduce((sum, { source }) => sum + source.bytes, 0);
  let done = 0;
  const quantizer = await openQuantizer({ threads }),
    files: OutputFile[] = [];
  try {
    const contents = quantizedContents(gguf, plan, quantizer, {
      ...options,
      signal,
      onBytes: (bytes) => progress.update((done += bytes), total),
    });
    const paths = outputPaths(output, contents.length);
    refuseToReplace(gguf, paths);
    const sizes: number[] = [];
    for (const [i, one] of contents.entries()) {
      const file = new OutputFile(paths[i]);
      files.push(file);
      sizes.push(await writeOne(file, one, signal));
    }
    for (const file of files) file.commit();
    return sizes;
  } finally {
    progress.stop();
    for (const file of files) file.discard();
    await quantizer.close();
  }
}

async function writeOne(
  file: OutputFile,
  contents: GgufContents,
  signal: AbortSignal,
): Promise<number> {
  return writeGguf(
    {
      async write(piece) {
        // a signal is only heard between two turns of the event loop
        await new Promise((resolve) => setImmediate(resolve));
        signal.throwIfAborted();
        file.write(piece);
      },
    },
    contents,
  );
}

/** A series cannot be replaced at once, and a file that is being read must stay. */
function refuseToReplace(gguf: Gguf, paths: readonly string[]): void {
  const taken = paths.length > 1 ? paths.find((path) => existsSync(path)) : undefined;
  if (taken !== undefined)
    throw new UsageError(
      `${taken}: expected no such file yet, found one; remove it or choose another name`,
    );
  const own = paths.find((path) => gguf.sources.some(({ name }) => name === path));
  if (own !== undefined)
    throw new UsageError(`${own}: expected another file than the input, found the same`);
}

const outputPaths = (output: string, count: number): string[] =>
  count === 1 ? [output] : Array.from({ length: count }, (_, i) => splitName(output, i, count));

/** The matrix of --imatrix, without the tensors that the options leave out. */
async function importanceOf({
  imatrix: path,
  includeWeights,
  excludeWeights,
}: QuantizeValues): Promise<Imatrix | undefined> {
  if (path === undefined) {
    if (includeWeights.length + excludeWeights.length === 0) return undefined;
    throw new UsageError("--include-weights, --exclude-weights: expected --imatrix beside them");
  }
  const imatrix = (await readImatrixFiles([path], DAT_CHUNK))!;
  const wanted = (name: string) =>
    (includeWeights.length === 0 || includeWeights.some((part) => name.includes(part))) &&
    !excludeWeights.some((part) => name.includes(part));
  const entries = new Map([...imatrix.entries].filter(([name]) => wanted(name)));
  return entries.size > 0 ? { ...imatrix, entries } : undefined;
}

function typeOption(flags: string, description: string): Option {
  const option = new Option(flags, description);
  return option.argParser((text: string) => parseType(text, option.long!));
}

function parseType(text: string, where: string): TypeName {
  try {
    return typeByName(text).name;
  } catch {
    throw new UsageError(
      `${where}: expected a tensor type such as Q4_K, found ${JSON.stringify(text)}`,
    );
  }
}

function parseTensorType(text: string, where: string): TensorTypeRule {
  const [, pattern, type] = /^(.+)=([^=]+)$/s.exec(text) ?? [];
  if (pattern === undefined) {
    throw new UsageError(
      `${where}: expected REGEX=TYPE, such as ffn_down=Q6_K, found ${JSON.stringify(text)}`,
    );
  }
  try {
    return { pattern: new RegExp(pattern, "i"), type: parseType(type, where) };
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new UsageError(
      `${where}: expected a regular expression before =, found ${JSON.stringify(pattern)}`,
    );
  }
}

function typesOfFile(path: string | undefined): TensorTypeRule[] {
  if (path === undefined) return [];
  const words = readFileSync(path, "utf8")
    .split(/\s+/)
    .filter((word) => word !== "");
  return words.map((word) => parseTensorType(word, path));
}

interface Report {
  readonly type: string;
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
  readonly weights: number;
  /** Of tensor data. */
  readonly bytesBefore: number;
  readonly bytes: number;
  readonly bitsPerWeight: number;
  readonly tensors: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly from: TypeName;
    readonly to: TypeName;
    /** Asked for, where it did not fit. */
    readonly wanted?: TypeName;
    readonly imatrix: boolean;
    readonly bytes: number;
  }[];
}

function reportOf(
  { ftype }: Request,
  plan: readonly PlannedTensor[],
  paths: readonly string[],
  sizes: readonly number[],
): Report {
  const sum = (of: (tensor: PlannedTensor) => number) => plan.reduce((n, one) => n + of(one), 0);
  const bytes = sum((one) => one.bytes),
    weights = sum(({ source }) => countWeights(source.shape));
  return {
    type: ftype?.name ?? "COPY",
    files: paths.map((path, i) => ({ path, bytes: sizes[i] })),
    weights,
    bytesBefore: sum(({ source }) => source.bytes),
    bytes,
    bitsPerWeight: (bytes * 8) / weights,
    tensors: plan.map(({ source, type, wanted, importance, bytes: size }) => ({
      name: source.name,
      shape: source.shape,
      from: source.type.name,
      to: type.name,
      wanted,
      imatrix: importance !== undefined,
      bytes: size,
    })),
  };
}

function planTable(plan: readonly PlannedTensor[]): string {
  const rows = plan.map(({ source, type, bytes }) => [
    source.name,
    source.shape.join(" x "),
    source.type.name,
    type === source.type ? "" : `-> ${type.name}`,
    `${(source.bytes / MIB).toFixed(2)} MiB`,
    type === source.type ? "" : `-> ${(bytes / MIB).toFixed(2)} MiB`,
  ]);
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  const line = (row: readonly string[]) =>
    row.map((cell, i) => (i === 4 ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join("  ");
  return rows.map((row) => `${line(row).trimEnd()}\n`).join("");
}

function summary(
  { files, weights, bytesBefore, bytes, bitsPerWeight }: Report,
  dryRun = false,
): string {
  const size = (n: number) => `${(n / MIB).toFixed(2)} MiB`;
  const lines = files.map(
    (file) =>
      `${dryRun ? basename(file.path) : file.path}: ${file.bytes} bytes${dryRun ? " (not written)" : ""}`,
  );
  return [
    `tensors: ${size(bytesBefore)} (${((bytesBefore * 8) / weights).toFixed(2)} bits a weight) -> ${size(bytes)} (${bitsPerWeight.toFixed(2)})`,
    ...lines,
    "",
  ].join("\n");
}
