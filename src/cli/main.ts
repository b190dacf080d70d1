#!/usr/bin/env node
// The samebit command: one file per command beside this one. Here: the list of them, and what
// becomes of errors.

import { Command } from "commander";
import { normaliseArgv } from "./argv.ts";
import { addBenchCommand } from "./bench.ts";
import { addChatCommand } from "./chat.ts";
import { addCompareCommand } from "./compare.ts";
import { addEmbedCommand } from "./embed.ts";
import { EXIT_INTERRUPTED, reportFailure } from "./errors.ts";
import { addImatrixCommand } from "./imatrix.ts";
import { addInspectCommand } from "./inspect.ts";
import { endOnSignals, interrupted } from "./interrupt.ts";
import { addLogitsCommand } from "./logits.ts";
import { endQuietlyWithReader } from "./output.ts";
import { packageVersion } from "./package.ts";
import { addPerplexityCommand } from "./perplexity.ts";
import { addQuantizeCommand } from "./quantize.ts";
import { addRerankCommand } from "./rerank.ts";
import { addRunCommand } from "./run.ts";
import { addSplitCommand } from "./split.ts";
import { addTokenizeCommand } from "./tokenize.ts";

function createProgram(): Command {
  const program = new Command("samebit")
    .description("Run GGUF models, with the same bits everywhere.")
    .version(packageVersion(), "--version")
    .exitOverride() // throw CommanderError; errors.ts words it
    .configureOutput({ outputError() {} });
  for (const add of [
    addRunCommand,
    addChatCommand,
    addInspectCommand,
    addTokenizeCommand,
    addLogitsCommand,
    addEmbedCommand,
    addRerankCommand,
    addBenchCommand,
    addPerplexityCommand,
    addImatrixCommand,
    addQuantizeCommand,
    addSplitCommand,
    addCompareCommand,
  ])
    add(program);
  return program;
}

endQuietlyWithReader();
endOnSignals();
try {
  const program = createProgram();
  await program.parseAsync(normaliseArgv(process.argv.slice(2), program), { from: "user" });
} catch (error) {
  process.exitCode = interrupted() ? EXIT_INTERRUPTED : reportFailure(error);
}
