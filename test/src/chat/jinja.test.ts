import { describe, expect, it } from "vitest";
import { JinjaTemplate } from "../../../src/chat/jinja.ts";
import { NOW } from "./conversations.ts";

async function render(source: string, variables: Record<string, unknown> = {}): Promise<string> {
  const template = await JinjaTemplate.parse(source);
  return template.render(variables, NOW, 0).text;
}

describe("rendering", () => {
  it.each([
    ["{% for a, b in [(1, 2), (3, 4)] %}{{ a }}{{ b }} {% endfor %}", "12 34 "],
    ["{{ '-' * 3 }}{{ '-' * 0 }}{{ '-' * -1 }}{{ 2 * 3 }}", "---6"],
    ["{{ range(3) | list | tojson }}{{ range(4, 0, -2) | list | tojson }}", "[0, 1, 2][4, 2]"],
    ["{% for i in range(9) %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}", "012"],
    ["{{ strftime_now('%d %b %Y') }}", "04 Mar 2025"],
    ["  {%- if true %}\n  a\n  {% endif %}\nb", "  a\nb"], // trim_blocks and lstrip_blocks, as Hugging Face's
    ["{{ x | tojson }}", '{"a": [1, null, "é"]}'],
    ["{{ x.y.z is defined }}{{ none is none }}{{ True }}", "falsetruetrue"],
  ])("%s", async (source, expected) => {
    expect(await render(source, { x: { a: [1, null, "é"] } })).toBe(expected);
  });

  it("says whether the date was asked for", async () => {
    for (const [source, usesDate] of [
      ["{{ strftime_now('%Y') }}", true],
      ["{% if strftime_now is defined %}x{% endif %}", false],
    ] as const) {
      const template = await JinjaTemplate.parse(source);
      expect(template.render({}, NOW, 0).usesDate).toBe(usesDate);
    }
  });

  it("hands on what a template says about the messages", async () => {
    await expect(render("{{ raise_exception('roles must alternate') }}")).rejects.toMatchObject({
      failure: "refused",
      message: expect.stringMatching(/^messages: .*roles must alternate$/),
    });
  });
});

describe("broken templates", () => {
  it.each([
    ["no end", "{% if x %}", /can be parsed/],
    ["an open quote", "{{ 'abc }}", /can be parsed/],
    ["a call of nothing", "{{ nothing.at.all() }}", /renders/],
    ["an unknown filter", "{{ 1 | nosuchfilter }}", /renders/],
    ["a broken range", "{{ range(1.5) }}", /renders.*integers/],
    ["a range that does not move", "{{ range(1, 2, 0) }}", /renders.*not 0/],
    ["a megabyte", " ".repeat(2 ** 20 + 1), /at most 1048576 characters/],
  ])("%s", async (_, source, message) => {
    await expect(render(source)).rejects.toMatchObject({
      name: "ChatTemplateError",
      failure: "broken",
      message: expect.stringMatching(message),
    });
  });

  it("variables that hide the interpreter's own", async () => {
    await expect(render("x", { namespace: 1 })).rejects.toMatchObject({ failure: "broken" });
  });
});

describe("hostile templates end with an error", () => {
  const NESTED = (n: number, body: string): string =>
    "{% for x in range(99999) %}".repeat(n) + body + "{% endfor %}".repeat(n);

  it.each([
    ["a huge range", "{{ range(10 ** 12) }}", "range() of at most 100000 numbers"],
    ["nested loops", NESTED(3, "x"), "work"],
    ["nested loops that do nothing", NESTED(3, ""), "work"],
    ["a filtered loop", "{% for x in range(99999) if false %}{% endfor %}".repeat(40), "work"],
    ["a macro that calls itself", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "depth"],
    [
      "a macro that calls itself twice, to a depth that would be fine",
      "{% macro f(n) %}{% if n > 0 %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(25) }}",
      "work",
    ],
    [
      "a text that doubles",
      "{% set ns = namespace(t='xxxxxxxx') %}{% for i in range(99) %}{% set ns.t = ns.t + ns.t %}{% endfor %}",
      "work",
    ],
    ["a text that is repeated", "{{ 'x' * 10 ** 9 }}", "length of text"],
    [
      "a list that doubles",
      "{% set ns = namespace(t=[1, 2]) %}{% for i in range(99) %}{% set ns.t = ns.t + ns.t %}{% endfor %}",
      "length of a list",
    ],
    [
      "a text that replaces itself",
      "{% set ns = namespace(t='x' * 4096) %}{% for i in range(9) %}{% set ns.t = ns.t | replace('x', ns.t) %}{% endfor %}",
      "length of text",
    ],
    [
      "an expression too deep for the stack",
      "{{ " + "[".repeat(5000) + "]".repeat(5000) + " }}",
      "",
    ],
    [
      "a namespace within itself",
      "{% set ns = namespace() %}{% set ns.a = ns %}{{ ns | tojson }}",
      "memory",
    ],
  ])("%s", async (_, source, limit) => {
    await expect(render(source)).rejects.toMatchObject({
      name: "ChatTemplateError",
      ...(limit !== "" && {
        failure: "unbounded",
        message: expect.stringContaining(`exceeds its limit of ${limit};`),
      }),
    });
  });

  it("while a long conversation is nothing to it", async () => {
    const messages = Array.from({ length: 3000 }, (_, i) => ({
      role: "user",
      content: `text ${i}`,
    }));
    const source =
      "{% for m in messages %}{% if m.role == 'user' and loop.index0 >= 0 %}" +
      "{{ '<' + m['role'] + '>' + (m.content | trim) + '\n' }}" +
      "{% endif %}{% if messages[loop.index0 - 1].role != 'user' %}{{ raise_exception('no') }}{% endif %}{% endfor %}";
    const template = await JinjaTemplate.parse(source);
    const { text } = template.render({ messages }, NOW, JSON.stringify(messages).length);
    expect(text.split("\n")).toHaveLength(3001);
  });
});
