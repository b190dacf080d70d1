// The tokenizer of a model file: text to token ids and back. One class for all models; how raw
// text becomes tokens is the part of spm.ts, bpe.ts, wordpiece.ts,
// unigram.ts and rwkv.ts.
import { encodeUtf8 } from "../../formats/utf8.ts";
import { byteOfTokenText } from "./byte-alphabet.ts";
import { type Detokenizer, Utf8Detokenizer } from "./detokenizer.ts";
import { TokenizerError } from "./errors.ts";
import { SpecialTokenPartition } from "./fragments.ts";
import { IntList } from "./int-list.ts";
import type { VocabularyMetadata } from "./metadata.ts";
import type { TokenizerModel } from "./model.ts";
import { specialTokenIds } from "./special-tokens.ts";
import { wellFormed } from "./split/code-points.ts";
import { ATTRIBUTE, type SpecialTokens, type TokenType, type Vocabulary } from "./vocabulary.ts";

export interface EncodeOptions {
  /** Add BOS and EOS where the model wants them. Default false. */
  readonly addSpecial?: boolean;
  /**
   * Read the texts of control tokens (`<|im_end|>`) as those tokens. Default false: they are plain
   * text, as text from a user must be.
   */
  readonly parseSpecial?: boolean;
  /**
   * A character that is dropped, wherever it stands, after special tokens were looked for: inside the text of one, it
   * makes plain text of it.
   */
  readonly breaker?: string;
}

export interface DecodeOptions {
  /** Render control and unknown tokens as their texts. Default false: they are left out. */
  readonly special?: boolean;
  /**
   * The tokens go on where earlier text ended, so a space at their start is text. Default false:
   * the space that some models put before a text is taken off again.
   */
  readonly continues?: boolean;
}

/** Text to tokens and back, for one vocabulary. Not bound to the model's weights. */
export interface Tokenizer {
  /** `tokenizer.ggml.model`. */
  readonly model: string;
  /** `tokenizer.ggml.pre`, or "default". */
  readonly pre: string;
  readonly vocabSize: number;
  readonly bosToken: number | undefined;
  readonly eosToken: number | undefined;
  /** End of turn, end of message. */
  readonly eotToken: number | undefined;
  readonly eomToken: number | undefined;
  readonly unkToken: number | undefined;
  readonly sepToken: number | undefined;
  readonly padToken: number | undefined;
  readonly maskToken: number | undefined;
  /** Fill in the middle: before, after and for the gap; padding, repository name, file border. */
  readonly fimTokens: {
    readonly pre: number | undefined;
    readonly suf: number | undefined;
    readonly mid: number | undefined;
    readonly pad: number | undefined;
    readonly rep: number | undefined;
    readonly sep: number | undefined;
  };
  /** Every token that ends a generation. */
  readonly eogTokens: ReadonlySet<number>;
  readonly addBos: boolean;
  readonly addEos: boolean;
  /** Whether the separator stands between two texts that are given as one (rerankers). */
  readonly addSepBetween: boolean;
  /** Whether the first word gets a space before it. */
  readonly addSpacePrefix: boolean;
  /** What is odd about the vocabulary, in sentences for the user. */
  readonly warnings: readonly string[];
  /**
   * Token ids of `text`. A lone surrogate counts as U+FFFD. SPM vocabularies write a space as
   * U+2581, so that character comes back as a space.
   */
  encode(text: string, options?: EncodeOptions): number[];
  /** Bytes that are no UTF-8 come out as U+FFFD. Throws TokenizerError for an id out of range. */
  decode(tokens: Iterable<number>, options?: DecodeOptions): string;
  /** Text of one token in bytes: it may be part of a character. No space is taken off. */
  tokenBytes(token: number, options?: { readonly special?: boolean }): Uint8Array;
  /** The token as the vocabulary writes it. */
  tokenText(token: number): string;
  /** The id of a token by `tokenText`. */
  tokenId(text: string): number | undefined;
  tokenType(token: number): TokenType;
  /** A streaming decoder; all it returns, joined, equals `decode` of the same tokens. */
  detokenizer(options?: DecodeOptions): Detokenizer;
}

const NO_BYTES = new Uint8Array(0);

export class VocabularyTokenizer implements Tokenizer {
  readonly model: string;
  readonly pre: string;
  readonly eogTokens: ReadonlySet<number>;
  readonly addBos: boolean;
  readonly addEos: boolean;
  readonly addSepBetween: boolean;
  readonly #vocabulary: Vocabulary;
  readonly #model: TokenizerModel;
  readonly #partition: SpecialTokenPartition;
  readonly #bytes: (Uint8Array | undefined)[] = [];
  readonly #out = new IntList();

  constructor(
    names: { readonly model: string; readonly pre: string },
    vocabulary: Vocabulary,
    model: TokenizerModel,
    eogTokens: ReadonlySet<number>,
    meta: VocabularyMetadata,
  ) {
    this.model = names.model;
    this.pre = names.pre;
    this.#vocabulary = vocabulary;
    this.#model = model;
    this.eogTokens = eogTokens;
    this.addBos = meta.bool("tokenizer.ggml.add_bos_token") ?? model.addBos;
    this.addEos = meta.bool("tokenizer.ggml.add_eos_token") ?? model.addEos;
    this.addSepBetween = meta.bool("tokenizer.ggml.add_sep_token") ?? model.addSepBetween ?? false;
    // gemma 4: files say false, the model was trained with it (llama.cpp overrides it too).
    if (model.forceBos) this.addBos = true;
    if (this.addBos && this.bosToken === undefined) throw noToken(meta, "bos");
    if (this.addEos && this.eosToken === undefined) throw noToken(meta, "eos");
    if (model.addSep && this.sepToken === undefined) {
      throw meta.wrong("tokenizer.ggml.seperator_token_id", "an id: it ends every text");
    }
    this.#partition = new SpecialTokenPartition(vocabulary, specialTokenIds(vocabulary));
  }

