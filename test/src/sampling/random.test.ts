import { describe, expect, it } from "vitest";
import { Random, splitMix64 } from "../../../src/sampling/random.ts";

/** xoshiro128** in BigInt, from the paper's definition. */
function reference(words: readonly number[]): () => number {
  const mask = 0xffff_ffffn;
  const s = words.map(BigInt);
  const rotate = (x: bigint, by: bigint): bigint => ((x << by) | (x >> (32n - by))) & mask;
  return () => {
    const result = (rotate((s[1] * 5n) & mask, 7n) * 9n) & mask;
    const t = (s[1] << 9n) & mask;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 11n);
    return Number(result);
  };
}

describe("Random", () => {
  it("gives the published outputs of xoshiro128** 1.1 for the state 1, 2, 3, 4", () => {
    const random = new Random(0);
    random.words.set([1, 2, 3, 4]);
    const outputs = Array.from({ length: 10 }, () => random.nextU32());
    expect(outputs).toEqual([
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597,
      4258142804,
    ]);
  });

  it("seeds with the published outputs of SplitMix64", () => {
    const mix = splitMix64(1234567n);
    const outputs = Array.from({ length: 5 }, () => mix());
    expect(outputs).toEqual([
      6457827717110365317n,
      3203168211198807973n,
      9817491932198370423n,
      4593380528125082431n,
      16408922859458223821n,
    ]);
    const { words } = new Random(1234567);
    expect((BigInt(words[1]) << 32n) | BigInt(words[0])).toBe(6457827717110365317n);
    expect((BigInt(words[3]) << 32n) | BigInt(words[2])).toBe(3203168211198807973n);
  });

  it("agrees with BigInt arithmetic for 10,000 outputs", () => {
    const random = new Random(9007199254740991);
    const next = reference([...random.words]);
    for (let i = 0; i < 10_000; i++) expect(random.nextU32()).toBe(next());
  });

  it("makes a unit number out of 53 bits of two outputs", () => {
    const random = new Random(5);
    const twin = new Random(5);
    for (let i = 0; i < 1000; i++) {
      const unit = random.nextUnit();
      const bits = (BigInt(twin.nextU32() >>> 5) << 26n) | BigInt(twin.nextU32() >>> 6);
      expect(unit * 2 ** 53).toBe(Number(bits));
      expect(unit).toBeLessThan(1);
    }
  });

  it("starts again with seed()", () => {
    const random = new Random(7);
    const first = random.nextU32();
    random.nextU32();
    random.seed(7);
    expect(random.nextU32()).toBe(first);
    expect(new Random(8).nextU32()).not.toBe(first);
  });
});
