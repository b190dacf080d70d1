// A mix made for one model and one size: what every type would cost every tensor is measured (sensitivity.ts), priced by how
// much the tensor matters (stream-share.ts), and the best types for the bytes are chosen (budget.ts).

import {
  countWeights,
  type Gguf,
  type TensorInfo,
  typeByName,
  type TypeName,
} from "../../../formats/index.ts";
import { OptionError } from "../../errors.ts";
import type { Quantizer } from "../../quantize.ts";
import { type Choice, chooseWithin } from "./budget.ts";
import { type Ftype, FTYPES, ftypeCalled } from "./ftypes.ts";
import {
  LOW_BIT_TYPES,
  type PlannedTensor,
  type PlanOptions,
  planQuantization,
  type QuantizerTypes,
} from "./plan.ts";
import { measureTensor, type Sensitivity } from "./sensitivity.ts";
import { streamShares } from "./stream-share.ts";

/** How large the output may be. */
export type Target =
  /** Of the tensors' data, over all weights of the model. */
  | { readonly bitsPerWeight: number }
  /** Of the files. */
  | { readonly fileBytes: number };

export interface OptimiseOptions {
  readonly target: Target;
  /** Types to choose from. Default: those of llama.cpp. */
  readonly candidates?: readonly TypeName[];
  /** Bytes of the files that a plan makes. */
  readonly fileBytes: (plan: readonly PlannedTensor[]) => number;
  readonly signal?: AbortSignal;
  /** Bytes of the input whose tensor has been measured. */
  readonly onBytes?: (bytes: number) => void;
}

export interface OptimisedPlan {
  readonly plan: PlannedTensor[];
  /** The file type that names most of it. */
  readonly ftype: Ftype;
  /** Noise in the residual stream that the types make, all together, as a share of its energy. */
  readonly expectedError: number;
}

/** With blocks of 256; among types of one size the better. */
const SUPER_BLOCKS: readonly TypeName[] = [
  ...(["IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "Q2_K", "IQ3_XXS"] as const),
  ...(["IQ3_S", "Q3_K", "IQ4_XS", "Q4_K", "Q5_K", "Q6_K", "Q8_0"] as const),
];
/** For rows that those do not fit. */
const BLOCKS: readonly TypeName[] = ["IQ4_NL", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"];

/**
 * The plan within the target that costs the least quality. Options that name types of single tensors hold; `ftype`, `pure` and
 * `choose` have no meaning here. Throws OptionError for a target that the smallest types miss, and as planQuantization.
 */
export async function optimisePlan(
  gguf: Gguf,
  types: QuantizerTypes,
  options: Omit<PlanOptions, "ftype" | "pure" | "choose">,
  quantizer: Quantizer,
  { target, candidates, fileBytes, signal, onBytes }: OptimiseOptions,
): Promise<OptimisedPlan> {
  if (options.imatrix === undefined) {
    throw new OptionError(
      "imatrix: expected importance weights, by which types are chosen, found none; collect them (samebit imatrix) and give them with --imatrix",
    );
  }
  const free = new Set<string>();
  const planWith = (choose: (tensor: TensorInfo) => TypeName) =>
    planQuantization(gguf, types, { ...options, ftype: ftypeCalled("Q8_0"), choose });
  const first = planWith(({ name }) => {
    free.add(name);
    return "Q8_0";
  });
  const measured: Sensitivity[] = [];
  for (const tensor of first) {
    if (free.has(tensor.source.name)) {
      const usable = candidatesFor(tensor, types, candidates);
      measured.push(await measureTensor(gguf, tensor, usable, quantizer, signal));
    }
    onBytes?.(tensor.source.bytes);
  }
  const shares = streamShares(measured),
    align = (bytes: number) => Math.ceil(bytes / gguf.alignment) * gguf.alignment;
  const choices = measured.map(({ tensor: { source }, types: ways }) => [
    { type: source.type.name, bytes: align(source.bytes), loss: 0 },
    ...ways.map(({ type, bytes, error }): Choice<TypeName> => ({
      type,
      bytes: align(bytes),
      loss: error * shares.get(source.name)!,
    })),
  ]);
  const chosen = chooseWithin(choices, budgetOf(target, first, free, fileBytes, align));
  if (chosen === undefined) throw tooSmall(target);
  const byName = new Map(measured.map(({ tensor }, i) => [tensor.source.name, chosen[i].type]));
  const plan = planWith(({ name }) => byName.get(name)!);
  return {
    plan,
    ftype: mostlyOf(plan),
    expectedError: chosen.reduce((sum, { loss }) => sum + loss, 0),
  };
}

function candidatesFor(
  { source, importance }: PlannedTensor,
  types: QuantizerTypes,
  wanted?: readonly TypeName[],
): readonly TypeName[] {
  const fits = source.shape[0] % typeByName("Q4_K").blockSize === 0;
  return (wanted ?? (fits ? SUPER_BLOCKS : BLOCKS)).filter(
    (name) =>
      types.written.has(name) &&
      (importance !== undefined || !(types.needImatrix.has(name) || LOW_BIT_TYPES.includes(name))),
  );
}

/** Bytes for the free tensors, padding included. */
function budgetOf(
  target: Target,
  plan: readonly PlannedTensor[],
  free: ReadonlySet<string>,
  fileBytes: (plan: readonly PlannedTensor[]) => number,
  align: (bytes: number) => number,
): number {
  const sum = (of: (tensor: PlannedTensor) => number) => plan.reduce((n, one) => n + of(one), 0);
  const isFree = ({ source }: PlannedTensor) => free.has(source.name);
  if ("fileBytes" in target) {
    const others = fileBytes(plan) - sum((one) => (isFree(one) ? align(one.bytes) : 0));
    return target.fileBytes - others;
  }
  const weights = sum(({ source }) => countWeights(source.shape));
  return (target.bitsPerWeight * weights) / 8 - sum((one) => (isFree(one) ? 0 : one.bytes));
}

function tooSmall(target: Target): OptionError {
  const found =
    "fileBytes" in target ? `${target.fileBytes} bytes` : `${target.bitsPerWeight} bits a weight`;
  return new OptionError(
    `target: expected room for every tensor's smallest type, found ${found}; allow more, or fewer fixed types`,
  );
}

/** By the type that most weights have, as llama.cpp guesses it for files that do not tell. */
function mostlyOf(plan: readonly PlannedTensor[]): Ftype {
  const counts = new Map<TypeName, number>();
  for (const { source, type } of plan)
    counts.set(type.name, (counts.get(type.name) ?? 0) + countWeights(source.shape));
  const [most] = [...counts].reduce((a, b) => (b[1] > a[1] ? b : a));
  return FTYPES.find(({ type }) => type === most) ?? ftypeCalled("F16");
}
