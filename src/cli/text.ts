// The text that a command works on: from -p, -f or standard input.

import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { SamebitError } from "../index.ts";
import { UsageError } from "./errors.ts";

export interface TextValues {
  readonly prompt?: string;
  readonly file?: string;
  /** Replace \n, \t ... in -p. */
  readonly escape?: boolean;
}

export function addTextOptions(command: Command): Command {
  return command
    .optionsGroup("Text:")
    .option("-p, --prompt <TEXT>", "the text")
    .option(
      "-f, --file <FILE>",
      "read it from a file; - is standard input, also used without -p and -f",
    );
}

/** The text as it is, apart from escapes in -p. */
export async function readText({ prompt, file, escape }: TextValues): Promise<string> {
  if (prompt !== undefined && file !== undefined) {
    throw new UsageError("prompt: expected either --prompt or --file, found both");
  }
  if (prompt !== undefined) return escape ? unescape(prompt) : prompt;
  if (file !== undefined && file !== "-") return readTextFile(file);
  if (file === undefined && process.stdin.isTTY) {
    throw new UsageError("prompt: expected -p TEXT, -f FILE or text on standard input, found none");
  }
  return readStandardInput();
}

/** The same for a prompt: takes one line break off the end of a file, for editors and echo put it there, as llama.cpp does. */
export async function readPrompt(values: TextValues): Promise<string> {
  const text = await readText(values);
  return values.prompt === undefined ? text.replace(/\r?\n$/, "") : text;
}

export async function readStandardInput(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

async function readTextFile(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const found = code === "ENOENT" ? "no such file" : code === "EISDIR" ? "a folder" : message;
    throw new SamebitError(
      `${file}: expected a readable text file, found ${found}; check the path`,
      { cause },
    );
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  r: "\r",
  t: "\t",
  "'": "'",
  '"': '"',
  "\\": "\\",
};

/** llama.cpp's escapes: \n \r \t \' \" \\ and \xHH, a byte of UTF-8. Others stay as they are. */
export function unescape(text: string): string {
  return text.replace(
    /((?:\\x[0-9a-f]{2})+)|\\([nrt'"\\])/gi,
    (whole, bytes?: string, letter?: string) => {
      if (bytes !== undefined)
        return Buffer.from(bytes.replace(/\\x/gi, ""), "hex").toString("utf8");
      return ESCAPES[letter!] ?? whole;
    },
  );
}
