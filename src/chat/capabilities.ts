// What a template can show, found out by rendering small conversations and looking for their texts in the result: nothing
// in a template says it. The same questions as llama.cpp's minja asks.

import { ChatTemplateError } from "./errors.ts";

export interface ChatCapabilities {
  /** Whether a message of role `system` appears. Otherwise its text goes into the first user message. */
  readonly systemRole: boolean;
  /** Whether tools that are given appear. */
  readonly tools: boolean;
  /** What stands for no tools: null, as in Hugging Face's library, unless only an empty list works. */
  readonly noTools: null | readonly [];
  /** Whether an assistant's calls of tools appear; `parallel`: two in one message. */
  readonly toolCalls: boolean;
  readonly parallelToolCalls: boolean;
  /** Whether messages of role `tool` appear. */
  readonly toolResults: boolean;
  /** How a call's arguments are to be given. */
  readonly toolArguments: "object" | "text";
  /** What stands for the missing text of a message that only calls tools. */
  readonly emptyContent: null | "";
  /** Whether content is a text or a list of parts. */
  readonly content: "text" | "parts";
}

type Message = Readonly<Record<string, unknown>>;

/** Renders messages and tools. Throws ChatTemplateError. */
export type Render = (messages: readonly Message[], tools: readonly unknown[] | null) => string;

// Words that no template has of itself.
const SYSTEM = "samebit-probe-system";
const USER = "samebit-probe-user";
const RESULT = "samebit-probe-result";
const ARGUMENT = "samebit_probe_argument";
const FIRST = "samebit_probe_first";
const SECOND = "samebit_probe_second";

export function probe(render: Render): ChatCapabilities {
  /** The text, or nothing where the template fails. A template without bounds ends the probing. */
  const shown = (messages: readonly Message[], tools: readonly unknown[] | null): string => {
    try {
      return render(messages, tools);
    } catch (error) {
      if (error instanceof ChatTemplateError && error.failure !== "unbounded") return "";
      throw error;
    }
  };
  const plain = (
    [
      [null, USER],
      [[], USER],
      [null, [{ type: "text", text: USER }]],
    ] as const
  ).find(([tools, content]) => shown([{ role: "user", content }], tools).includes(USER));
  const [noTools, shownContent] = plain ?? [null, USER];
  const parts = shownContent !== USER;
  const content = (text: string): unknown => (parts ? [{ type: "text", text }] : text);
  const user = { role: "user", content: content(USER) };

  const calling = (asText: boolean, nothing: unknown, names: readonly string[]): Message[] => [
    user,
    { role: "assistant", content: nothing, tool_calls: names.map((name) => call(name, asText)) },
  ];
  const showsArguments = (asText: boolean, nothing: unknown): boolean =>
    new RegExp(`["']${ARGUMENT}["'] ?: ?["']${valueFor(FIRST)}["']`).test(
      shown(calling(asText, nothing, [FIRST]), TOOLS),
    );
  // In order of preference: what Hugging Face's templates are made for comes first.
  const form = (
    [
      [false, null],
      [false, ""],
      [true, null],
      [true, ""],
    ] as const
  ).find(([asText, nothing]) => showsArguments(asText, nothing));
  const [asText, nothing] = form ?? ([false, ""] as const);
  const both = shown(calling(asText, nothing, [FIRST, SECOND]), TOOLS);
  const answered = [
    ...calling(asText, nothing, [FIRST]),
    { role: "tool", name: FIRST, tool_call_id: idOf(FIRST), content: content(RESULT) },
  ];
  return {
    systemRole: shown([{ role: "system", content: content(SYSTEM) }, user], noTools).includes(
      SYSTEM,
    ),
    noTools,
    tools: shown([user], TOOLS).includes(ARGUMENT),
    toolCalls: form !== undefined,
    parallelToolCalls: [FIRST, SECOND].every((name) => both.includes(valueFor(name))),
    toolResults: shown(answered, TOOLS).includes(RESULT),
    toolArguments: asText ? "text" : "object",
    emptyContent: nothing,
    content: parts ? "parts" : "text",
  };
}

/** What the probe of this name is called with. */
function valueFor(name: string): string {
  return `${name}-value`;
}

/** Mistral's templates want ids of nine letters and digits. */
function idOf(name: string): string {
  return name === FIRST ? "probecal1" : "probecal2";
}

function call(name: string, asText: boolean): unknown {
  const given = { [ARGUMENT]: valueFor(name) };
  return {
    id: idOf(name),
    type: "function",
    function: { name, arguments: asText ? JSON.stringify(given) : given },
  };
}

const TOOLS: readonly unknown[] = [FIRST, SECOND].map((name) => ({
  type: "function",
  function: {
    name,
    description: "a probe",
    parameters: {
      type: "object",
      properties: { [ARGUMENT]: { type: "string", description: "a probe" } },
      required: [ARGUMENT],
    },
  },
}));
