// The functions over arrays, for callers in JavaScript: the samplers' transcendental maths runs
// here, and the tests. A function is named by its number, the position in `f32Functions` or
// `f64Functions` of test/assembly/math/functions.mjs.

import * as math from "./index";

/**
 * out[i] = f(in[i]) for n f32 at `input`; `output` may be `input`. Function numbers: see
 * applyF32x4.
 */
export function mapF32(fn: u32, input: usize, output: usize, n: u32): void {
  const whole = n & ~3;
  for (let i: u32 = 0; i < whole; i += 4) {
    const at = <usize>i << 2;
    v128.store(output + at, applyF32x4(fn, v128.load(input + at)));
  }
  for (let i = whole; i < n; i++) {
    const at = <usize>i << 2;
    store<f32>(output + at, applyF32(fn, load<f32>(input + at)));
  }
}

/**
 * out[i] = f(in[i]) for n f64 at `input`; `output` may be `input`. Function numbers: see applyF64.
 */
export function mapF64(fn: u32, input: usize, output: usize, n: u32): void {
  for (let i: u32 = 0; i < n; i++) {
    const at = <usize>i << 3;
    store<f64>(output + at, applyF64(fn, load<f64>(input + at)));
  }
}

/** sin and cos of n f32 at `input`, interleaved at `output` (8 bytes each). */
export function mapSincosF32(input: usize, output: usize, n: u32): void {
  for (let i: u32 = 0; i < n; i++) {
    math.sincosf(load<f32>(input + (<usize>i << 2)), output + (<usize>i << 3));
  }
}

/** x[i]^y for n f64 at `input`; `output` may be `input`. */
export function mapPowF64(input: usize, y: f64, output: usize, n: u32): void {
  for (let i: u32 = 0; i < n; i++) {
    const at = <usize>i << 3;
    store<f64>(output + at, math.pow64(load<f64>(input + at), y));
  }
}

function applyF32x4(fn: u32, x: v128): v128 {
  switch (fn) {
    case 0: return math.expf32x4(x);
    case 1: return math.tanhf32x4(x);
    case 2: return math.sigmoidf32x4(x);
    case 3: return math.siluf32x4(x);
    case 4: return math.geluf32x4(x);
    case 5: return math.geluErff32x4(x);
    case 6: return math.geluQuickf32x4(x);
    case 7: return math.erff32x4(x);
    case 8: return math.softplusf32x4(x);
    case 9: return math.logf32x4(x);
    case 10: return math.log1pf32x4(x);
    default: unreachable(); return x;
  }
}

function applyF32(fn: u32, x: f32): f32 {
  switch (fn) {
    case 0: return math.expf(x);
    case 1: return math.tanhf(x);
    case 2: return math.sigmoidf(x);
    case 3: return math.siluf(x);
    case 4: return math.geluf(x);
    case 5: return math.geluErff(x);
    case 6: return math.geluQuickf(x);
    case 7: return math.erff(x);
    case 8: return math.softplusf(x);
    case 9: return math.logf(x);
    case 10: return math.log1pf(x);
    default: unreachable(); return x;
  }
}

function applyF64(fn: u32, x: f64): f64 {
  switch (fn) {
    case 0: return math.exp64(x);
    case 1: return math.log64(x);
    case 2: return math.log1p64(x);
    case 3: return math.tanh64(x);
    case 4: return math.sin64(x);
    case 5: return math.cos64(x);
    default: unreachable(); return x;
  }
}
