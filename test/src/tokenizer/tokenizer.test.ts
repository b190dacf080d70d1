// What all tokenizers share: decoding and streaming, special tokens, and refusing bad vocabularies.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createTokenizer, TokenizerError } from "../../../src/tokenizer/index.ts";
import { BPE_BASE, metadata, SPM_BASE, texts, tinyBpe, tinySpm } from "./tiny.ts";

describe("decoding", () => {
  const spm = createTokenizer(tinySpm(["▁a", "▁", "a", "b", "<|end|>", "[ x]"]));
  const [spaceA, space, a, b, end, user] = [0, 1, 2, 3, 4, 5].map((i) => SPM_BASE + i);
  const byte = (value: number) => 3 + value;

  it("takes the added space off the first text, after control tokens too", () => {
    expect(spm.decode([spaceA, spaceA])).toBe("a a");
    expect(spm.decode([1, spaceA, end, spaceA])).toBe("a a");
    expect(spm.decode([1, spaceA, end, spaceA], { special: true })).toBe("<s>a<|end|> a");
    expect(spm.decode([space, spaceA])).toBe(" a");
    expect(spm.decode([a, spaceA])).toBe("a a");
    expect(spm.decode([spaceA], { continues: true })).toBe(" a");
    expect(spm.decode([user, spaceA])).toBe("[ x] a");
    expect(spm.decode([])).toBe("");
  });

  it("gives a text back, whatever it is", () => {
    const bpe = createTokenizer(tinyBpe(["Ġ a", "a b"], ["[x]"], { pre: "llama-bpe" }));
    const odd = fc.string({ unit: "binary", maxLength: 20 });
    const mixed = fc.string({ unit: fc.constantFrom(..." ab\n😀é\ufeff"), maxLength: 20 });
    fc.assert(
      fc.property(fc.oneof(odd, mixed), (text) => {
        expect(bpe.decode(bpe.encode(text))).toBe(text);
        expect(spm.decode(spm.encode(text))).toBe(text.replaceAll("▁", " "));
        expect(spm.decode(spm.encode(text, { addSpecial: true }))).toBe(text.replaceAll("▁", " "));
      }),
      { seed: 2, numRuns: 1000 },
    );
  });

  it("reads a lone surrogate as U+FFFD", () => {
    expect(spm.decode(spm.encode("a\ud83d b\ude00"))).toBe("a\ufffd b\ufffd");
  });

  it("streams whole characters that add up to the same text", () => {
    const tokens = fc.array(
      fc.oneof(
        fc.constantFrom(1, 2, end, spaceA, a, b, user),
        fc.constantFrom(...[0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80, 0xc3, 0x28].map(byte)),
      ),
      { maxLength: 24 },
    );
    fc.assert(
      fc.property(tokens, fc.boolean(), fc.boolean(), (ids, special, continues) => {
        const stream = spm.detokenizer({ special, continues });
        const pieces = ids.map((token) => stream.push(token));
        pieces.push(stream.flush());
        expect(pieces.join("")).toBe(spm.decode(ids, { special, continues }));
      }),
      { seed: 5, numRuns: 1000 },
    );
    const stream = spm.detokenizer();
    expect([0xf0, 0x9f, 0x98, 0x80].map((v) => stream.push(byte(v)))).toEqual(["", "", "", "😀"]);
    expect([stream.push(byte(0xe2)), stream.push(a), stream.flush()]).toEqual(["", "\ufffda", ""]);
    expect([stream.push(byte(0xe2)), stream.flush()]).toEqual(["", "\ufffd"]);
    // After a flush a new text begins.
    expect(stream.push(spaceA)).toBe("a");
  });

  it("gives single tokens as bytes, texts and types", () => {
    expect(Array.from(spm.tokenBytes(byte(0xe2)))).toEqual([0xe2]);
    expect(Array.from(spm.tokenBytes(spaceA))).toEqual([0x20, 0x61]);
    expect(spm.tokenBytes(end).length).toBe(0);
    expect(new TextDecoder().decode(spm.tokenBytes(end, { special: true }))).toBe("<|end|>");
    expect(spm.tokenText(spaceA)).toBe("▁a");
    expect(spm.tokenId("▁a")).toBe(spaceA);
    expect(spm.tokenId("no such token")).toBeUndefined();
    expect([0, 1, 3, a, user].map((t) => spm.tokenType(t))).toEqual([
      "unknown",
      "control",
      "byte",
      "normal",
      "userDefined",
    ]);
    for (const bad of [-1, spm.vocabSize, 0.5, NaN]) {
      expect(() => spm.decode([bad])).toThrow(TokenizerError);
      expect(() => spm.tokenText(bad)).toThrow(/token id: expected an integer from 0 to 264/);
    }
  });

  it("keeps bytes of the vocabulary that are no UTF-8", () => {
    // formats/ reads the byte 0xff as U+DCFF.
    const source = tinySpm(["▁", "a"]);
    texts(source).push("\udcff");
    source.metadata.delete("tokenizer.ggml.token_type");
    const scores = new Float32Array(texts(source).length);
    source.metadata.set("tokenizer.ggml.scores", {
      type: "array",
      value: { elementType: "f32", values: scores },
    });
    const t = createTokenizer(source);
    expect(Array.from(t.tokenBytes(t.vocabSize - 1))).toEqual([0xff]);
  });
});

