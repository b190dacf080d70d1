// Every splitting rule: the stages that cut a text into words before byte-pair merging. Named
// after the family that brought it; pre-tokenizers.ts says which models use which.
// Source: llama.cpp, src/llama-vocab.cpp (llm_tokenizer_bpe) and src/unicode.cpp.
import { LETTER, MARK, NUMBER, PUNCTUATION, WHITE } from "../unicode/classes.ts";
import {
  anySpaced,
  anySpacedOf,
  cased,
  contraction,
  joinedWords,
  markedWord,
  newline,
  prefixed,
  punctuatedWord,
  run,
  runOf,
  spaced,
  spacedOther,
  spacedPunctuation,
  spaces,
  spacesBeforeWord,
  throughNewline,
} from "./matchers.ts";
import {
  AFMOE_SCRIPTS,
  DEEPSEEK_CJK,
  DEEPSEEK_LETTERS,
  DEEPSEEK_PUNCTUATION,
  IDEOGRAPHS_AND_KANA,
  within,
  YOUTU_BOPOMOFO,
  YOUTU_HANGUL,
  YOUTU_PUNCTUATION,
} from "./ranges.ts";
import {
  bloomWord,
  cascadedSpaces,
  chameleonImage,
  chameleonIndent,
  chameleonSentinel,
  digitGroupsFromRight,
  digitsGlued,
  groupsBeforeBoundary,
  kimiWord,
  trailingSpaces,
} from "./singular.ts";
import { type Match, type Matcher, type Stage, split } from "./stage.ts";

const anyCase = contraction(true);
const WORD = LETTER | MARK;

// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
const gpt2Words = split(
  contraction(false),
  spaced(LETTER),
  spaced(NUMBER),
  spacedOther("none"),
  spacesBeforeWord,
  spaces,
);

// The common frame of the rules after GPT-4's: contractions, words with what stands before them,
// numbers, punctuation, line ends, white space.
function modernWords(word: Matcher, digits: number, rest = spacedOther("newlines")): Stage {
  return split(anyCase, word, run(NUMBER, digits), rest, throughNewline, spacesBeforeWord, spaces);
}

function casedWords(word: Matcher, digits: number): Stage {
  return split(
    word,
    run(NUMBER, digits),
    spacedOther("newlines or slashes"),
    throughNewline,
    spacesBeforeWord,
    spaces,
  );
}

const deepseekV3Words = split(
  punctuatedWord,
  markedWord,
  spacedPunctuation("newlines"),
  throughNewline,
  spacesBeforeWord,
  spaces,
);

const isDigit = (code: number) => code >= 48 && code <= 57;

/** `[\p{P}...]+` with ASCII symbols from a list. */
function punctuationAnd(list: string, max = Infinity): Matcher {
  const extra = new Set(Array.from(list, (c) => c.charCodeAt(0)));
  const begins = (code: number, bits: number) => (bits & PUNCTUATION) !== 0 || extra.has(code);
  const match: Match = ({ codes, classes }, at, end) => {
    const stop = Math.min(end, at + max);
    while (at < stop && begins(codes[at], classes[at])) at++;
    return at;
  };
  return { begins, match };
}

const bloomWords = split(bloomWord);

const newlineRuns = split(
  runOf((c) => c !== 10),
  runOf((c) => c === 10),
);
const threeDigits: Matcher = {
  begins: isDigit,
  match: ({ codes }, at, end) =>
    at + 2 < end && isDigit(codes[at]) && isDigit(codes[at + 1]) && isDigit(codes[at + 2])
      ? at + 3
      : at,
};

