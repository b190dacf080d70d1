// llama.cpp's spellings, made digestible for commander: it has one name per option, and takes
// `-ngl` for `-n gl`.

import type { Command, Option } from "commander";
import { UsageError } from "./errors.ts";

/** Other names of options -> the one that is declared. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ["-ngl", "--n-gpu-layers"],
  ["--gpu-layers", "--n-gpu-layers"],
  ["-fa", "--flash-attn"],
  ["-ctk", "--cache-type-k"],
  ["-ctv", "--cache-type-v"],
  ["-mm", "--mmproj"],
  ["-bf", "--binary-file"],
  ["--predict", "--n-predict"],
  ["-sys", "--system"],
  ["--system-prompt", "--system"],
  ["--chat-template-file", "--chat-template"],
  ["--temperature", "--temp"],
  ["--top-n-sigma", "--top-nsigma"],
  ["--typical-p", "--typical"],
]);

/**
 * Replaces aliases in the arguments of a command. Values stay as they are, even where they look
 * like options (`-p -fa`). Throws UsageError for an unknown `-xyz`, which commander would read as
 * `-x yz`.
 */
export function normaliseArgv(args: readonly string[], program: Command): string[] {
  const at = args.findIndex((arg) => !arg.startsWith("-"));
  const command = program.commands.find((c) => c.name() === args[at]);
  if (command === undefined) return [...args];
  const out = args.slice(0, at + 1);
  for (let i = at + 1; i < args.length; i++) {
    if (args[i] === "--") return [...out, ...args.slice(i)];
    const [, given, value = ""] = /^(--?[^=]+)(=.*)?$/s.exec(args[i]) ?? [args[i], args[i]];
    const alias = ALIASES.get(given);
    // a message names what was typed
    const name = alias !== undefined && optionOf(command, alias) ? alias : given;
    const option = optionOf(command, name);
    if (option === undefined && /^-[a-z]{2}/i.test(name)) {
      throw new UsageError(`unknown option '${args[i]}'; see samebit ${command.name()} --help`);
    }
    out.push(name + value);
    if (option?.required && value === "" && i + 1 < args.length) out.push(args[++i]);
  }
  return out;
}

const optionOf = ({ options }: Command, name: string): Option | undefined =>
  options.find(({ short, long }) => short === name || long === name);