describe("special tokens", () => {
  it("finds every token that ends a generation by its name", () => {
    const t = createTokenizer(
      tinyBpe(
        [],
        ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|fim_pad|>", "<|fim_prefix|>"],
        {
          eos_token_id: BPE_BASE + 1,
        },
      ),
    );
    expect(t.eosToken).toBe(BPE_BASE + 1);
    expect(t.eotToken).toBe(BPE_BASE + 1);
    expect(t.bosToken).toBe(11); // GGUF's default for this model
    expect(t.fimTokens.pre).toBe(BPE_BASE + 4);
    expect([...t.eogTokens].sort()).toEqual([1, 2, 3].map((i) => BPE_BASE + i));
  });

  it("prefers what the file says", () => {
    const t = createTokenizer(
      tinyBpe([], ["<|eot_id|>", "<|turn|>", "<|eom_id|>"], { eot_token_id: BPE_BASE + 1 }),
    );
    expect(t.eotToken).toBe(BPE_BASE + 1);
    expect(t.eomToken).toBe(BPE_BASE + 2);
    expect(t.eogTokens).toEqual(new Set([11, 0, 1, 2].map((i) => (i === 11 ? 11 : BPE_BASE + i))));
  });

  it("does not end gpt-oss answers with <|end|>, and shows the frame of its messages", () => {
    const names = ["<|return|>", "<|call|>", "<|end|>", "<|channel|>"];
    const t = createTokenizer(tinyBpe([], names, { eos_token_id: BPE_BASE }));
    expect([...t.eogTokens].sort()).toEqual([BPE_BASE, BPE_BASE + 1]);
    expect(t.decode([2, 3].map((i) => BPE_BASE + i))).toBe("<|end|><|channel|>");
  });

  it("ignores ids out of range, with a warning", () => {
    const t = createTokenizer(tinyBpe([], [], { eos_token_id: 5000 }));
    expect(t.eosToken).toBe(11);
    expect(t.warnings).toEqual([
      "tokenizer.ggml.eos_token_id: expected an id below 256, found 5000; it is ignored",
    ]);
  });

  it("cuts the longest special token first", () => {
    const t = createTokenizer(tinyBpe([], ["<a>", "<a><b>", "<b>"]));
    const encode = (text: string) => t.encode(text, { parseSpecial: true });
    expect(encode("<a><a><b><b>")).toEqual([0, 1, 2].map((i) => BPE_BASE + i));
    expect(encode("<a<b>")).toEqual([0x3c, 0x61, BPE_BASE + 2]);
  });

  it("reads no special token across a breaker, and drops it", () => {
    for (const t of [
      createTokenizer(tinyBpe(["a b"], ["<a>"])),
      createTokenizer(tinySpm(["▁a", "a", "b", "ab", "<|x|>"])),
    ]) {
      const encode = (text: string, breaker?: string) =>
        t.encode(text, { parseSpecial: true, breaker });
      for (const [broken, text] of [
        ["<!a>", "<a>"],
        ["a<!|x|>b", "a<|x|>b"],
        ["a!b", "ab"],
        ["!!", ""],
        ["ab", "ab"],
      ])
        expect(encode(broken, "!")).toEqual(t.encode(text));
      expect(encode("<a>!<a>", "!")).toEqual(encode("<a><a>"));
      expect(encode("<!a>")).not.toEqual(encode("<!a>", "!"));
    }
  });

  it("gives phi-3's special tokens the white space after them", () => {
    const source = tinySpm(["▁", "a", "▁a", "<|end|>"], { "general.name": "Phi-3 mini" });
    const t = createTokenizer(source);
    const end = SPM_BASE + 3;
    expect(t.encode("a<|end|> \n a<s> a", { parseSpecial: true })).toEqual([
      SPM_BASE + 2,
      end,
      SPM_BASE + 2,
      1,
      SPM_BASE,
      SPM_BASE + 2,
    ]);
  });

  it("gives jina's mask token the white space before it", () => {
    const t = createTokenizer(tinyBpe([], ["<mask>"], { pre: "jina-v2-de" }));
    expect(t.encode("a \t<mask> b", { parseSpecial: true })).toEqual([0x61, BPE_BASE, 32, 0x62]);
  });
});

