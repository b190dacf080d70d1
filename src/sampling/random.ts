// The random generator of a sequence: xoshiro128** 1.1 (Blackman and Vigna, "Scrambled Linear
// Pseudorandom Number Generators", ACM TOMS 47(4), 2021; https://prng.di.unimi.it), seeded by
// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014). 32-bit integer operations only, so every engine
// draws the same numbers. Chosen over llama.cpp's MT19937 because its state is 16 bytes, which
// makes saving, forking and restoring a sequence cheap.

/** Words of state: 128 bits. */
export const randomStateWords = 4;

export class Random {
  /** The state, four 32-bit words, never all zero. Saved as it stands. */
  readonly words = new Uint32Array(randomStateWords);

  /** @param seed an integer from 0 to 2^53 - 1 */
  constructor(seed: number) {
    this.seed(seed);
  }

  /** Restarts the sequence of `seed`. */
  seed(seed: number): void {
    // Two outputs of SplitMix64, each split into its low and then its high word. They cannot both
    // be zero: SplitMix64 is a bijection of a counter, so its outputs differ.
    const mix = splitMix64(BigInt(seed));
    for (let i = 0; i < randomStateWords; i += 2) {
      const value = mix();
      this.words[i] = Number(value & 0xffff_ffffn);
      this.words[i + 1] = Number(value >> 32n);
    }
  }

  /** The next 32 bits, an integer from 0 to 2^32 - 1. */
  nextU32(): number {
    const s = this.words;
    const result = Math.imul(rotateLeft(Math.imul(s[1], 5), 7), 9) >>> 0;
    const shifted = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotateLeft(s[3], 11);
    return result;
  }

  /**
   * A number in [0, 1): n / 2^53 for an integer n, hence exact in f64. Uses two outputs: the top
   * 27 bits of the first above the top 26 bits of the second.
   */
  nextUnit(): number {
    const high = this.nextU32() >>> 5;
    const low = this.nextU32() >>> 6;
    return (high * 67_108_864 + low) / 9_007_199_254_740_992; // 2^26, 2^53
  }
}

/** SplitMix64: each call gives the next 64 bits. BigInt is slow, but a seed needs two calls. */
export function splitMix64(seed: bigint): () => bigint {
  let counter = BigInt.asUintN(64, seed);
  return () => {
    counter = BigInt.asUintN(64, counter + 0x9e37_79b9_7f4a_7c15n);
    let z = counter;
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58_476d_1ce4_e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d0_49bb_1331_11ebn);
    return z ^ (z >> 31n);
  };
}

/** A seed nobody chose, from 0 to 2^32 - 2 (2^32 - 1 asks for a random one, as in llama.cpp). */
export function randomSeed(): number {
  const word = crypto.getRandomValues(new Uint32Array(1))[0];
  return word === 0xffff_ffff ? 0 : word;
}

function rotateLeft(x: number, by: number): number {
  return (x << by) | (x >>> (32 - by));
}
