// The transcendental functions that samplers need, as an interface. JavaScript engines disagree on
// the last bit of Math.exp and its kin (DESIGN.md section 6), so the real implementation calls
// the WebAssembly functions of assembly/math; only tests may back it with Math.*.

/**
 * exp, log and pow in f64, the same bits on every engine. The result for a number must depend on
 * that number alone: not on its index, on the array's length or on earlier calls.
 */
export interface SamplerMath {
  /**
   * Replaces each value by e^value. Inputs are <= 0 and finite; a result below the smallest
   * denormal is 0, and exp(0) must be exactly 1. `values` may be a view with any byte offset that
   * is a multiple of 8.
   */
  expF64(values: Float64Array): void;
  /** Natural logarithm of a finite x > 0. */
  log64(x: number): number;
  /** x^y for a finite x >= 0 and a finite y; pow64(x, 0) is 1. May return Infinity or NaN. */
  pow64(x: number, y: number): number;
}
