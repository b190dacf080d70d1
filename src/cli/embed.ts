// samebit embed: the vector of a text, for search and comparison.

import type { Command } from "commander";
import type { Pooling } from "../index.ts";
import { UsageError } from "./errors.ts";
import { interruptSignal } from "./interrupt.ts";
import { openModel } from "./load.ts";
import {
  addEngineOptions,
  addModelOptions,
  choiceOption,
  type EngineValues,
  type ModelValues,
  tokensOption,
} from "./options.ts";
import { print, printJson } from "./output.ts";
import { addTextOptions, readText, type TextValues } from "./text.ts";

interface EmbedValues extends ModelValues, EngineValues, TextValues {
  readonly tokens?: readonly number[];
  readonly pooling?: Pooling;
  readonly normalize?: boolean;
  readonly json?: boolean;
}

export function addEmbedCommand(program: Command): void {
  const command = program.command("embed").description("print the embedding of a text");
  addTextOptions(command)
    .option("-e, --escape", "replace \\n, \\t, \\xHH ... in -p")
    .addOption(tokensOption("--tokens <IDS>", "ids in place of a text; they are used as they are"))
    .addOption(
      choiceOption("--pooling <KIND>", "how tokens make one vector (default: as in the file)", [
        "none",
        "mean",
        "cls",
        "last",
        "rank",
      ]),
    )
    .option("--normalize", "scale the vector to length 1")
    .option("--json", "as {embedding: [...]}; with --pooling none {embeddings: [[...], ...]}");
  addModelOptions(command);
  addEngineOptions(command);
  command.action((values: EmbedValues) => embed(values));
}

async function embed(values: EmbedValues): Promise<void> {
  const { tokens, pooling, normalize } = values;
  if (tokens !== undefined && (values.prompt !== undefined || values.file !== undefined)) {
    throw new UsageError("--tokens: expected no text beside it, found --prompt or --file");
  }
  const input = tokens ?? (await readText(values));
  const signal = interruptSignal();
  const model = await openModel(values, signal, { embeddings: true, pooling });
  try {
    const options = { normalize, signal };
    if (model.pooling === "none") {
      const rows = await model.embedTokens(input, options);
      if (values.json) await printJson({ embeddings: rows.map((row) => Array.from(row)) });
      else await print(rows.map((row) => `${readable(row)}\n`).join(""));
    } else {
      const [row] = await model.embed([input], options);
      await (values.json ? printJson({ embedding: Array.from(row) }) : print(`${readable(row)}\n`));
    }
  } finally {
    await model.close();
  }
}

function readable(vector: Float32Array): string {
  return Array.from(vector, (x) => x.toFixed(6)).join(" ");
}
