// What will be written: for every tensor of a model its type in the output, in the order of the output. Nothing is read or
// converted here, so a plan costs nothing and --dry-run is the plan alone.

import {
  type Gguf,
  type GgmlType,
  importance,
  type Imatrix,
  tensorBytes,
  type TensorInfo,
  typeByName,
  type TypeName,
} from "../../../formats/index.ts";
import { OptionError } from "../../errors.ts";
import { fittingType } from "./fallback.ts";
import type { Ftype } from "./ftypes.ts";
import { mixedType, type MixModel, type MixPlace } from "./mix.ts";
import { mixedIkType } from "./mix-ik.ts";
import { isQuantised, isTokenEmbedding, layerOf, type Role, roleOf } from "./roles.ts";

/** `--tensor-type`: tensors whose name the pattern finds get the type. */
export interface TensorTypeRule {
  readonly pattern: RegExp;
  readonly type: TypeName;
}

export interface PlanOptions {
  /** Undefined: COPY, every tensor as it is. */
  readonly ftype: Ftype | undefined;
  /** Every tensor in the file's own type. */
  readonly pure?: boolean;
  /** `output.weight` as it is. */
  readonly leaveOutput?: boolean;
  readonly outputType?: TypeName;
  readonly tokenEmbeddingType?: TypeName;
  /** The first that matches decides, before the mix. */
  readonly tensorTypes?: readonly TensorTypeRule[];
  /** Instead of the mix: what decides where no other option does. */
  readonly choose?: (tensor: TensorInfo) => TypeName;
  readonly imatrix?: Imatrix;
  /** Quantised tensors may be quantised again. */
  readonly allowRequantize?: boolean;
  /** Tensors by file, as the input has them; otherwise by layer and name. */
  readonly keepSplit?: boolean;
}

/** What the kernels can do. */
export interface QuantizerTypes {
  readonly written: ReadonlySet<string>;
  readonly read: ReadonlySet<string>;
  /** Impossible without importance weights. */
  readonly needImatrix: ReadonlySet<string>;
}

export interface PlannedTensor {
  readonly source: TensorInfo;
  readonly type: GgmlType;
  /** The type that was asked for, where it does not fit the rows. */
  readonly wanted: TypeName | undefined;
  /** Mean square of every input column, f32 [nMatrices, width]; undefined: none known. */
  readonly importance: Float32Array | undefined;
  /** In the output. */
  readonly bytes: number;
}

/**
 * Throws OptionError for a type that cannot be written, an importance matrix that is missing for a type of few bits or of
 * another model, and quantised input without allowRequantize; the message names the tensor.
 */
export function planQuantization(
  gguf: Gguf,
  types: QuantizerTypes,
  options: PlanOptions,
): PlannedTensor[] {
  const choose = typeChooser(mixModelOf(gguf, options.imatrix !== undefined), options);
  return outputOrder(gguf, options.keepSplit ?? false).map((source) => {
    const wanted = choose(source),
      type = wanted === undefined ? source.type : fittingType(wanted, source.shape[0]);
    const weights = isQuantised(source)
      ? importanceOf(source, options.imatrix, options.ftype)
      : undefined;
    checkTensor(source, type, weights, types, options);
    return {
      source,
      type,
      wanted: wanted === undefined || wanted === type.name ? undefined : wanted,
      importance: weights,
      bytes: tensorBytes(type, source.shape),
    };
  });
}

/** llama.cpp's order: by layer, those without one first, then by name; or as the files have them. */
function outputOrder(gguf: Gguf, keepSplit: boolean): TensorInfo[] {
  const tensors = [...gguf.tensors.values()];
  if (keepSplit)
    return tensors.sort((a, b) => a.sourceIndex - b.sourceIndex || a.offset - b.offset);
  const layer = ({ name }: TensorInfo) => layerOf(name) ?? -1;
  return tensors.sort((a, b) => layer(a) - layer(b) || (a.name < b.name ? -1 : 1));
}

function mixModelOf({ metadata, tensors }: Gguf, hasImatrix: boolean): MixModel {
  const architecture = metadata.getString("general.architecture", ""),
    number = (key: string) => firstNumber(metadata.get(`${architecture}.${key}`)?.value);
  const nHead = number("attention.head_count"),
    nHeadKv = number("attention.head_count_kv") ?? nHead;
  const roles = [...tensors.keys()].map(roleOf);
  return {
    architecture,
    nLayer: number("block_count") ?? 0,
    nVocab: tensors.get("token_embd.weight")?.shape[1] ?? 0,
    gqa: nHead && nHeadKv ? Math.floor(nHead / nHeadKv) : 0,
    nExpert: number("expert_count") ?? 0,
    tied: !roles.includes("output"),
    hasImatrix,
    nAttnV: roles.filter(isAttnV).length,
  };
}

/** A number, or the first of one for every layer. */
function firstNumber(value: unknown): number | undefined {
  const first = (value as { values?: ArrayLike<unknown> } | undefined)?.values?.[0] ?? value;
  return typeof first === "number" || typeof first === "bigint" ? Number(first) : undefined;
}

