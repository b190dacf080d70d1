// Text of a user that looks like a special token must stay text: `<|im_end|>` in a message would end the message, and
// what follows could pass for the system's words. The rendered conversation is one text in which the template's special
// tokens count and the messages' do not, so each of theirs is broken up before rendering, by a character that the
// tokenizer drops after it has looked for special tokens (EncodeOptions.breaker).

import type { Tokenizer } from "../tokenizer/index.ts";

/** Private use: no language has it. The first that the texts do not have is taken. */
const FIRST_BREAKER = 0xe000;
const LAST_BREAKER = 0xf8ff;

export class PlainText {
  private readonly specials = new Set<string>();
  private readonly lengths: readonly number[];
  private readonly firstUnits: ReadonlySet<number>;
  /** Beginnings of special tokens, short of all of it. */
  private readonly beginnings = new Set<string>();

  constructor(tokenizer: Tokenizer) {
    for (let id = 0; id < tokenizer.vocabSize; id++) {
      const type = tokenizer.tokenType(id);
      if (type !== "control" && type !== "unknown") continue;
      const text = tokenizer.tokenText(id);
      // A single character cannot be broken up; no vocabulary has such a control token.
      if (text.length < 2) continue;
      this.specials.add(text);
      // A name such as `user` may end like a token that begins with a letter: it must stay what it is.
      if (/^[0-9A-Za-z]/.test(text)) continue;
      for (let n = 1; n < text.length; n++) this.beginnings.add(text.slice(0, n));
    }
    this.lengths = [...new Set([...this.specials].map((text) => text.length))];
    this.firstUnits = new Set([...this.specials].map((text) => text.charCodeAt(0)));
  }

  /** A character that is not in `text`. */
  static breakerFor(text: string): string {
    for (let code = FIRST_BREAKER; code <= LAST_BREAKER; code++) {
      const character = String.fromCharCode(code);
      if (!text.includes(character)) return character;
    }
    return "\0"; // a text with all 6400 of them can do without this one
  }

  /**
   * The value with every string in it made harmless: no special token is in it, and none that begins at its end is
   * completed by what the template puts behind it.
   */
  protect<T>(value: T, breaker: string): T {
    if (typeof value === "string") return this.protectEnd(value, breaker) as T;
    if (Array.isArray(value)) return value.map((item) => this.protect(item, breaker)) as T;
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [
        this.protectInside(key, breaker),
        this.protect(item, breaker),
      ]),
    ) as T;
  }

  /** Tokens may overlap: each of them is broken behind its first character. */
  private protectInside(text: string, breaker: string): string {
    let out = "",
      from = 0;
    for (let i = 0; i < text.length; i++) {
      if (!this.firstUnits.has(text.charCodeAt(i))) continue;
      if (!this.lengths.some((length) => this.specials.has(text.slice(i, i + length)))) continue;
      out += text.slice(from, i + 1) + breaker;
      from = i + 1;
    }
    return out + text.slice(from);
  }

  private protectEnd(text: string, breaker: string): string {
    const safe = this.protectInside(text, breaker);
    const longest = Math.min(text.length, Math.max(0, ...this.lengths) - 1);
    for (let n = 1; n <= longest; n++)
      if (this.beginnings.has(text.slice(-n))) return safe + breaker;
    return safe;
  }
}
