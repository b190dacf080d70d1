// The public API of samebit/tools: measuring models, importance matrices, quantising whole models. What the commands
// perplexity, imatrix, quantize, split and compare are made of.

export { type Chunks, cutChunks } from "./chunks.ts";
export {
  type ChunkPerplexity,
  measurePerplexity,
  type PerplexityOptions,
  type PerplexityResult,
} from "./perplexity.ts";
export {
  cutWindows,
  measureStridedPerplexity,
  type Windows,
  windowTokens,
} from "./strided-perplexity.ts";
export {
  type ChunkKlDivergence,
  type KlDivergenceOptions,
  type KlDivergenceResult,
  measureKlDivergence,
  openKldBase,
} from "./kl-divergence.ts";
export { kldBaseWriter } from "./kld-base-writer.ts";
export type { Estimate } from "./uncertainty.ts";
export {
  type ChoiceOutcome,
  type ChoiceRun,
  type ChoiceTask,
  meanLogProbs,
  measureChoices,
} from "./choices.ts";
export { drawHellaswag, parseHellaswag } from "./hellaswag.ts";
export { parseWinogrande, trailingLogProbs, type WinograndeTask } from "./winogrande.ts";
export { multipleChoiceTasks } from "./multiple-choice.ts";
export { drawTasks } from "./mersenne-twister.ts";
export { collectImatrix, type CollectOptions, type ImatrixChunk } from "./imatrix.ts";
export { imatrixStatistics, type TensorStatistics } from "./imatrix-statistics.ts";
export { type Ftype, ftypeCalled, FTYPES } from "./quantize/ftypes.ts";
export {
  type PlannedTensor,
  planQuantization,
  type PlanOptions,
  type QuantizerTypes,
} from "./quantize/plan.ts";
export {
  type OptimisedPlan,
  type OptimiseOptions,
  optimisePlan,
  type Target,
} from "./quantize/optimise.ts";
export {
  type OutputOptions,
  quantizedContents,
  quantizerTypes,
} from "./quantize/quantize-model.ts";
export { splitContents, type SplitOptions } from "./split.ts";