const isAttnV = (role: Role) => role === "attnV" || role === "attnQkv" || role === "attnKvB";

/** Type of one tensor after the other, in the order of the output; undefined: as it is. */
function typeChooser(
  model: MixModel,
  options: PlanOptions,
): (tensor: TensorInfo) => TypeName | undefined {
  const { ftype, pure, leaveOutput, outputType, tokenEmbeddingType, tensorTypes = [] } = options;
  /** Tensors of a role that the mix has seen. */
  const seen = new Map<string, number>();
  return (tensor) => {
    const { name, shape } = tensor;
    if (!ftype || !isQuantised(tensor) || (leaveOutput && name === "output.weight"))
      return undefined;
    const role = roleOf(name);
    if (tokenEmbeddingType !== undefined && isTokenEmbedding(name)) return tokenEmbeddingType;
    const isOutput = role === "output" || (model.tied && role === "tokenEmbedding");
    if (outputType !== undefined && role === "output") return outputType;
    if (isPlain(ftype.type)) return ftype.type;
    const rule = tensorTypes.find(({ pattern }) => pattern.test(name));
    if (rule) return rule.type;
    if (pure) return ftype.type;
    if (isOutput && outputType !== undefined) return outputType;
    if (options.choose) return options.choose(tensor);
    const kind = isAttnV(role) ? "attnV" : role,
      count = seen.get(kind) ?? 0;
    seen.set(kind, count + 1);
    // experts that are not in one tensor do not come in the order of layers
    const byLayer = role.startsWith("ffn") && model.nExpert > 1;
    const place: MixPlace = {
      model,
      name,
      role,
      shape,
      type: ftype.type,
      blockSize: typeByName(ftype.type).blockSize,
      index: (byLayer ? layerOf(name) : undefined) ?? count,
    };
    const mixed =
      ftype.from === "llama.cpp" ? mixedType(ftype.name, place) : mixedIkType(ftype.name, place);
    return mixed ?? ftype.type;
  };
}

const isPlain = (type: TypeName) => type === "F32" || type === "F16" || type === "BF16";

/** Importance weights of a tensor: those of its name, one row for every expert. */
function importanceOf(
  { name, shape }: TensorInfo,
  imatrix: Imatrix | undefined,
  ftype: Ftype | undefined,
): Float32Array | undefined {
  const entry = imatrix?.entries.get(name);
  if (entry === undefined || ftype === undefined || isPlain(ftype.type)) return undefined;
  const expected = shape[0] * (shape[2] ?? 1);
  if (entry.sums.length === expected) return importance(entry);
  // the embeddings' rows are looked up: what was collected is not theirs
  if (isTokenEmbedding(name)) return undefined;
  throw new OptionError(
    `${name}: expected an importance matrix of ${expected} values, found ${entry.sums.length}; it belongs to another model`,
  );
}

/** Types of so few bits that they are of no use without importance weights. */
export const LOW_BIT_TYPES: readonly string[] = [
  "IQ1_S",
  "IQ1_M",
  "IQ2_XXS",
  "IQ2_XS",
  "IQ2_S",
  "IQ1_KT",
  "IQ2_KT",
];

/** Embeddings and output have no weights of their own as a rule, and are let through. */
function wantsImatrix({ name }: TensorInfo, type: GgmlType, ftype: Ftype | undefined): boolean {
  if (isTokenEmbedding(name) || name === "output.weight") return false;
  if (type.name === "IQ3_XXS") return ftype?.name === "IQ3_XXS";
  if (type.name === "Q2_K") return ftype?.name === "Q2_K_S";
  return LOW_BIT_TYPES.includes(type.name);
}

function checkTensor(
  source: TensorInfo,
  type: GgmlType,
  weights: Float32Array | undefined,
  types: QuantizerTypes,
  { ftype, allowRequantize = false, imatrix }: PlanOptions,
): void {
  if (type === source.type) return;
  const { name } = source;
  if (!types.written.has(type.name)) {
    throw new OptionError(
      `${name}: expected a type that can be written, found ${type.name}; choose another one with --tensor-type`,
    );
  }
  if (!types.read.has(source.type.name)) {
    throw new OptionError(
      `${name}: expected a type that can be read, found ${source.type.name}; quantise the original model`,
    );
  }
  if (!allowRequantize && !isPlain(source.type.name)) {
    throw new OptionError(
      `${name}: expected F32, F16 or BF16, found ${source.type.name}; quantise the original model, or allow the loss with --allow-requantize`,
    );
  }
  const needs = wantsImatrix(source, type, ftype) || types.needImatrix.has(type.name);
  if (weights !== undefined || !needs) return;
  throw new OptionError(
    `${name}: expected importance weights, which ${type.name} needs, found ${imatrix ? "none for it in the matrix" : "no matrix"}; ` +
      "collect them (samebit imatrix) and give them with --imatrix, or choose another type",
  );
}
