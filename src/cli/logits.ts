// samebit logits: what the model thinks of given tokens, in numbers, and a hash of every bit of
// them. The tool for comparing engines, machines and options.

import { createHash } from "node:crypto";
import type { Command } from "commander";
import type { Model, Session } from "../index.ts";
import { UsageError } from "./errors.ts";
import { interruptSignal } from "./interrupt.ts";
import { openModel } from "./load.ts";
import { argmax, logSoftmax } from "./log-softmax.ts";
import {
  addEngineOptions,
  addModelOptions,
  type EngineValues,
  type ModelValues,
  tokensOption,
  wholeOption,
} from "./options.ts";
import { print, printJson } from "./output.ts";

interface LogitsValues extends ModelValues, EngineValues {
  readonly tokens?: readonly number[];
  readonly decoderTokens?: readonly number[];
  readonly feed?: readonly number[];
  readonly greedy?: number;
  readonly json?: boolean;
}

/** What --json prints. Log-probabilities are natural logarithms. */
interface LogitsReport {
  tokens: readonly number[];
  /** Encoder-decoder models: the positions that everything below is about. */
  decoder_tokens?: readonly number[];
  /** The best next token at each position. */
  argmax: number[];
  /** At the last of `tokens`, whole vocabulary. */
  logprobs: number[];
  greedy?: { tokens: number[]; logprobs: number[]; last_logprobs: number[] };
  feed?: { tokens: readonly number[]; argmax: number[]; logprobs: number[] };
  /** Of the raw logits of all positions in order, f32 little-endian. */
  sha256: string;
}

export function addLogitsCommand(program: Command): void {
  const command = program
    .command("logits")
    .description("evaluate tokens: best next tokens, log-probabilities, hash");
  command
    .addOption(tokensOption("--tokens <IDS>", "ids, such as 1,5,7; they are evaluated as they are"))
    .addOption(
      tokensOption(
        "--decoder-tokens <IDS>",
        "encoder-decoder models: for the decoder (default: its start token); --tokens are the encoder's",
      ),
    )
    .addOption(tokensOption("--feed <IDS>", "then these, one by one"))
    .addOption(
      wholeOption("--greedy <N>", "then the N tokens that are best, one by one", 0, 2 ** 24),
    )
    .option("--json", "everything, as one JSON object");
  addModelOptions(command);
  addEngineOptions(command);
  command.action((values: LogitsValues) => logits(values));
}

async function logits(values: LogitsValues): Promise<void> {
  const { tokens, feed, greedy } = values;
  if (tokens === undefined)
    throw new UsageError(
      "--tokens: expected token ids, found none; tokenize shows those of a text",
    );
  if (feed !== undefined && greedy !== undefined)
    throw new UsageError("--feed: expected no --greedy beside it, found both");
  const signal = interruptSignal();
  const model = await openModel(values, signal);
  try {
    const { decoderTokens } = values;
    if (decoderTokens !== undefined && !model.hasEncoder)
      throw new UsageError("--decoder-tokens: expected an encoder-decoder model, found another");
    const report = await evaluate(model, tokens, { decoderTokens, feed, greedy, signal });
    await (values.json ? printJson(report) : print(readable(report, model)));
  } finally {
    await model.close();
  }
}

async function evaluate(
  model: Model,
  tokens: readonly number[],
  {
    decoderTokens,
    feed,
    greedy,
    signal,
  }: {
    decoderTokens?: readonly number[];
    feed?: readonly number[];
    greedy?: number;
    signal: AbortSignal;
  },
): Promise<LogitsReport> {
  const { samplerMath } = model,
    session = model.createSession(),
    rows = new LogitsReader(model.nVocab, session, signal);
  try {
    if (model.hasEncoder) await session.encode(tokens, { signal });
    const decoded = decoderTokens ?? [model.decoderStartToken];
    const best = await rows.evaluate(model.hasEncoder ? decoded : tokens);
    const report: Omit<LogitsReport, "sha256"> = {
      tokens,
      ...(model.hasEncoder ? { decoder_tokens: decoded } : {}),
      argmax: best,
      logprobs: Array.from(logSoftmax(rows.last, samplerMath)),
    };
    if (feed !== undefined) {
      const argmaxes: number[] = [];
      for (const token of feed) argmaxes.push(...(await rows.evaluate([token])));
      report.feed = {
        tokens: feed,
        argmax: argmaxes,
        logprobs: Array.from(logSoftmax(rows.last, samplerMath)),
      };
    }
    if (greedy !== undefined) {
      const chosen: number[] = [],
        logprobs: number[] = [];
      let next = best[best.length - 1];
      for (let i = 0; i < greedy; i++) {
        chosen.push(next);
        logprobs.push(logSoftmax(rows.last, samplerMath)[next]);
        [next] = await rows.evaluate([next]);
      }
      report.greedy = {
        tokens: chosen,
        logprobs,
        last_logprobs: Array.from(logSoftmax(rows.last, samplerMath)),
      };
    }
    return { ...report, sha256: rows.hash() };
  } finally {
    session.close();
  }
}

/** Looks at each row of logits as it comes: all rows together may not fit in memory. */
class LogitsReader {
  /** The latest row, [nVocab]. */
  readonly last: Float32Array<ArrayBuffer>;
  private readonly sha256 = createHash("sha256");

  constructor(
    nVocab: number,
    private readonly session: Session,
    private readonly signal: AbortSignal,
  ) {
    this.last = new Float32Array(nVocab);
  }

  /** The best next token after each of the tokens. */
  async evaluate(tokens: readonly number[]): Promise<number[]> {
    const best: number[] = [];
    await this.session.evaluate(tokens, {
      outputs: "all",
      signal: this.signal,
      onLogits: (row) => {
        this.last.set(row);
        this.sha256.update(new Uint8Array(this.last.buffer));
        best.push(argmax(this.last));
      },
    });
    return best;
  }

  hash(): string {
    return this.sha256.digest("hex");
  }
}

function readable(report: LogitsReport, { tokenizer }: Model): string {
  const name = (token: number) =>
    `${token} ${JSON.stringify(tokenizer.decode([token], { special: true, continues: true }))}`;
  const ranked = Array.from(report.logprobs.keys()).sort(
    (a, b) => report.logprobs[b] - report.logprobs[a] || a - b,
  );
  const lines = [
    "token -> best next token",
    ...(report.decoder_tokens ?? report.tokens).map(
      (token, i) => `  ${name(token)} -> ${name(report.argmax[i])}`,
    ),
    ...(report.feed?.tokens ?? []).map(
      (token, i) => `  ${name(token)} -> ${name(report.feed!.argmax[i])}`,
    ),
    "log-probabilities after the last of --tokens",
    ...ranked.slice(0, 10).map((token) => `  ${report.logprobs[token].toFixed(6)}  ${name(token)}`),
  ];
  if (report.greedy)
    lines.push(
      "greedy",
      ...report.greedy.tokens.map(
        (token, i) => `  ${report.greedy!.logprobs[i].toFixed(6)}  ${name(token)}`,
      ),
    );
  return `${[...lines, `sha256 ${report.sha256}`].join("\n")}\n`;
}
