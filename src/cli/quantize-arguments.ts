// What a user asks of samebit quantize, read from its arguments and options.

import { dirname, join } from "node:path";
import { type Imatrix, typeByName, type TypeName } from "../../formats/index.ts";
import { findFtype, type Ftype, ftypeCalled } from "../tools/quantize/ftypes.ts";
import type { Target } from "../tools/quantize/optimise.ts";
import type { PlanOptions, TensorTypeRule } from "../tools/quantize/plan.ts";
import { UsageError } from "./errors.ts";
import { readImatrixFiles } from "./imatrix-file.ts";
import { readText } from "./text.ts";

export interface QuantizeValues {
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
  readonly targetBpw?: number;
  readonly targetSize?: number;
  readonly candidates?: readonly TypeName[];
  readonly overrideKv?: readonly string[];
  readonly keepSplit?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** What the positional arguments say. */
export interface QuantizeRequest {
  readonly output: string;
  readonly kind: Ftype | "COPY" | Target;
  readonly threads: number | undefined;
}

export const isTarget = (kind: QuantizeRequest["kind"]): kind is Target =>
  typeof kind === "object" && !("name" in kind);

const isType = (text: string) => text.toUpperCase() === "COPY" || findFtype(text) !== undefined;

/** `[output] type [threads]`: no output where -o is given, no type where a target is. */
export function parseRequest(
  input: string,
  rest: readonly string[],
  values: QuantizeValues,
): QuantizeRequest {
  const target = targetOf(values),
    named = values.output === undefined && rest.length > 0 && !isType(rest[0]);
  const after = rest.slice(named ? 1 : 0),
    [type, threads, ...more] = target ? ["mix", ...after] : after;
  if (type === undefined)
    throw new UsageError("quantize: expected a type after the files, found none");
  if (more.length > 0) {
    const expected = target ? "[output] [threads] beside a target" : "[output] type [threads]";
    throw new UsageError(`quantize: expected ${expected}, found ${rest.join(" ")}`);
  }
  if (threads !== undefined && !/^[1-9]\d{0,2}$/.test(threads))
    throw new UsageError(`threads: expected a number from 1, found ${JSON.stringify(threads)}`);
  const kind = target ?? (type.toUpperCase() === "COPY" ? "COPY" : ftypeCalled(type));
  const name = typeof kind === "object" && "name" in kind ? kind.name : type;
  return {
    output: named ? rest[0] : (values.output ?? join(dirname(input), `ggml-model-${name}.gguf`)),
    kind,
    threads: values.threads ?? (threads === undefined ? undefined : Number(threads)),
  };
}

function targetOf({ targetBpw, targetSize, candidates }: QuantizeValues): Target | undefined {
  if (targetBpw !== undefined) return { bitsPerWeight: targetBpw };
  if (targetSize !== undefined) return { fileBytes: targetSize };
  if (candidates === undefined) return undefined;
  throw new UsageError("--candidates: expected --target-bpw or --target-size beside it");
}

export async function planOptions(values: QuantizeValues): Promise<Omit<PlanOptions, "ftype">> {
  return {
    pure: values.pure,
    leaveOutput: values.leaveOutputTensor,
    outputType: values.outputTensorType,
    tokenEmbeddingType: values.tokenEmbeddingType,
    tensorTypes: [...values.tensorType, ...(await typesOfFile(values.tensorTypeFile))],
    imatrix: await importanceOf(values),
    allowRequantize: values.allowRequantize,
    keepSplit: values.keepSplit,
  };
}

/** Tokens of a chunk in .dat files, which do not tell; it changes no importance weight. */
const DAT_CHUNK = 512;

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

async function typesOfFile(path: string | undefined): Promise<TensorTypeRule[]> {
  if (path === undefined) return [];
  const words = (await readText({ file: path })).split(/\s+/);
  return words.filter((word) => word !== "").map((word) => parseTensorType(word, path));
}

export function parseType(text: string, where: string): TypeName {
  try {
    return typeByName(text).name;
  } catch {
    throw new UsageError(
      `${where}: expected a tensor type such as Q4_K, found ${JSON.stringify(text)}`,
    );
  }
}

/** `REGEX=TYPE`; upper and lower case are not told apart. */
export function parseTensorType(text: string, where: string): TensorTypeRule {
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

/** Bits per weight. */
export function parseBits(text: string): number {
  const bits = /^\d+(\.\d+)?$/.test(text) ? Number(text) : 0;
  if (bits > 0 && bits <= 32) return bits;
  throw new UsageError(
    `--target-bpw: expected bits above 0, at most 32, found ${JSON.stringify(text)}`,
  );
}

const UNITS = ["", "k", "m", "g", "t"];

/** `3.5G`: bytes, in powers of 1024, as llama-quantize reads them. */
export function parseTargetSize(text: string): number {
  const [, digits, unit = ""] = /^(\d+(?:\.\d+)?)(?:([kmgt])(?:i?b)?|b)?$/i.exec(text) ?? [];
  const bytes = Math.floor(Number(digits) * 1024 ** UNITS.indexOf(unit.toLowerCase()));
  if (bytes > 0 && Number.isSafeInteger(bytes)) return bytes;
  throw new UsageError(
    `--target-size: expected a number above 0 with or without K, M, G or T, such as 3.5G, found ${JSON.stringify(text)}`,
  );
}
