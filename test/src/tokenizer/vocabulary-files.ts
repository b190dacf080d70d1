// Opens the vocabularies that tests read: GGUF files, through formats/.
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { bytesSource, type Gguf, readGguf } from "../../../formats/index.ts";
import { createTokenizer, type Tokenizer } from "../../../src/tokenizer/index.ts";

/** A file of the reference data beside the project, or undefined where it is absent. */
export function sharedPath(relative: string): string | undefined {
  const path = fileURLToPath(new URL(`../../../../shared/${relative}`, import.meta.url));
  return existsSync(path) ? path : undefined;
}

/** Whether the reference data are there; says so when they are not. */
export function sharedOrWarn(relative: string): boolean {
  if (sharedPath(relative) !== undefined) return true;
  console.warn(`SKIPPED: ../shared/${relative} is absent; only the small fixtures are tested`);
  return false;
}

export async function readVocabularyFile(path: string): Promise<Gguf> {
  return readGguf(bytesSource(path, readFileSync(path)));
}

/** The tokenizer of a shared file, optionally with another `tokenizer.ggml.pre`. */
export async function sharedTokenizer(relative: string, pre?: string): Promise<Tokenizer> {
  const { metadata } = await readVocabularyFile(sharedPath(relative)!);
  if (pre !== undefined) metadata.set("tokenizer.ggml.pre", { type: "string", value: pre });
  return createTokenizer({ metadata });
}

export function readShared(relative: string): string {
  return readFileSync(sharedPath(relative)!, "utf8");
}