describe("bad vocabularies", () => {
  const refuse = (values: Record<string, unknown>, message: RegExp) => {
    const source = metadata(values);
    expect(() => createTokenizer(source)).toThrow(TokenizerError);
    expect(() => createTokenizer(source)).toThrow(message);
  };
  const spm = {
    model: "llama",
    tokens: ["<unk>", "<s>", "</s>", "a"],
    scores: new Float32Array(4),
    token_type: Int32Array.of(2, 3, 3, 1),
  };
  const bpe = { model: "gpt2", pre: "gpt-2", tokens: ["a", "b", "ab"], merges: ["a b"] };

  it("names the key, what was expected and found, and a remedy", () => {
    createTokenizer(metadata(spm));
    createTokenizer(metadata(bpe));
    refuse({}, /tokenizer\.ggml\.model: expected llama, .* found no such key; this kind/);
    refuse({ ...spm, model: "plamo2" }, /model: .* found string "plamo2"; .* not supported/);
    refuse({ ...spm, model: 7 }, /tokenizer\.ggml\.model: expected a string, found u32 7/);
    refuse({ ...spm, tokens: [] }, /tokens: expected an array of at least one string/);
    refuse({ model: "llama" }, /tokens: expected .* found no such key; convert/);
    refuse({ ...spm, tokens: "abc" }, /tokens: expected an array of strings, found string "abc"/);
    refuse({ ...spm, tokens: Int32Array.of(1) }, /tokens: .* found an array of 1 x i32/);
    refuse({ ...spm, tokens: ["<unk>", "a", "b", "a"] }, /tokens\[3\]: .* "a", which is token 1/);
    refuse({ ...spm, scores: ["0", "0", "0", "0"] }, /scores: expected an array of f32 or i32/);
    refuse({ ...spm, scores: new Float32Array(3) }, /scores: expected 4 values/);
    refuse({ ...spm, scores: Float32Array.of(0, 0, NaN, 0) }, /scores\[2\]: .* found NaN/);
    refuse({ ...spm, token_type: new Int32Array(2) }, /token_type: expected 4 values/);
    refuse({ ...spm, token_type: new Float32Array(4) }, /token_type: expected an array of i32/);
    refuse({ ...spm, add_bos_token: "yes" }, /add_bos_token: expected a bool/);
    refuse({ ...spm, bos_token_id: "1" }, /bos_token_id: expected a non-negative integer/);
    refuse({ ...bpe, merges: "a b" }, /merges: expected an array of strings/);
    refuse({ ...bpe, merges: ["ab"] }, /merges\[0\]: expected two tokens, .* found "ab"/);
    refuse({ ...bpe, merges: ["a b", "a "] }, /merges\[1\]: expected two tokens/);
    refuse({ ...bpe, merges: ["a c"] }, /merges\[0\]: expected "ac" among the tokens/);
    refuse({ ...bpe, merges: ["b a"] }, /merges\[0\]: expected "ba" among the tokens/);
    refuse({ ...bpe, add_bos_token: true }, /bos_token_id: expected an id, since .*add_bos_token/);
    refuse({ ...bpe, add_eos_token: true }, /eos_token_id: expected an id/);
    refuse({ ...bpe, pre: 1 }, /tokenizer\.ggml\.pre: expected a string/);
    const { merges: _, ...withoutMerges } = bpe;
    refuse(withoutMerges, /merges: expected an array of strings, found no such key/);
    createTokenizer(metadata({ ...withoutMerges, pre: "kimi-k2" }));
    const { scores: __, ...withoutScores } = spm;
    refuse(withoutScores, /scores: expected a score for each token, found no such key/);
  });

  it("tolerates empty tokens, with a warning", () => {
    const t = createTokenizer(metadata({ ...bpe, tokens: ["a", "b", "ab", "", ""] }));
    expect(t.warnings).toEqual(["2 tokens of the vocabulary are empty"]);
    expect(t.encode("ab")).toEqual([2]);
  });
});
