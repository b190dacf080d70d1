// Every splitting rule against the expression it stands for, over random texts made of what the
// rules disagree about, and by hand where no expression says what is meant.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IntList } from "../../../../src/tokenizer/int-list.ts";
import { CodePoints, wellFormed } from "../../../../src/tokenizer/split/code-points.ts";
import { type RuleName, RULES } from "../../../../src/tokenizer/split/rules.ts";
import { runStages } from "../../../../src/tokenizer/split/stage.ts";
import { EXPRESSIONS, splitByExpressions } from "./expressions.ts";

function words(rule: RuleName, text: string): string[] {
  const points = new CodePoints();
  points.load(wellFormed(text));
  const ends = runStages(RULES[rule], points, [new IntList(), new IntList()]);
  const pieces: string[] = [];
  let start = 0;
  for (const end of ends.view()) {
    pieces.push(points.text(start, end));
    start = end;
  }
  expect(pieces.join("")).toBe(text);
  return pieces;
}

// Old characters only, so that the engine's Unicode version does not matter.
const PARTS = [
  ..."aBzéÉßǅʰΩжЖ中語あアー가ㄱㄅไअ𐐀𝒜",
  ..."\u0301\u0e31\u093e\u20dd", // marks
  ..."0159٣²Ⅷ①",
  ..."'.,!?-_/\\()[]{}\"#%&*@:;，。、…“”—।۔،！",
  ..."$+<=>^`|~€☺😀",
  " ",
  "  ",
  "\t",
  "\n",
  "\r",
  "\r\n",
  "\u0085",
  "\u00a0",
  "\u2028",
  "\u3000",
  "    ",
  "\u0001",
  "\u200b",
  "\ufeff",
  "\u00ad",
  "\ue000",
  "\ufffd",
  "'s",
  "'LL",
  "'Re",
  "'d",
  "'v",
  "the",
  "Word",
  "XML",
  "123",
  "4567",
  "IMGIMGABZ",
  "IMGIMGZ",
  "<sentinel:12>",
  "<sentinel:>",
  "12a",
  "1_",
  "www.x.com",
];
const text = fc.array(fc.constantFrom(...PARTS), { maxLength: 24 }).map((parts) => parts.join(""));
const dense = fc
  .array(fc.constantFrom(..." \nA1aé'.", "\u0301", "中"), { maxLength: 40 })
  .map((parts) => parts.join(""));

describe("splitting rules equal their expressions", () => {
  for (const [rule, expressions] of Object.entries(EXPRESSIONS) as [RuleName, string[]][]) {
    it(rule, () => {
      fc.assert(
        fc.property(fc.oneof(text, dense), (t) => {
          expect(words(rule, t)).toEqual(splitByExpressions(t, expressions));
        }),
        { seed: 4, numRuns: 1500 },
      );
    });
  }
});

describe("rules that no expression states", () => {
  it("has an expression or a test here for every rule", () => {
    const without = Object.keys(RULES).filter((rule) => !(rule in EXPRESSIONS));
    expect(without.sort()).toEqual(["afmoe", "deepseek-llm"]);
  });

  it("afmoe groups digits from the right and leaves words and scripts alone", () => {
    expect(words("afmoe", "in 1234567 days")).toEqual(["in", " ", "1", "234", "567", " days"]);
    expect(words("afmoe", "123")).toEqual(["123"]);
    expect(words("afmoe", "x12٣4")).toEqual(["x", "1", "2٣4"]);
    expect(words("afmoe", "ລາວabc中文")).toEqual(["ລາວ", "abc", "中文"]);
    expect(words("afmoe", "x .com.org")).toEqual(["x", " .", "com", ".org"]);
  });

  it("deepseek-llm knows letters by its own list", () => {
    expect(words("deepseek-llm", "a b\r\n  中文é12")).toEqual([
      "a",
      " b",
      "\r",
      "\n",
      "  ",
      "中文",
      "é",
      "12",
    ]);
    // Arabic letters are not in the list; a full-width comma is punctuation.
    expect(words("deepseek-llm", "abcسلام，x")).toEqual(["abc", "سلام", "，", "x"]);
    expect(words("deepseek-llm", "a  ")).toEqual(["a", "  "]);
    // The punctuation class contains the ASCII letters (`:-~`), so it cuts words again.
    expect(words("deepseek-llm", "aéb!")).toEqual(["a", "é", "b", "!"]);
  });

  it("jais-2 cuts spaces in powers of two, the last one goes with the word", () => {
    const lengths = words("jais-2", `${" ".repeat(1100)}x`).map((w) => w.length);
    expect(lengths).toEqual([512, 512, 64, 8, 2, 1, 2]);
  });
});

describe("no rule is slower than linear", () => {
  // Each would take minutes if some position looked over all that follows.
  const texts: Record<string, string> = {
    "spaces before a word": `${" ".repeat(500_000)}x`,
    "digits before a word": `${"1".repeat(500_000)}x`,
    capitals: `${"A".repeat(250_000)}é${"A".repeat(250_000)}`,
    "caseless and capital letters": "中A".repeat(250_000),
    "line ends": " \n".repeat(250_000),
    sentinels: "<sentinel:1".repeat(45_000),
    apostrophes: "'".repeat(500_000),
  };
  for (const [name, t] of Object.entries(texts)) {
    it(name, () => {
      const points = new CodePoints();
      points.load(t);
      const lists = [new IntList(), new IntList()] as const;
      for (const rule of Object.keys(RULES) as RuleName[]) {
        expect(runStages(RULES[rule], points, lists).view().at(-1), rule).toBe(points.length);
      }
    });
  }
});

describe("code points", () => {
  it("replaces lone surrogates by U+FFFD and keeps pairs", () => {
    expect(wellFormed("a😀b")).toBe("a😀b");
    expect(wellFormed("a\ud83d")).toBe("a\ufffd");
    expect(wellFormed("\ude00\ud83d\ud83d\ude00x\ud83d")).toBe("\ufffd\ufffd😀x\ufffd");
  });
});
