// samebit rerank: how well documents answer a query.

import type { Command } from "commander";
import { UsageError } from "./errors.ts";
import { interruptSignal } from "./interrupt.ts";
import { openModel } from "./load.ts";
import {
  addEngineOptions,
  addModelOptions,
  type EngineValues,
  listOption,
  type ModelValues,
} from "./options.ts";
import { print, printJson } from "./output.ts";
import { addTextOptions, readText, type TextValues } from "./text.ts";

interface RerankValues extends ModelValues, EngineValues, TextValues {
  readonly document?: readonly string[];
  readonly json?: boolean;
}

export function addRerankCommand(program: Command): void {
  const command = program
    .command("rerank")
    .description("score documents by how well they answer a query, with a reranking model");
  addTextOptions(command)
    .option("-e, --escape", "replace \\n, \\t, \\xHH ... in -p")
    .addOption(listOption("-d, --document <TEXT>", "a document; may be repeated"))
    .option("--json", "as {scores: [...]}, in the order of the documents");
  addModelOptions(command);
  addEngineOptions(command);
  command.action((values: RerankValues) => rerank(values));
}

async function rerank(values: RerankValues): Promise<void> {
  const { document: documents = [] } = values;
  if (documents.length === 0)
    throw new UsageError("--document: expected one or more (-d TEXT), found none");
  const query = await readText(values);
  const signal = interruptSignal();
  const model = await openModel(values, signal, { embeddings: true, pooling: "rank" });
  try {
    const scores = await model.rerank(query, documents, { signal });
    if (values.json) return await printJson({ scores });
    const best = documents
      .map((text, i) => ({ text, score: scores[i] }))
      .sort((a, b) => b.score - a.score);
    await print(best.map(({ text, score }) => `${score.toFixed(6)}  ${text}\n`).join(""));
  } finally {
    await model.close();
  }
}