export const RULES = {
  /** Used for an unknown or missing `tokenizer.ggml.pre`. */
  default: [split(punctuationAnd("$+<=>^~|")), gpt2Words, split(run(NUMBER)), split(threeDigits)],
  gpt2: [gpt2Words],
  starcoder: [split(run(NUMBER, 1)), gpt2Words],
  falcon: [split(punctuationAnd("$+<=>^~|`")), gpt2Words, split(threeDigits)],
  llama3: [modernWords(prefixed(LETTER), 3)],
  qwen2: [modernWords(prefixed(LETTER), 1)],
  qwen35: [modernWords(prefixed(WORD), 1, spacedOther("newlines", WHITE | LETTER | MARK | NUMBER))],
  /** qwen2 without contractions, for Turkish. */
  ufakzeka: [
    split(
      prefixed(LETTER),
      run(NUMBER, 1),
      spacedOther("newlines"),
      throughNewline,
      spacesBeforeWord,
      spaces,
    ),
  ],
  laguna: [newlineRuns, modernWords(prefixed(LETTER), 1)],
  minicpm5: [split(run(NUMBER, 3)), modernWords(prefixed(LETTER), Infinity)],
  "seed-coder": [
    modernWords(
      prefixed(LETTER),
      1,
      // The class leaves out line ends, which are white space already; there is no tail.
      spacedOther("none"),
    ),
  ],
  "jais-2": [modernWords(prefixed(LETTER), 3), cascadedSpaces],
  "exaone-moe": [modernWords(joinedWords, 1, spacedOther("one newline or slash"))],
  "gpt-4o": [casedWords(cased(LETTER, true), 3)],
  "granite-embed": [casedWords(cased(WORD, true), 3)],
  tekken: [casedWords(cased(LETTER, false), 1)],
  tiny_aya: [groupsBeforeBoundary, casedWords(withContraction(prefixed(WORD)), 3)],
  youtu: [
    split(
      runOf(within(YOUTU_HANGUL)),
      runOf(within(YOUTU_PUNCTUATION)),
      runOf(within(YOUTU_BOPOMOFO)),
      runOf(within(IDEOGRAPHS_AND_KANA)),
    ),
    casedWords(withContraction(prefixed(WORD)), 1),
  ],
  "kimi-k2": [
    split(
      ...kimiWord,
      run(NUMBER, 3),
      spacedOther("newlines"),
      throughNewline,
      spacesBeforeWord,
      spaces,
    ),
  ],
  "deepseek-llm": [
    split(newline),
    split(anySpacedOf(within(DEEPSEEK_LETTERS))),
    split(anySpacedOf(within(DEEPSEEK_PUNCTUATION))),
    trailingSpaces,
    split(runOf(within(DEEPSEEK_CJK))),
    split(run(NUMBER)),
  ],
  "deepseek-coder": [
    split(newline),
    split(anySpaced(LETTER)),
    split(anySpaced(PUNCTUATION)),
    split(runOf(within(DEEPSEEK_CJK))),
    split(run(NUMBER, 1)),
  ],
  "deepseek-v3": [
    split(run(NUMBER, 3)),
    split(runOf(within(IDEOGRAPHS_AND_KANA))),
    deepseekV3Words,
  ],
  spark2_5: [
    split(run(NUMBER, 3)),
    split(runOf(within(IDEOGRAPHS_AND_KANA))),
    split(punctuatedWord, markedWord, spacedPunctuation("none"), newline, spacesBeforeWord, spaces),
    split(run(NUMBER, 1)),
  ],
  afmoe: [digitsGlued, split(runOf(within(AFMOE_SCRIPTS))), deepseekV3Words],
  bloom: [bloomWords],
  viking: [bloomWords, split(run(NUMBER, 1))],
  chameleon: [
    split(chameleonSentinel),
    split(chameleonImage),
    split(chameleonIndent),
    split(run(NUMBER, 1)),
    split(punctuationAnd("$+<=>^`|~", 1)),
    gpt2Words,
  ],
  superbpe: [split(run(NUMBER)), digitGroupsFromRight],
  /** Raw UTF-8: merges run over whole lines. */
  lines: [newlineRuns],
  /** The text has no white space any more when this rule sees it. */
  whole: [],
} satisfies { readonly [name: string]: readonly Stage[] };

export type RuleName = keyof typeof RULES;

function withContraction({ begins, match }: Matcher): Matcher {
  return {
    begins,
    match: (text, at, end) => {
      const stop = match(text, at, end);
      return stop > at && stop < end ? anyCase.match(text, stop, end) : stop;
    },
  };
}
