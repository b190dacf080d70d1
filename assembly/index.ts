// The module's exports. Memory is imported: every thread has its own instance over the shared memory of a bank.

export * from "./stages";
export { flushesDenormals, runPlan } from "./plan";
export * from "./matmul/index";
export { needsWholeRow, prepareQuantize, quantizeTableBytes } from "./quantize/index";
export { quantizeWorkBytes } from "./quantize/op";
export { bundleToRows } from "./quants/plain-rows";
export { isQuantizable, needsImatrix } from "./quants/types";
export { exp64, log64, pow64 } from "./math/index";

/** First address the host may use: everything below belongs to constants. */
export function heapBase(): usize {
  return __heap_base;
}
