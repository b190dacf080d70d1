// samebit inspect: what is in a GGUF file. Opens any of them, also vocabularies, adapters and
// projectors.

import type { Command } from "commander";
import { closeGguf, formatInspection, inspect } from "../../formats/index.ts";
import { openFile } from "./load.ts";
import { addModelOptions, type ModelValues } from "./options.ts";
import { print, printJson } from "./output.ts";

interface InspectValues extends ModelValues {
  readonly json?: boolean;
}

export function addInspectCommand(program: Command): void {
  const command = program
    .command("inspect")
    .description("show a file's metadata, tensors, sizes and types");
  command.option("--json", "as one JSON object");
  addModelOptions(command);
  command.action((values: InspectValues) => inspectFile(values));
}

async function inspectFile(values: InspectValues): Promise<void> {
  const gguf = await openFile(values);
  try {
    const inspection = inspect(gguf);
    if (values.json) await printJson(inspection);
    else await print(`${formatInspection(inspection)}\n`);
  } finally {
    await closeGguf(gguf);
  }
}
