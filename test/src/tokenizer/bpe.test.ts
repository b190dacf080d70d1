// Byte-level BPE: by hand over a tiny vocabulary and against a slow reference over random ones.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CHARACTER_OF_BYTE } from "../../../src/tokenizer/byte-alphabet.ts";
import { createTokenizer } from "../../../src/tokenizer/index.ts";
import { PRE_TOKENIZER_NAMES } from "../../../src/tokenizer/pre-tokenizers.ts";
import { BPE_BASE, metadata, texts, tinyBpe } from "./tiny.ts";
import { EXPRESSIONS, splitByExpressions } from "./split/expressions.ts";

// "Ġ" is the space. Ranks rise: "h e" is merged before "l l".
const MERGES = ["h e", "l l", "Ġ w", "he ll", "o r", "Ġw or", "hell o", "Ġ Ġ", "Ã ©"];
const id = (token: string) => BPE_BASE + MERGES.findIndex((m) => m.replace(" ", "") === token);
const bytes = (text: string) => Array.from(new TextEncoder().encode(text));

describe("byte-level BPE", () => {
  const tokenizer = createTokenizer(tinyBpe(MERGES, ["<|endoftext|>", "[tool]"]));

  it("merges by rank within words", () => {
    expect(tokenizer.encode("hello world")).toEqual([id("hello"), id("Ġwor"), 108, 100]);
    // The word is " hell": the space stays alone, since no merge takes it.
    expect(tokenizer.encode("ll hell")).toEqual([id("ll"), 32, id("hell")]);
    // Two spaces before a word: gpt-2 leaves the last to the word.
    expect(tokenizer.encode("a  wo")).toEqual([97, 32, id("Ġw"), 111]);
    expect(tokenizer.encode("é")).toEqual([id("Ã©")]);
    expect(tokenizer.encode("😀")).toEqual(bytes("😀"));
  });

  it("reads special tokens only when asked, user-defined ones always", () => {
    const text = "he<|endoftext|>he[tool]";
    const [end, tool] = [BPE_BASE + MERGES.length, BPE_BASE + MERGES.length + 1];
    expect(tokenizer.encode(text, { parseSpecial: true })).toEqual([id("he"), end, id("he"), tool]);
    expect(tokenizer.encode(text)).not.toContain(end);
    expect(tokenizer.encode(text).at(-1)).toBe(tool);
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
  });

  it("drops bytes that the vocabulary lacks", () => {
    const lacking = tinyBpe(MERGES);
    texts(lacking)[0x7a] = "no z";
    expect(createTokenizer(lacking).encode("zhez")).toEqual([id("he")]);
  });

  // bloom: its words are long, and easy to find. The words of the other two are cut further.
  it.each(["bloom", "superbpe", "exaone-moe"] as const)("equals a slow reference: %s", (pre) => {
    const part = fc.string({
      unit: fc.constantFrom("a", "b", "Ġ", "Ã", "©"),
      minLength: 1,
      maxLength: 3,
    });
    const merges = fc
      .uniqueArray(fc.tuple(part, part), { maxLength: 10, selector: ([l, r]) => l + r })
      .map(closed);
    const text = fc.string({ unit: fc.constantFrom(..."ab é"), maxLength: 24 });
    fc.assert(
      fc.property(merges, text, (m, t) => {
        const encoded = createTokenizer(tinyBpe(m, [], { pre })).encode(t);
        const words = splitByExpressions(t, EXPRESSIONS[pre]!);
        expect(encoded).toEqual(words.flatMap((word) => slowBpe(m, word)));
      }),
      { seed: 3, numRuns: 1500 },
    );
  });

  it("equals a slow reference on characters", () => {
    const characters = ["a", "b", "▁", "é", "中", "\n"];
    const part = fc.string({ unit: fc.constantFrom(...characters), minLength: 1, maxLength: 3 });
    const merges = fc
      .uniqueArray(fc.tuple(part, part), { maxLength: 10, selector: ([l, r]) => l + r })
      .map((pairs) => closed(pairs, characters));
    const text = fc.string({ unit: fc.constantFrom(..."ab é中\n"), maxLength: 24 });
    fc.assert(
      fc.property(merges, text, (m, t) => {
        const tokens = [...characters, ...m.map((merge) => merge.replace(" ", "")), "<bos>"];
        const values = { model: "gemma4", tokens, merges: m, bos_token_id: tokens.length - 1 };
        const lines = t.replaceAll(" ", "▁").match(/\n+|[^\n]+/g) ?? [];
        const expected = lines.flatMap((line) =>
          line[0] === "\n" && tokens.includes(line) ? [line] : slowMerges(m, Array.from(line)),
        );
        const encoded = createTokenizer(metadata(values)).encode(t);
        expect(encoded).toEqual(expected.map((symbol) => tokens.indexOf(symbol)));
      }),
      { seed: 10, numRuns: 1500 },
    );
  });

  it("takes a megabyte of one character", () => {
    const t = createTokenizer(tinyBpe(["a a", "aa aa", "aaaa aaaa"]));
    const tokens = t.encode("a".repeat(1_000_000));
    expect(tokens.length).toBe(125_000);
    expect(t.decode(tokens) === "a".repeat(1_000_000)).toBe(true);
    expect(t.encode("€".repeat(300_000)).length).toBe(900_000);
  });
});