  get vocabSize(): number {
    return this.#vocabulary.texts.length;
  }
  get bosToken(): number | undefined {
    return this.#special.bos;
  }
  get eosToken(): number | undefined {
    return this.#special.eos;
  }
  get eotToken(): number | undefined {
    return this.#special.eot;
  }
  get eomToken(): number | undefined {
    return this.#special.eom;
  }
  get unkToken(): number | undefined {
    return this.#special.unk;
  }
  get sepToken(): number | undefined {
    return this.#special.sep;
  }
  get padToken(): number | undefined {
    return this.#special.pad;
  }
  get maskToken(): number | undefined {
    return this.#special.mask;
  }
  get fimTokens(): Tokenizer["fimTokens"] {
    const { fimPre, fimSuf, fimMid, fimPad, fimRep, fimSep } = this.#special;
    return { pre: fimPre, suf: fimSuf, mid: fimMid, pad: fimPad, rep: fimRep, sep: fimSep };
  }
  get addSpacePrefix(): boolean {
    return this.#model.addSpacePrefix;
  }
  get warnings(): readonly string[] {
    return this.#vocabulary.warnings;
  }
  get #special(): SpecialTokens {
    return this.#vocabulary.special;
  }

  encode(
    text: string,
    { addSpecial = false, parseSpecial = false, breaker }: EncodeOptions = {},
  ): number[] {
    const out = this.#out;
    out.clear();
    if (addSpecial && this.addBos) out.push(this.bosToken!);
    let afterSpecial = true;
    for (const fragment of this.#partition.split(wellFormed(text), parseSpecial)) {
      if (typeof fragment === "number") {
        out.push(fragment);
        afterSpecial = true;
      } else {
        const raw = breaker === undefined ? fragment : fragment.replaceAll(breaker, "");
        if (raw === "") continue;
        const prefix = this.#model.addSpacePrefix && afterSpecial ? " " : "";
        this.#model.encode(prefix + raw, out);
        afterSpecial = false;
      }
    }
    if (addSpecial && this.addEos) out.push(this.eosToken!);
    if (addSpecial && this.#model.addSep) out.push(this.sepToken!);
    return out.toArray();
  }

  decode(tokens: Iterable<number>, options: DecodeOptions = {}): string {
    return this.#detokenizer(options).all(tokens);
  }

  detokenizer(options: DecodeOptions = {}): Detokenizer {
    return this.#detokenizer(options);
  }

  #detokenizer({ special = false, continues = false }: DecodeOptions): Utf8Detokenizer {
    return new Utf8Detokenizer(
      (token) => this.tokenBytes(token, { special }),
      (token) => this.#attribute(token),
      this.#model.addSpacePrefix && !continues,
    );
  }

  tokenBytes(token: number, { special = false }: { special?: boolean } = {}): Uint8Array {
    const attribute = this.#attribute(token);
    if (!special && (attribute & (ATTRIBUTE.control | ATTRIBUTE.unknown)) !== 0) return NO_BYTES;
    return (this.#bytes[token] ??= this.#render(this.#vocabulary.texts[token], attribute));
  }

  tokenText(token: number): string {
    this.#attribute(token);
    return this.#vocabulary.texts[token];
  }

  tokenId(text: string): number | undefined {
    return this.#vocabulary.ids.get(text);
  }

  tokenType(token: number): TokenType {
    const attribute = this.#attribute(token);
    // Detection can make a control token of one that the file calls normal: control wins.
    const types = ["control", "unknown", "userDefined", "byte", "normal", "unused"] as const;
    return types.find((type) => (attribute & ATTRIBUTE[type]) !== 0) ?? "undefined";
  }

  #render(text: string, attribute: number): Uint8Array {
    const literal = ATTRIBUTE.control | ATTRIBUTE.unknown | ATTRIBUTE.userDefined;
    // encodeUtf8: a token's text can hold bytes that are no UTF-8; they come out as they went in.
    if ((attribute & literal) !== 0) return encodeUtf8(text);
    if ((attribute & ATTRIBUTE.normal) !== 0) return this.#model.bytesOfNormal(text);
    const byte = (attribute & ATTRIBUTE.byte) !== 0 ? byteOfTokenText(text) : -1;
    return byte < 0 ? NO_BYTES : Uint8Array.of(byte);
  }

  #attribute(token: number): number {
    const attribute = this.#vocabulary.attributes[token];
    if (attribute !== undefined) return attribute;
    throw new TokenizerError({
      subject: "token id",
      expected: `an integer from 0 to ${this.vocabSize - 1}`,
      found: String(token),
      remedy: "use ids of this model's own tokenizer",
    });
  }
}

function noToken(meta: VocabularyMetadata, role: "bos" | "eos"): TokenizerError {
  return meta.wrong(
    `tokenizer.ggml.${role}_token_id`,
    `an id, since tokenizer.ggml.add_${role}_token asks for it`,
    `convert the model again, or set add_${role}_token to false with --override-kv`,
  );
}
