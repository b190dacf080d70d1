// Sequence breakers of DRY, from texts to tokens: for every token, how a breaker may begin in it.
// A token that contains the whole breaker breaks alone; a token that ends with a beginning of it
// breaks together with the tokens of the rest. Used by dry.ts.

/** What DRY must know of the vocabulary. The tokenizer is adapted to it. */
export interface SamplingVocabulary {
  readonly nTokens: number;
  /** The bytes a token stands for, special tokens as their text. */
  tokenBytes(token: number): Uint8Array;
  /** Tokens of a text without special tokens; the bytes may begin inside a UTF-8 character. */
  tokenize(bytes: Uint8Array): ArrayLike<number>;
}

/** For a token that may begin a breaker: the tokens that must follow; [] if it breaks alone. */
export type Breakers = ReadonlyMap<number, readonly (readonly number[])[]>;

/** llama.cpp's limits: longer breakers and longer rests are cut. They bound the search per token. */
const maxBreakerBytes = 40;
const maxRestTokens = 20;

const known = new WeakMap<SamplingVocabulary, Map<string, Breakers>>();

/** Breakers of a vocabulary. Walks through all of it, once per vocabulary and list of texts. */
export function dryBreakers(texts: readonly string[], vocabulary: SamplingVocabulary): Breakers {
  let ofVocabulary = known.get(vocabulary);
  if (ofVocabulary === undefined) known.set(vocabulary, (ofVocabulary = new Map()));
  const key = JSON.stringify(texts);
  let breakers = ofVocabulary.get(key);
  if (breakers === undefined) ofVocabulary.set(key, (breakers = findBreakers(texts, vocabulary)));
  return breakers;
}

function findBreakers(texts: readonly string[], vocabulary: SamplingVocabulary): Breakers {
  const breakers = new Map<number, number[][]>();
  const encoder = new TextEncoder();
  const wanted = texts.map((text) => encoder.encode(text).subarray(0, maxBreakerBytes));
  // The rest of breaker b from byte i on, tokenized when first needed.
  const rests = wanted.map((): (number[] | undefined)[] => []);
  const restFrom = (b: number, i: number): number[] =>
    (rests[b][i] ??= Array.from(vocabulary.tokenize(wanted[b].subarray(i))).slice(
      0,
      maxRestTokens,
    ));

  for (let token = 0; token < vocabulary.nTokens; token++) {
    const bytes = vocabulary.tokenBytes(token);
    for (const [b, breaker] of wanted.entries()) {
      for (const rest of restStarts(bytes, breaker)) {
        const tail = rest === breaker.length ? [] : restFrom(b, rest);
        const tails = breakers.get(token);
        if (tails === undefined) breakers.set(token, [tail]);
        else if (!tails.some((other) => sameTokens(other, tail))) tails.push(tail);
      }
    }
  }
  return breakers;
}

/**
 * Bytes of the breaker that the token already holds: only breaker.length if it holds all of them,
 * else one number for every suffix of the token that is a beginning of the breaker.
 */
function restStarts(bytes: Uint8Array, breaker: Uint8Array): number[] {
  const starts: number[] = [];
  for (let at = bytes.indexOf(breaker[0]); at >= 0; at = bytes.indexOf(breaker[0], at + 1)) {
    const overlap = Math.min(breaker.length, bytes.length - at);
    let i = 1;
    while (i < overlap && bytes[at + i] === breaker[i]) i++;
    if (i < overlap) continue;
    if (overlap === breaker.length) return [breaker.length];
    starts.push(overlap);
  }
  return starts;
}

function sameTokens(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((token, i) => token === b[i]);
}
