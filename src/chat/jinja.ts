// Chat templates are Jinja programs that come with a model file: code of strangers. @huggingface/jinja runs them; here
// every evaluation is counted, so that a template that would run for ever ends with an error.

import { strftime } from "./date.ts";
import { ChatTemplateError } from "./errors.ts";

/** Characters; the longest template in use has about 20,000. */
const MAX_TEMPLATE = 1 << 20;
/** Evaluations nested in each other: leaves room on every engine's stack. */
const MAX_DEPTH = 400;
/** Elements that range() gives at once. */
const MAX_RANGE = 100_000;
/** Elements of a list, so that one that doubles itself stays small. */
const MAX_LIST = 1 << 20;
/**
 * Work: evaluated nodes, and what their values hold. A message takes about 100 of it, and brings more with every
 * character. Exhausted after about a second.
 */
const WORK = 1_000_000;
const WORK_PER_CHARACTER = 20;
/** Characters of one value, beside what the conversation has. */
const TEXT = 1 << 22;
/** Making a scope for an element of a loop takes as long as evaluating this many nodes. */
const WORK_PER_ELEMENT = 4;
/** Characters or elements that are passed on in the time of evaluating a node. */
const PASSED_ON = 16;

/** What is used of the library. Its own types do not resolve: they import each other without file extensions. */
interface Jinja {
  readonly Environment: new () => Environment;
  readonly Interpreter: new (environment: Environment) => Interpreter;
  tokenize(source: string, options: { lstrip_blocks: boolean; trim_blocks: boolean }): unknown;
  parse(tokens: unknown): Node;
}

interface Environment {
  set(name: string, value: unknown): unknown;
}

interface Interpreter {
  run(program: Node): Value;
  evaluate(node: Node | undefined, environment: Environment): Value;
}

interface Node {
  readonly type: string;
}

interface Value {
  type: string;
  readonly value: unknown;
}

export interface RenderedTemplate {
  readonly text: string;
  /** Whether the template asked for the date. */
  readonly usesDate: boolean;
}

export class JinjaTemplate {
  private constructor(
    private readonly jinja: Jinja,
    private readonly program: Node,
    private readonly BoundedInterpreter: ReturnType<typeof boundedInterpreter>,
    private readonly wantsFunctions: boolean,
  ) {}

  /** Throws ChatTemplateError "broken" for what cannot be parsed. */
  static async parse(source: string): Promise<JinjaTemplate> {
    if (source.length > MAX_TEMPLATE) {
      throw new ChatTemplateError(
        "broken",
        `chat template: expected at most ${MAX_TEMPLATE} characters, found ${source.length}`,
      );
    }
    const jinja = await loadJinja();
    try {
      // As Hugging Face's library renders templates.
      const tokens = jinja.tokenize(source, { lstrip_blocks: true, trim_blocks: true });
      const program = jinja.parse(tokens);
      const wantsFunctions = /\bfunctions\b/.test(source) && /\bdatetime\b/.test(source);
      return new JinjaTemplate(jinja, program, boundedInterpreter(jinja), wantsFunctions);
    } catch (cause) {
      throw broken("one that can be parsed", cause);
    }
  }

  /**
   * `variables` by name: strings, numbers, booleans, null, arrays and plain objects. `now` is the date for
   * strftime_now, `inputLength` the characters in the variables. Throws ChatTemplateError.
   */
  render(
    variables: Readonly<Record<string, unknown>>,
    now: Date,
    inputLength: number,
  ): RenderedTemplate {
    let usesDate = this.wantsFunctions;
    const environment = new this.jinja.Environment();
    const globals: Record<string, unknown> = {
      false: false,
      true: true,
      none: null,
      False: false,
      True: true,
      None: null,
      range,
      raise_exception(message: unknown) {
        throw new ChatTemplateError(
          "refused",
          `messages: expected a conversation that the model's chat template takes, found that it says: ${String(message)}`,
        );
      },
      strftime_now(format: unknown) {
        usesDate = true;
        return strftime(now, String(format));
      },
      ...(this.wantsFunctions && fireFunctionVariables(variables.tools, now)),
      ...variables,
    };
    try {
      for (const [name, value] of Object.entries(globals)) environment.set(name, value);
      const interpreter = new this.BoundedInterpreter(environment, inputLength);
      return { text: String(interpreter.run(this.program).value), usesDate };
    } catch (cause) {
      if (cause instanceof ChatTemplateError) throw cause;
      // a stack or a string that outgrew the engine
      if (cause instanceof RangeError) throw unbounded("memory");
      throw broken("one that renders", cause);
    }
  }
}

