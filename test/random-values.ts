// Values and importance weights for tests of quantising: the same for a seed on every machine.

/** n values in a normal distribution, from a seed. */
export function gaussian(seed: number, n: number): Float32Array {
  let s = seed >>> 0;
  const uniform = () => {
    s = (s + 0x9e3779b9) >>> 0;
    let z = Math.imul(s ^ (s >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return ((z ^ (z >>> 16)) >>> 0) / 2 ** 32;
  };
  return Float32Array.from(
    { length: n },
    () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
}

export const importance = (seed: number, n: number) => gaussian(seed, n).map((v) => Math.exp(v));
