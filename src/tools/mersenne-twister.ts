// MT19937, the generator with which llama.cpp draws its test tasks, so that the same tasks are drawn here.
// Source: Matsumoto and Nishimura, "Mersenne Twister", ACM TOMACS 8 (1998); the draw below a bound is Lemire's, as in
// libstdc++ 11 and later.

const WORDS = 624,
  MIDDLE = 397;

export class MersenneTwister {
  private readonly state = new Uint32Array(WORDS);
  private at = WORDS;

  constructor(seed: number) {
    const { state } = this;
    state[0] = seed;
    for (let i = 1; i < WORDS; i++)
      state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
  }

  /** The next 32 bits, as a whole number from 0. */
  next(): number {
    if (this.at === WORDS) this.twist();
    let y = this.state[this.at++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  /** A whole number from 0 below `bound` (at most 2^32), each equally likely. */
  below(bound: number): number {
    const range = BigInt(bound),
      least = (1n << 32n) % range;
    for (;;) {
      const product = BigInt(this.next()) * range;
      if ((product & 0xffffffffn) >= least) return Number(product >> 32n);
    }
  }

  private twist(): void {
    const { state } = this;
    for (let i = 0; i < WORDS; i++) {
      const y = (state[i] & 0x80000000) | (state[(i + 1) % WORDS] & 0x7fffffff);
      state[i] = state[(i + MIDDLE) % WORDS] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.at = 0;
  }
}

/**
 * `count` of the items in llama.cpp's random order for Winogrande and multiple choice (a float times the number left);
 * all of them in their own order where there are not more.
 */
export function drawTasks<T>(items: readonly T[], count: number): readonly T[] {
  if (count === 0 || count >= items.length) return items;
  const random = new MersenneTwister(1),
    left = [...items],
    f = Math.fround;
  return Array.from({ length: count }, () => {
    const at = Math.trunc(f(f(f(random.next()) / 2 ** 32) * f(left.length)));
    const last = left.length - 1,
      drawn = left[Math.min(at, last)]; // a draw that rounds up to 1 stays inside
    left[Math.min(at, last)] = left[last];
    left.pop();
    return drawn;
  });
}