/** Loaded when the first conversation comes: a page that only generates text never fetches it. */
async function loadJinja(): Promise<Jinja> {
  try {
    return (await import("@huggingface/jinja")) as unknown as Jinja;
  } catch (cause) {
    throw new ChatTemplateError(
      "unsupported",
      "chat templates: expected the package @huggingface/jinja, found that it cannot be imported; " +
        "install it, or in browsers use a bundler or an import map",
      { cause },
    );
  }
}

/** FireFunction's template has names of its own for the tools, as JSON, and the date. */
function fireFunctionVariables(tools: unknown, now: Date): Record<string, string> {
  return {
    functions: Array.isArray(tools) && tools.length > 0 ? JSON.stringify(tools, null, 2) : "",
    datetime: strftime(now, "%b %d %Y %H:%M:%S GMT"),
  };
}

/** Python's range, bounded. */
function range(...bounds: unknown[]): number[] {
  const [start, stop, step = 1] = bounds.length === 1 ? [0, bounds[0]] : bounds;
  if (![start, stop, step].every(Number.isInteger) || step === 0)
    throw new TypeError("range() takes integers, and a step that is not 0");
  const [from, to, by] = [start, stop, step] as number[];
  const count = Math.max(0, Math.ceil((to - from) / by));
  if (count > MAX_RANGE) throw unbounded(`range() of at most ${MAX_RANGE} numbers`);
  return Array.from({ length: count }, (_, i) => from + i * by);
}

/** An interpreter that counts. A function, for the library comes late. */
function boundedInterpreter({ Interpreter }: Jinja) {
  return class BoundedInterpreter extends Interpreter {
    private work: number;
    private readonly longest: number;
    private depth = 0;
    /** What `for` statements iterate over: every element costs a scope. */
    private readonly iterables = new Set<Node | undefined>();

    constructor(environment: Environment, inputLength: number) {
      super(environment);
      this.work = WORK + WORK_PER_CHARACTER * inputLength;
      this.longest = TEXT + 2 * inputLength;
    }

    override evaluate(node: Node | undefined, environment: Environment): Value {
      if (++this.depth > MAX_DEPTH) throw unbounded("depth");
      if (node?.type === "For") this.iterables.add(iterableOf(node as ForNode));
      try {
        const value = this.repeated(node, environment) ?? super.evaluate(node, environment);
        // The library unpacks lists in `for a, b in`, but not tuples.
        if (value.type === "TupleValue") value.type = "ArrayValue";
        this.work -= 1 + this.cost(node, value);
        if (this.work < 0) throw unbounded("work");
        return value;
      } finally {
        this.depth--; // `break` and `continue` are exceptions, too
      }
    }

    /** `" " * n`, which the library lacks; undefined for any other expression. */
    private repeated(node: Node | undefined, environment: Environment): Value | undefined {
      if (node?.type !== "BinaryExpression") return undefined;
      const { operator, left, right } = node as BinaryNode;
      if (operator.value !== "*") return undefined;
      const text = this.evaluate(left, environment);
      const times = this.evaluate(right, environment);
      if (text.type !== "StringValue" || times.type !== "IntegerValue") return undefined;
      const count = Math.max(0, times.value as number);
      const { length } = text.value as string;
      if (length * count > this.longest) throw unbounded("length of text");
      const StringValue = text.constructor as new (value: string) => Value;
      return new StringValue((text.value as string).repeat(count));
    }

    private cost(node: Node | undefined, { type, value }: Value): number {
      if (type === "StringValue") {
        const { length } = value as string;
        if (length > this.longest) throw unbounded("length of text");
        return length / PASSED_ON;
      }
      if (type !== "ArrayValue") return 0;
      const { length } = value as Value[];
      if (length > MAX_LIST) throw unbounded("length of a list");
      return this.iterables.has(node) ? WORK_PER_ELEMENT * length : length / PASSED_ON;
    }
  };
}

interface BinaryNode extends Node {
  readonly operator: { readonly value: string };
  readonly left: Node;
  readonly right: Node;
}

interface ForNode extends Node {
  readonly iterable: Node & { readonly lhs?: Node };
}

/** `for x in xs if ...` has xs one step further down. */
function iterableOf({ iterable }: ForNode): Node {
  return iterable.type === "SelectExpression" ? iterable.lhs! : iterable;
}

function unbounded(what: string): ChatTemplateError {
  return new ChatTemplateError(
    "unbounded",
    `chat template: expected bounded work, found one that exceeds its limit of ${what}; ` +
      "it may be hostile: choose another template (--chat-template)",
  );
}

function broken(expected: string, cause: unknown): ChatTemplateError {
  const found = cause instanceof Error ? cause.message : String(cause);
  return new ChatTemplateError(
    "broken",
    `chat template: expected ${expected}, found: ${found}; choose another template (--chat-template)`,
    { cause },
  );
}