// Adds to random pairs the merges that build their parts, first, so that every part is a token.
function closed(pairs: [string, string][], characters = CHARACTER_OF_BYTE): string[] {
  const merges: string[] = [];
  const known = new Set(characters);
  const build = (token: string) => {
    for (let n = 2; n <= token.length; n++) add(token.slice(0, n - 1), token.slice(n - 1, n));
  };
  const add = (left: string, right: string) => {
    if (known.has(left + right)) return;
    merges.push(`${left} ${right}`);
    known.add(left + right);
  };
  for (const [left, right] of pairs) {
    build(left);
    build(right);
    add(left, right);
  }
  return merges;
}

function slowMerges(merges: readonly string[], symbols: string[]): string[] {
  for (;;) {
    const ranks = symbols.slice(1).map((right, i) => merges.indexOf(`${symbols[i]} ${right}`));
    const best = Math.min(...ranks.filter((rank) => rank >= 0));
    if (best === Infinity) break;
    const i = ranks.indexOf(best);
    symbols.splice(i, 2, symbols[i] + symbols[i + 1]);
  }
  return symbols;
}

function slowBpe(merges: readonly string[], word: string): number[] {
  const characters = bytes(word).map((b) => CHARACTER_OF_BYTE[b]);
  return slowMerges(merges, characters).map((symbol) => {
    const merged = merges.findIndex((merge) => merge.replace(" ", "") === symbol);
    return merged >= 0 ? BPE_BASE + merged : CHARACTER_OF_BYTE.indexOf(symbol);
  });
}

