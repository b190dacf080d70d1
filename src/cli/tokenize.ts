// samebit tokenize: text to token ids. Needs the vocabulary of a file only, so vocabulary-only
// files serve too.

import type { Command } from "commander";
import { closeGguf, type Gguf } from "../../formats/index.ts";
import { printable } from "../../formats/errors.ts";
import { ModelError, SamebitError } from "../index.ts";
import { createTokenizer, type EncodeOptions, type Tokenizer } from "../tokenizer/index.ts";
import { note, UsageError } from "./errors.ts";
import { openFile } from "./load.ts";
import { addModelOptions, type ModelValues } from "./options.ts";
import { print, printJson } from "./output.ts";
import { addTextOptions, readStandardInput, readText, type TextValues } from "./text.ts";

interface TokenizeValues extends ModelValues, TextValues {
  readonly stdinJson?: boolean;
  readonly special?: boolean;
  readonly json?: boolean;
}

export function addTokenizeCommand(program: Command): void {
  const command = program.command("tokenize").description("show the tokens of a text");
  addTextOptions(command)
    .option("-e, --escape", "replace \\n, \\t, \\xHH ... in -p")
    .option("--stdin-json", "read a JSON array of texts, print a JSON array of id arrays")
    .option("--special", "add the model's special tokens (BOS, EOS) and parse those in the text");
  command.optionsGroup("Output:").option("--json", "ids only, as a JSON array");
  addModelOptions(command);
  command.action((values: TokenizeValues) => tokenize(values));
}

async function tokenize(values: TokenizeValues): Promise<void> {
  if (values.stdinJson && (values.prompt !== undefined || values.file !== undefined)) {
    throw new UsageError("--stdin-json: expected no other text, found --prompt or --file");
  }
  const tokenizer = await openTokenizer(values);
  const options: EncodeOptions = {
    addSpecial: values.special ?? false,
    parseSpecial: values.special ?? false,
  };
  if (values.stdinJson) {
    const texts = parseTexts(await readStandardInput());
    return printJson(texts.map((text) => Array.from(tokenizer.encode(text, options))));
  }
  const tokens = Array.from(tokenizer.encode(await readText(values), options));
  if (values.json) return printJson(tokens);
  await print(
    tokens.map((token) => `${String(token).padStart(7)} -> ${shown(tokenizer, token)}\n`).join(""),
  );
}

async function openTokenizer(values: ModelValues): Promise<Tokenizer> {
  const gguf = await openFile(values);
  try {
    refuseProjector(gguf);
    const tokenizer = createTokenizer(gguf);
    tokenizer.warnings.forEach(note);
    return tokenizer;
  } finally {
    await closeGguf(gguf);
  }
}

/** Commands that load the model leave this to models/; a vocabulary may be of any architecture. */
function refuseProjector({ metadata }: Gguf): void {
  const kinds = [
    metadata.getString("general.architecture", ""),
    metadata.getString("general.type", ""),
  ];
  if (kinds.includes("clip") || kinds.includes("mmproj")) {
    throw new ModelError({
      subject: "model file",
      expected: "a vocabulary",
      found: "a multimodal projector",
      remedy: "give the language model that it belongs to; images are not supported",
    });
  }
}

function parseTexts(json: string): string[] {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw notTexts((cause as Error).message);
  }
  if (!Array.isArray(value)) throw notTexts(kindOf(value));
  const wrong = value.findIndex((text) => typeof text !== "string");
  if (wrong >= 0) throw notTexts(`${kindOf(value[wrong])} at index ${wrong}`);
  return value as string[];
}

function notTexts(found: string): SamebitError {
  return new SamebitError(`standard input: expected a JSON array of texts, found ${found}`);
}

function kindOf(value: unknown): string {
  return value === null
    ? "null"
    : Array.isArray(value)
      ? "an array"
      : `a value of type ${typeof value}`;
}

/** A token's text in quotes, or its bytes where they are only part of a character. */
function shown(tokenizer: Tokenizer, token: number): string {
  const bytes = tokenizer.tokenBytes(token, { special: true });
  try {
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    return `"${printable(decoder.decode(bytes))}"`;
  } catch {
    return `<${Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join(" ")}>`;
  }
}
