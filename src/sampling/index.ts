// Sampling: from logits to the next token. See README.md for the arithmetic and the generator.

export { createSampler, type Sampler } from "./chain.ts";
export type { SamplingVocabulary } from "./dry-breakers.ts";
export { SamplingError } from "./error.ts";
export type { SamplerMath } from "./math.ts";
export { defaultSamplingOptions, type SamplerName, type SamplingOptions } from "./options.ts";
