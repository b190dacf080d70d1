// Writing quantised weights, without a model: part of samebit/quants. The quantisers (assembly/quantize) run in WebAssembly,
// on the caller's thread here and on all threads in openQuantizer, and give the reference's bytes on every machine.

import { chooseKernels } from "./kernels/module.ts";
import {
  checkRequest,
  namesOf,
  type QuantizeOptions,
  type StoredWeights,
} from "./quantize/request.ts";
import { Slabs } from "./quantize/slabs.ts";
import { checkDenormals } from "./weights.ts";

export {
  openQuantizer,
  type Quantizer,
  type QuantizerOptions,
  type SlabOptions,
} from "./quantize/quantizer.ts";
export type { QuantizeOptions, StoredWeights } from "./quantize/request.ts";

/** Names of the types that quantize can write. */
export async function quantizableTypes(): Promise<string[]> {
  const { exports } = await callersSlabs();
  return namesOf(exports.isQuantizable);
}

/** Names of those that cannot be written without importance weights. */
export async function typesThatNeedImatrix(): Promise<string[]> {
  const { exports } = await callersSlabs();
  return namesOf((id) => exports.isQuantizable(id) && exports.needsImatrix(id));
}

/**
 * Bytes of `values` as ggml type `typeName` (`Q4_K`), row after row: those that ggml's scalar code gives, on every machine.
 * Throws OptionError for an unknown type; values, imatrix or row length that do not fit it; IQ2_XXS, IQ2_XS and IQ1_S
 * without imatrix; and values too large for the type. Throws RunError "flush-to-zero" where denormal numbers are rounded
 * away.
 */
export async function quantize(
  typeName: string,
  values: Float32Array | StoredWeights,
  options: QuantizeOptions = {},
): Promise<Uint8Array> {
  const slabs = await callersSlabs();
  checkDenormals(slabs.exports);
  const steps = slabs.convert(checkRequest(slabs.exports, typeName, values, options));
  let step = steps.next();
  for (; !step.done; step = steps.next()) slabs.runHere();
  return step.value;
}

let instance: Promise<Slabs> | undefined;

/** The instance of this thread; it runs one call at a time, to its end. */
function callersSlabs(): Promise<Slabs> {
  instance ??= chooseKernels("base", false).then((kernels) => new Slabs(kernels, 1));
  return instance;
}
