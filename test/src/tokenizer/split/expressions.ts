// The splitting rules as regular expressions, for comparison with the hand-written splitters: slow,
// obvious, and dependent on the engine's Unicode version, which is why only tests use them.
// Source: the expressions in the models' tokenizer.json as llama.cpp runs them
// (src/llama-vocab.cpp): its ASCII lists for classes lack "~" in \p{S}, "[LM]" stands for its view
// of the case classes, and case is ASCII case.
import type { RuleName } from "../../../../src/tokenizer/split/rules.ts";

const CONTRACTION = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const TAIL = "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const WORD = "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+";
const MARKED = "[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+";
const OTHER = " ?[^\\s\\p{L}\\p{N}]+";
const UPPER = "[\\p{L}--[a-z]]";
const LOWER = "[\\p{L}--[A-Z]]";
const UPPER_M = "[[\\p{L}\\p{M}]--[a-z]]";
const LOWER_M = "[[\\p{L}\\p{M}]--[A-Z]]";
const HAN =
  "\\u3400-\\u4dbf\\u4e00-\\u9fff\\uf900-\\ufaff\\u{20000}-\\u{2a6df}\\u{2a700}-\\u{2b73f}" +
  "\\u{2b740}-\\u{2b81f}\\u{2b820}-\\u{2ceaf}\\u{2ceb0}-\\u{2ebef}\\u{2f800}-\\u{2fa1f}";
const PS = "[[\\p{P}\\p{S}]--[~]]";
const DEEPSEEK3 =
  "[!-\\/:-@\\[-`\\{-~][A-Za-z]+|" +
  `[^\\r\\n\\p{L}${PS}]?[\\p{L}\\p{M}]+| ?${PS}+[\\r\\n]*|${TAIL}`;
const DEEPSEEK_CJK = "[\\u4e00-\\u9fa5\\u0800-\\u4e00\\uac00-\\ud7ff]+";
const CJK_KANA = "[\\u4e00-\\u9fa5\\u3040-\\u309f\\u30a0-\\u30ff]+";
const BLOOM = " ?[^\\s\\(\\|.,!?…。，、।۔،\\)]+";
const LINES = "[^\\n]+|[\\n]+";

function cased(upper: string, lower: string, contraction: string, digits: string): string {
  const prefix = "[^\\r\\n\\p{L}\\p{N}]?";
  return (
    `${prefix}${upper}*${lower}+${contraction}|${prefix}${upper}+${lower}*${contraction}|` +
    `${digits}|${OTHER}[\\r\\n\\/]*|${TAIL}`
  );
}

/** Rules whose stages are all expressions. The others have tests of their own. */
export const EXPRESSIONS: { readonly [rule in RuleName]?: readonly string[] } = {
  default: ["[\\p{P}$+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"],
  gpt2: [GPT2],
  starcoder: ["\\p{N}", GPT2],
  falcon: ["[\\p{P}$+<=>\\^~\\|`]+", GPT2, "[0-9][0-9][0-9]"],
  llama3: [`${CONTRACTION}|${WORD}|\\p{N}{1,3}|${OTHER}[\\r\\n]*|${TAIL}`],
  qwen2: [`${CONTRACTION}|${WORD}|\\p{N}|${OTHER}[\\r\\n]*|${TAIL}`],
  qwen35: [`${CONTRACTION}|${MARKED}|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|${TAIL}`],
  ufakzeka: [`${WORD}|\\p{N}|${OTHER}[\\r\\n]*|${TAIL}`],
  laguna: [LINES, `${CONTRACTION}|${WORD}|\\p{N}|${OTHER}[\\r\\n]*|${TAIL}`],
  minicpm5: ["\\p{N}{1,3}", `${CONTRACTION}|${WORD}|\\p{N}+|${OTHER}[\\r\\n]*|${TAIL}`],
  "seed-coder": [`${CONTRACTION}|${WORD}|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|${TAIL}`],
  "jais-2": [
    `${CONTRACTION}|${WORD}|\\p{N}{1,3}|${OTHER}[\\r\\n]*|\\s*[\\r\\n]+|` +
      [512, 256, 128, 64, 32, 16, 8, 4].map((n) => `\\s{${n}}(?!\\S)|`).join("") +
      "\\s{1,2}(?!\\S)|\\s{1}",
  ],
  "exaone-moe": [
    `${CONTRACTION}|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}|` +
      `${OTHER}[\\r\\n\\/]?|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+`,
  ],
  "gpt-4o": [cased(UPPER, LOWER, `${CONTRACTION}?`, "\\p{N}{1,3}")],
  "granite-embed": [cased(UPPER_M, LOWER_M, `${CONTRACTION}?`, "\\p{N}{1,3}")],
  tekken: [cased(UPPER, LOWER, "", "\\p{N}")],
  tiny_aya: [
    "[0-9]{1,3}(?=(?:[0-9]{3})*\\b)",
    cased("[\\p{L}\\p{M}]", "[\\p{L}\\p{M}]", `${CONTRACTION}?`, "\\p{N}{1,3}"),
  ],
  youtu: [
    "[\\uac00-\\ud7a3\\u3131-\\u318e]+|" +
      "[\\uff01\\u2026\\u201c\\u201d\\u2018\\u2019\\u2014\\uff1a\\uff1b\\uff0c\\u3001-\\u303f" +
      `\\ufe30-\\ufe4f]+|[\\u3105-\\u312f]+|${CJK_KANA}`,
    cased("[\\p{L}\\p{M}]", "[\\p{L}\\p{M}]", `${CONTRACTION}?`, "\\p{N}"),
  ],
  "kimi-k2": [
    `[${HAN}]+|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}--[${HAN}]]+${CONTRACTION}?|\\p{N}{1,3}|` +
      `${OTHER}[\\r\\n]*|${TAIL}`,
  ],
  "deepseek-coder": ["[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", DEEPSEEK_CJK, "\\p{N}"],
  "deepseek-v3": ["\\p{N}{1,3}", CJK_KANA, DEEPSEEK3],
  spark2_5: [
    "\\p{N}{1,3}",
    CJK_KANA,
    DEEPSEEK3.replace(`${PS}+[\\r\\n]*|\\s*[\\r\\n]+`, `${PS}+|[\\r\\n]`),
    "\\p{N}",
  ],
  bloom: [BLOOM],
  viking: [BLOOM, "\\p{N}"],
  chameleon: [
    "<sentinel:[0-9]+>",
    "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z",
    "([\\t\\n]|    |  )",
    "\\p{N}",
    "[\\p{P}!-\\/:-@\\[-`\\{-~]",
    GPT2,
  ],
  superbpe: ["\\p{N}+", "(?=([0-9]{3})+(?![0-9]))"],
  lines: [LINES],
  whole: [],
};

/** Pieces of `text` when each expression cuts the pieces of the one before. */
export function splitByExpressions(text: string, expressions: readonly string[]): string[] {
  let pieces = text === "" ? [] : [text];
  for (const source of expressions) {
    // JavaScript's \s has U+FEFF and lacks U+0085: the property is what is meant.
    const white = source
      .replaceAll("\\s", "\\p{White_Space}")
      .replaceAll("\\S", "\\P{White_Space}");
    const expression = new RegExp(white, "gv");
    pieces = pieces.flatMap((piece) => {
      const cut: string[] = [];
      let last = 0;
      for (const match of piece.matchAll(expression)) {
        cut.push(piece.slice(last, match.index), match[0]);
        last = match.index + match[0].length;
      }
      return [...cut, piece.slice(last)].filter((s) => s !== "");
    });
  }
  return pieces;
}
