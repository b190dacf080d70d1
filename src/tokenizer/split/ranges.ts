// Sets of code points that splitting expressions spell out as ranges.

/** First and last code point of each range in turn, ascending. */
export type Ranges = Int32Array;

/** Reads "41-5a b5": hexadecimal, ascending. */
function ranges(text: string): Ranges {
  const bounds = text.split(" ").flatMap((range) => {
    const [first, last = first] = range.split("-");
    return [Number.parseInt(first, 16), Number.parseInt(last, 16)];
  });
  return Int32Array.from(bounds);
}

/** A membership test by binary search. */
export function within(bounds: Ranges): (code: number) => boolean {
  return (code) => {
    let low = 0; // ranges before it end below `code`
    let high = bounds.length >> 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (bounds[2 * middle + 1] < code) low = middle + 1;
      else high = middle;
    }
    return low < bounds.length >> 1 && code >= bounds[2 * low];
  };
}

/** deepseek-v3 and its relatives: kana, and the ideographs of Unicode 1.1. */
export const IDEOGRAPHS_AND_KANA = ranges("3040-30ff 4e00-9fa5");

/** deepseek-coder, deepseek-llm: `[一-龥ࠀ-一가-퟿]`, which is nearly all of U+0800..9FA5. */
export const DEEPSEEK_CJK = ranges("0800-9fa5 ac00-d7ff");

/** deepseek-llm: the letters with case of an older Unicode version. */
export const DEEPSEEK_LETTERS = ranges(
  "41-5a 61-7a b5 c0-d6 d8-f6 f8-1ba 1bc-1bf 1c4-293 295-2af 370-373 376-377 37b-37d " +
    "37f 386 388-38a 38c 38e-3a1 3a3-3f5 3f7-481 48a-52f 531-556 10a0-10c5 13a0-13f5 " +
    "13f8-13fd 1c90-1cba 1cbd-1cbf 1d00-1d2b 1d6b-1d77 1d79-1d9a 1e00-1f15 1f18-1f1d " +
    "1f20-1f45 1f48-1f4d 1f50-1f57 1f59 1f5b 1f5d 1f5f-1f7d 1f80-1fb4 1fb6-1fbc 1fbe " +
    "1fc2-1fc4 1fc6-1fcc 1fd0-1fd3 1fd6-1fdb 1fe0-1fec 1ff2-1ff4 1ff6-1ffc 2102 2107 " +
    "210a-2113 2115 2119-211d 2124 2126 2128 212a-212d 212f-2134 2139 213c-213f 2145-2149 " +
    "214e 2183-2184 2c00-2c7b 2c7e-2ce4 2ceb-2cee 2cf2-2cf3 a640-a66d a680-a69b a722-a76f " +
    "a771-a787 a78b-a78e ab70-abbf fb00-fb06 fb13-fb17 ff21-ff3a ff41-ff5a 10400-1044f " +
    "104b0-104d3 104d8-104fb 10c80-10cb2 10cc0-10cf2 118a0-118df 1e900-1e943",
);

/** deepseek-llm: ASCII punctuation and, by mistake, letters (`:-~`), and their full-width forms. */
export const DEEPSEEK_PUNCTUATION = ranges("21-2f 3a-7e 2018-201f 3001-3002 ff01-ff0f ff1a-ff5e");

/** bloom: what ends a word besides white space, `(|.,!?…。，、।۔،)`. */
export const BLOOM_BREAKS = ranges("21 28-29 2c 2e 3f 7c 60c 6d4 964 2026 3001-3002 ff0c");

/** afmoe: scripts written without spaces (Thai only in part: the expression has U+0E40..). */
export const AFMOE_SCRIPTS = ranges(
  "e40-eff 1000-109f 1100-11ff 1780-17ff 2f00-2fdf 3040-30ff 3400-4dbf 4e00-9fff " +
    "a9e0-a9ff aa60-aa7f ac00-d7af f900-faff ff65-ff9f",
);

/** youtu: Hangul, CJK punctuation, Bopomofo, and ideographs with kana. */
export const YOUTU_HANGUL = ranges("3131-318e ac00-d7a3");
export const YOUTU_PUNCTUATION = ranges(
  "2014 2018-2019 201c-201d 2026 3001-303f fe30-fe4f ff01 ff0c ff1a-ff1b",
);
export const YOUTU_BOPOMOFO = ranges("3105-312f");

/** kimi-k2: Han as llama.cpp lists it. */
export const HAN = ranges(
  "3400-4dbf 4e00-9fff f900-faff 20000-2a6df 2a700-2b73f 2b740-2b81f 2b820-2ceaf " +
    "2ceb0-2ebef 2f800-2fa1f",
);