describe("pre-tokenizers", () => {
  it("knows every name that llama.cpp knows", () => {
    // ARCHITECTURES.md's table, and hy_v4, spark2_5 and ufakzeka, which are newer.
    expect([...PRE_TOKENIZER_NAMES].sort()).toEqual(
      (
        "llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano dbrx " +
        "smaug-bpe glm4 chatglm-bpe qwen2 deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan " +
        "solar-open grok-2 openpangu qwen35 gpt-2 phi-2 mpt olmo jais trillion granite-docling " +
        "exaone4 gigachat mellum modern-bert a.x-4.0 jina-es jina-de jina-v2-es jina-v2-de " +
        "jina-v1-en jina-v2-code roberta-bpe starcoder refact command-r smollm codeshell exaone " +
        "minerva-7b mellum2 gpt-4o llama4 kanana2 talkie minimax-m2 tiny_aya cohere2moe " +
        "granite-embed-multi-97m tekken deepseek-v3 hunyuan-dense joyai-llm deepseek-llm " +
        "deepseek-coder falcon youtu chameleon superbpe seed-coder exaone-moe jais-2 viking " +
        "minicpm5 laguna whitespace bailingmoe bailingmoe2 llada-moe poro-chat bloom gpt3-finnish " +
        "kimi-k2 afmoe gemma4 granite-embed-multi-311m sarvam-moe default hy_v4 spark2_5 ufakzeka"
      )
        .split(" ")
        .sort(),
    );
  });

  it("gives back any text under every rule", () => {
    const text = "It's 1234567 Días;中文かな 가나 ไทย\r\n\t x  \n<|im|> ~/.rc 😀\u0301 ";
    for (const pre of PRE_TOKENIZER_NAMES) {
      if (["gemma4", "granite-embed-multi-311m", "sarvam-moe", "whitespace"].includes(pre))
        continue;
      const t = createTokenizer(tinyBpe(MERGES, [], { pre }));
      expect(t.warnings, pre).toEqual([]);
      expect(t.decode(t.encode(text)), pre).toBe(text);
    }
  });

  it("warns of an unknown or missing name and uses the default rule", () => {
    // Default cuts digits into threes, gpt-2 does not.
    const merges = ["1 1", "11 11"];
    for (const pre of ["no-such-rule", undefined]) {
      const source = tinyBpe(merges, [], pre === undefined ? {} : { pre });
      if (pre === undefined) source.metadata.delete("tokenizer.ggml.pre");
      const t = createTokenizer(source);
      expect(t.warnings.join()).toMatch(/tokenizer\.ggml\.pre: expected .* default rule/);
      expect(t.encode("1111")).toEqual([BPE_BASE, 0x31, 0x31]);
    }
    expect(createTokenizer(tinyBpe(merges)).encode("1111")).toEqual([BPE_BASE + 1]);
  });

  it("takes a word that is a token whole where the family ignores merges", () => {
    const merges = ["a b", "c d", "ab cd", "b c"];
    // bc is merged first only by rank 3: without ignore_merges "abcd" is ab+cd = abcd too; "abc" is
    // ab c. As a token of its own it wins where merges are ignored.
    const special = { token_type: new Int32Array(256 + 5).fill(1) };
    const tokens = [...CHARACTER_OF_BYTE, "ab", "cd", "abcd", "bc", "abc"];
    const t = (pre: string) => createTokenizer(tinyBpe(merges, [], { pre, tokens, ...special }));
    expect(t("gpt-2").encode("abc")).toEqual([256, 99]);
    expect(
      createTokenizer(
        tinyBpe(merges, [], { pre: "llama-bpe", tokens, ...special, add_bos_token: false }),
      ).encode("abc"),
    ).toEqual([260]);
    expect(t("llama-bpe").addBos).toBe(true);
    expect(t("gpt-2").addBos).toBe(false);
  });

  it("merges characters instead of bytes for gemma 4", () => {
    const tokens = ["<bos>", "▁", "a", "é", "▁a", "\n", "\n\n", "<0xE2>", "<0x82>", "<0xAC>"];
    const t = createTokenizer(
      metadata({
        model: "gemma4",
        tokens,
        merges: ["▁ a"],
        token_type: Int32Array.of(3, 1, 1, 1, 1, 1, 1, 6, 6, 6),
        bos_token_id: 0,
        add_bos_token: false,
      }),
    );
    const text = "é a\n\naé€";
    const expected = [3, 4, 6, 2, 3, 7, 8, 9];
    expect(t.encode(text)).toEqual(expected);
    expect(t.encode(text, { addSpecial: true })).toEqual([0, ...expected]);
    expect(t.decode(expected)).toBe(text);
  });

  it("drops white space where it only separates words", () => {
    const values = {
      model: "whitespace",
      tokens: ["a", "b", "ab", "é", "<0xC3>"],
      merges: ["a b"],
    };
    const t = createTokenizer(metadata(values));
    expect(t.encode(" ab \n aéx")).toEqual([2, 0, 3]);
    // Not in the vocabulary: A and B are nothing, É its bytes, of which one is there.
    expect(t.encode("AB É")).toEqual([4]);
    const named = { ...values, "tokenizer.ggml.normalizer.lowercase": true };
    expect(createTokenizer(metadata(named)).encode("AB É")).toEqual([2, 3]);
  });
});
