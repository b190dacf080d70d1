// From whatever was thrown to one line on standard error and an exit code: 0 done, 1 failed, 2
// wrong usage, 130 interrupted by Ctrl-C.

import { CommanderError } from "commander";
import { ContextFullError, GgufError, OptionError, SamplingError } from "../index.ts";

/** The command line asks for something that makes no sense. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
/** 128 + SIGINT's number, as shells report it. */
export const EXIT_INTERRUPTED = 130;

export interface Failure {
  /** Undefined when nothing is left to say. */
  readonly message: string | undefined;
  readonly exitCode: number;
}

/** API options with another name on the command line: messages must name what the user typed. */
const FLAGS: ReadonlyMap<string, string> = new Map([
  ["temperature", "--temp"],
  ["dynatempRange", "--dynatemp-range"],
  ["dynatempExponent", "--dynatemp-exp"],
  ["topK", "--top-k"],
  ["topP", "--top-p"],
  ["minP", "--min-p"],
  ["typicalP", "--typical"],
  ["topNSigma", "--top-nsigma"],
  ["xtcProbability", "--xtc-probability"],
  ["xtcThreshold", "--xtc-threshold"],
  ["dryMultiplier", "--dry-multiplier"],
  ["dryBase", "--dry-base"],
  ["dryAllowedLength", "--dry-allowed-length"],
  ["dryPenaltyLastN", "--dry-penalty-last-n"],
  ["drySequenceBreakers", "--dry-sequence-breaker"],
  ["mirostat", "--mirostat"],
  ["mirostatTau", "--mirostat-ent"],
  ["mirostatEta", "--mirostat-lr"],
  ["repeatPenalty", "--repeat-penalty"],
  ["repeatLastN", "--repeat-last-n"],
  ["frequencyPenalty", "--frequency-penalty"],
  ["presencePenalty", "--presence-penalty"],
  ["logitBias", "--logit-bias"],
  ["seed", "--seed"],
  ["template", "--chat-template"],
  ["samplers", "--samplers"],
  ["threads", "--threads"],
  ["nCtx", "--ctx-size"],
  ["nBatch", "--batch-size"],
  ["cacheTypeK", "--cache-type-k"],
  ["cacheTypeV", "--cache-type-v"],
]);

export function describeFailure(error: unknown): Failure {
  if (error instanceof CommanderError) return commanderFailure(error);
  const message = oneLine(error instanceof Error ? named(error) : String(error));
  return { message, exitCode: isUsage(error) ? EXIT_USAGE : EXIT_FAILED };
}

/** Prints the line and returns the exit code. SAMEBIT_DEBUG=1 prints the stack as well. */
export function reportFailure(error: unknown): number {
  const { message, exitCode } = describeFailure(error);
  if (message !== undefined) process.stderr.write(`samebit: ${message}\n`);
  if (exitCode !== 0 && process.env.SAMEBIT_DEBUG === "1" && error instanceof Error) {
    process.stderr.write(`${error.stack}\n`);
  }
  return exitCode;
}

/** Something the user should know that stops nothing. */
export function note(text: string): void {
  process.stderr.write(`samebit: note: ${oneLine(text)}\n`);
}

function commanderFailure({ code, exitCode, message }: CommanderError): Failure {
  if (exitCode === 0) return { message: undefined, exitCode: 0 };
  // no command given: commander has printed the help
  if (code === "commander.help") return { message: undefined, exitCode: EXIT_USAGE };
  if (code === "commander.excessArguments")
    return { message: excessArguments(message), exitCode: EXIT_USAGE };
  const text = oneLine(
    message.replace(/^error: /, "").replace("(Did you mean", "(did you mean"),
  ).replace(/\.$/, "");
  return { message: `${text}; see samebit --help`, exitCode: EXIT_USAGE };
}

/** A model or a text without its flag, as a rule. */
function excessArguments(message: string): string {
  const [, command, most, found] = /'(.*)'\. Expected (\d+) \D+(\d+)/.exec(message) ?? [];
  const expected = most === "0" ? "no argument beside options (-m FILE)" : `${most} arguments`;
  return `${command}: expected ${expected}, found ${found}; see samebit ${command} --help`;
}

function isUsage(error: unknown): boolean {
  if (error instanceof UsageError || error instanceof OptionError) return true;
  if (error instanceof SamplingError) return FLAGS.has(error.option);
  return error instanceof GgufError && error.subject.startsWith("--override-kv");
}

function named(error: Error): string {
  const { message } = error;
  if (error instanceof OptionError || error instanceof SamplingError) {
    return message.replace(/^\w+(?=:)/, (name) => FLAGS.get(name) ?? name);
  }
  if (error instanceof ContextFullError) {
    return message.replace(
      /;.*/s,
      message.includes("shift")
        ? "; use a larger context (-c), fewer tokens or, in run and chat, --context-shift"
        : "; use a larger context (-c) or fewer tokens",
    );
  }
  // A system error that no layer below gave words to.
  const { code, path } = error as NodeJS.ErrnoException;
  if (code !== undefined && path !== undefined) return `${path}: ${message}`;
  return error.constructor === TypeError || error.constructor === ReferenceError
    ? `internal error: ${message}; please report it with the stack that SAMEBIT_DEBUG=1 shows`
    : message;
}

function oneLine(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, " ");
}
