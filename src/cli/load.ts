// Opens the model that a command line asks for.

import { closeGguf, type Gguf } from "../../formats/index.ts";
import { loadModel, type LoadModelOptions, type Model, openGguf } from "../index.ts";
import { note, UsageError } from "./errors.ts";
import { type EngineValues, IGNORED, type ModelValues } from "./options.ts";
import { embeddedModel } from "./package.ts";
import { loadingProgress } from "./progress.ts";

export function modelPath({ model }: ModelValues): string {
  return model ?? embeddedModel();
}

/** Metadata and tensor directory alone. Close it with closeGguf. */
export async function openFile(values: ModelValues): Promise<Gguf> {
  checkModelValues(values);
  return openGguf(modelPath(values), values.overrideKv);
}

/** The model, ready to run, with a progress bar while it is read. `more` wins over the values. */
export async function openModel(
  values: ModelValues & EngineValues,
  signal: AbortSignal,
  more: LoadModelOptions = {},
): Promise<Model> {
  checkModelValues(values);
  const progress = loadingProgress();
  try {
    const model = await loadModel(modelPath(values), {
      threads: values.threads,
      nCtx: values.ctxSize === 0 ? await trainedContext(values) : values.ctxSize,
      nBatch: values.batchSize,
      weights: values.weights,
      cacheTypeK: values.cacheTypeK,
      cacheTypeV: values.cacheTypeV,
      swaFull: values.swaFull,
      kernelBuild: values.kernelBuild,
      bankBytes: values.bankBytes,
      overrideKv: values.overrideKv,
      onProgress: progress.update,
      signal,
      ...more,
    });
    progress.stop();
    model.tokenizer.warnings.forEach(note);
    return model;
  } finally {
    progress.stop();
  }
}

/** The same, where a text is measured: a model that goes on from its own text. */
export async function openDecoder(
  values: ModelValues & EngineValues,
  signal: AbortSignal,
  more: LoadModelOptions = {},
): Promise<Model> {
  const model = await openModel(values, signal, more);
  if (model.result === "logits" && !model.hasEncoder) return model;
  await model.close();
  const found = model.hasEncoder
    ? "one that answers it (an encoder-decoder)"
    : "an embedding model";
  throw new UsageError(
    `${modelPath(values)}: expected a model that continues a text, found ${found}`,
  );
}

function checkModelValues(values: ModelValues): void {
  if (values.mmproj !== undefined) {
    throw new UsageError(
      `--mmproj: expected no multimodal projector, found ${values.mmproj}; ` +
        "images are not supported: leave it out",
    );
  }
  for (const [name, why] of IGNORED) {
    if (!(name in values) || noted.has(name)) continue;
    noted.add(name);
    note(why);
  }
}

/** Ignored options that were told of; a command may open several files. */
const noted = new Set<string>();

async function trainedContext(values: ModelValues): Promise<number> {
  const gguf = await openGguf(modelPath(values), values.overrideKv);
  try {
    return gguf.metadata.getU32(
      `${gguf.metadata.getString("general.architecture")}.context_length`,
    );
  } finally {
    await closeGguf(gguf);
  }
}
