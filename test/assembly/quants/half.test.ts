// The 16-bit conversions: every f16 and bf16 pattern, every border between neighbours, and what lies beyond.

import { beforeAll, expect, it } from "vitest";
import { f16ToF32 } from "../../reference/dequantize.ts";
import { Kernels } from "../matmul/kernels.ts";
import { random } from "./blocks.ts";

let kernels: Kernels;
let from: number;
let to: number;
beforeAll(async () => {
  kernels = await Kernels.create("base");
  from = kernels.allocate(16);
  to = kernels.allocate(16);
});

const bitsOf = (x: number): number => new Uint32Array(new Float32Array([x]).buffer)[0]!;
const floatOf = (bits: number): number => new Float32Array(new Uint32Array([bits]).buffer)[0]!;

it("widens every f16 pattern exactly", () => {
  const { call } = kernels;
  const wrong: number[] = [];
  for (let h = 0; h < 65536; h += 4) {
    const halves = [h, h ^ 0x8155, h ^ 0x0311, h + 3];
    new Uint16Array(kernels.memory.buffer, from, 4).set(halves);
    call.widenF16!(from, to);
    const wide = kernels.f32(to, 4).slice();
    call.widenFiniteF16!(from, to);
    const finite = kernels.f32(to, 4);
    halves.forEach((bits, i) => {
      const expected = f16ToF32(bits);
      if (!Object.is(wide[i], expected)) wrong.push(bits);
      if (Number.isFinite(expected) && !Object.is(finite[i], expected)) wrong.push(bits);
      if (!Object.is(call.f16ToF32!(bits), expected)) wrong.push(bits);
    });
  }
  for (let h = 0; h < 65536; h++) if (!Object.is(call.f16ToF32!(h), f16ToF32(h))) wrong.push(h);
  expect(wrong).toEqual([]);
});

it("narrows to f16: nearest, ties to even", () => {
  const cases: [bits: number, expected: number][] = [];
  for (let h = 0; h <= 0x7bff; h++) {
    const low = f16ToF32(h),
      high = h === 0x7bff ? 65536 : f16ToF32(h + 1);
    const middle = bitsOf((low + high) / 2);
    cases.push(
      [bitsOf(low), h],
      [middle - 1, h],
      [middle, h % 2 === 0 ? h : h + 1],
      [middle + 1, h + 1],
    );
  }
  cases.push(
    [0x7f800000, 0x7c00],
    [0x7f7fffff, 0x7c00],
    [0x7fc00000, 0x7e00],
    [0x7f800001, 0x7e00],
    [1, 0],
  );
  const wrong: string[] = [];
  for (const [bits, expected] of cases) {
    kernels.u32(from, 4).set([bits, bits | 0x80000000, bits, bits]);
    kernels.call.narrowF16!(from, to);
    const [plus, minus] = new Uint16Array(kernels.memory.buffer, to, 2);
    if (plus !== expected || minus !== (expected | 0x8000)) wrong.push(bits.toString(16));
    if (!Number.isNaN(floatOf(bits)) && kernels.call.f32ToF16!(floatOf(bits)) !== expected)
      wrong.push(bits.toString(16));
  }
  expect(wrong).toEqual([]);
});

it("converts bf16 both ways", () => {
  const wrong: string[] = [];
  const next = random(9);
  for (let b = 0; b < 65536; b++) {
    new Uint16Array(kernels.memory.buffer, from, 4).set([b, b ^ 1, b, b]);
    kernels.call.widenBf16!(from, to);
    if (kernels.u32(to, 1)[0] !== b * 65536) wrong.push(`widen ${b.toString(16)}`);
    // below, at and above the middle between two patterns, and anything
    for (const low of [0x7fff, 0x8000, 0x8001, next() & 0xffff]) {
      const bits = b * 65536 + low;
      const isNan = (bits & 0x7fffffff) > 0x7f800000;
      const up = low > 0x8000 || (low === 0x8000 && (b & 1) === 1);
      const expected = isNan ? b | 0x40 : up ? b + 1 : b;
      kernels.u32(from, 4).fill(bits);
      kernels.call.narrowBf16!(from, to);
      if (new Uint16Array(kernels.memory.buffer, to, 1)[0] !== expected)
        wrong.push(`narrow ${bits.toString(16)}`);
      if (!isNan && kernels.call.f32ToBf16!(floatOf(bits)) !== expected)
        wrong.push(`scalar ${bits.toString(16)}`);
    }
  }
  expect(wrong).toEqual([]);
});
