import { describe, expect, it } from "vitest";
import {
  classOf,
  baseOf,
  fingerprint,
  LETTER,
  MARK,
  NUMBER,
  OTHER,
  PUNCTUATION,
  SEPARATOR,
  SYMBOL,
  toLower,
  WHITE,
} from "../../../../src/tokenizer/unicode/classes.ts";
import { UNICODE_VERSION } from "../../../../src/tokenizer/unicode/tables.generated.ts";

const at = (character: string) => classOf(character.codePointAt(0)!);

describe("character classes", () => {
  it("is Unicode 15.1, llama.cpp's version", () => {
    expect(UNICODE_VERSION).toBe("15.1.0");
    expect(classOf(0x2ffc)).toBe(SYMBOL); // new in 15.1
    expect(classOf(0x2ebf0)).toBe(LETTER); // new in 15.1
    expect(classOf(0x1c89)).toBe(OTHER); // new in 16.0
    expect(classOf(0xa7cb)).toBe(OTHER); // new in 16.0
  });

  it("has one class for each code point, and white space beside it", () => {
    expect("aZéǅʰ中ㄱ𝒜".split(/(?:)/u).map(at)).toEqual(Array(8).fill(LETTER));
    expect(["\u0301", "\u093e", "\u20dd"].map(at)).toEqual(Array(3).fill(MARK));
    expect("5٣²Ⅷ".split("").map(at)).toEqual(Array(4).fill(NUMBER));
    expect("_-([)\u201c\u201d!".split("").map(at)).toEqual(Array(8).fill(PUNCTUATION));
    expect("+$^~©".split("").map(at)).toEqual(Array(5).fill(SYMBOL));
    expect("\u00a0\u2028\u2029\u3000 ".split("").map(at)).toEqual(Array(5).fill(SEPARATOR | WHITE));
    expect("\t\n\v\f\r\u0085".split("").map(at)).toEqual(Array(6).fill(OTHER | WHITE));
    expect(["\0", "\u00ad", "\u200b", "\ufeff", "\ue000", "\u0378"].map(at)).toEqual(
      Array(6).fill(OTHER),
    );
    expect(classOf(0xd800)).toBe(OTHER);
    expect(classOf(0x10ffff)).toBe(OTHER);
    for (let c = 0; c < 0x110000; c++) {
      const kind = classOf(c) & ~WHITE;
      if (kind === 0 || (kind & (kind - 1)) !== 0) throw new Error(`U+${c.toString(16)}: ${kind}`);
    }
  });

  it("has as many code points in each class as UnicodeData.txt 15.1", () => {
    const counts = new Map<number, number>();
    for (let c = 0; c < 0x110000; c++) {
      const kind = classOf(c) & ~WHITE;
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
    // DerivedGeneralCategory-15.1.0.txt: the totals of Lu Ll Lt Lm Lo, Mn Mc Me, and so on.
    expect(counts.get(LETTER)).toBe(1831 + 2233 + 31 + 397 + 132234);
    expect(counts.get(MARK)).toBe(1985 + 452 + 13);
    expect(counts.get(NUMBER)).toBe(680 + 236 + 915);
    expect(counts.get(PUNCTUATION)).toBe(10 + 26 + 79 + 77 + 12 + 10 + 628);
    expect(counts.get(SYMBOL)).toBe(948 + 63 + 125 + 6639);
    expect(counts.get(SEPARATOR)).toBe(17 + 1 + 1);
  });

  it("maps to lower case one to one", () => {
    expect("AZÉΩЖẞ𐐀İ".split(/(?:)/u).map((c) => toLower(c.codePointAt(0)!))).toEqual(
      "azéωжß𐐨i".split(/(?:)/u).map((c) => c.codePointAt(0)!),
    );
    expect(toLower(0x4e2d)).toBe(0x4e2d);
    expect(toLower(0xdf)).toBe(0xdf);
  });

  it("knows the letter under an accent", () => {
    const text = "éÅṩ각ガ神中a\u{1f71}";
    expect(text.split(/(?:)/u).map((c) => baseOf(c.codePointAt(0)!))).toEqual(
      [..."eAs\u1100カ神中a\u03b1"].map((c) => c.codePointAt(0)!),
    );
    // U+FA19 is a compatibility form of U+795E; the run before it must not reach it.
    expect(baseOf(0xfa19)).toBe(0x795e);
  });

  it("is the same table on every engine", () => {
    expect(fingerprint()).toBe(1213423575);
  });
});
