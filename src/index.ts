// The public API of samebit: load a model, generate text, read logits.

export {
  loadModel,
  Model,
  type EmbedOptions,
  type LoadModelOptions,
  type LogitsOptions,
} from "./model.ts";
export { type ModelSource, openGguf } from "./model-source.ts";
export { Generation, type GenerateOptions, type StopReason } from "./generate.ts";
export { ChatAnswer, type ChatOptions } from "./chat-answer.ts";
export {
  ChatFormat,
  ChatTemplateError,
  type ChatCapabilities,
  type ChatMessage,
  type ChatPrompt,
  type ChatTemplateFailure,
  type ChatTemplateOptions,
  type ChatTool,
  type FunctionDefinition,
  type RenderedChat,
  type TextPart,
  type ToolCall,
} from "./chat/index.ts";
export { Session, type EvaluateOptions } from "./session.ts";
export type { CacheType, CalibrationSums, EngineOptions } from "./engine.ts";
export type { KernelBuild, WeightsKind } from "./kernels/module.ts";
export {
  ContextFullError,
  MemoryError,
  OptionError,
  PlanError,
  RunError,
  SamebitError,
  type RunFailure,
} from "./errors.ts";
export { defaultSamplingOptions, SamplingError, type SamplingOptions } from "./sampling/index.ts";
export { ModelError, type Pooling } from "../models/index.ts";
export { GgufError } from "../formats/index.ts";
export { TokenizerError, type Tokenizer } from "./tokenizer/index.ts";
