// Means of many values with their standard errors, and how two of them vary together: llama.cpp's formulas, in f64.

export interface Estimate {
  readonly value: number;
  /** Standard error of the mean; 0 for a single value. */
  readonly error: number;
}

/** Mean of n values with the sum and the sum of squares given. */
export function meanOf(sum: number, sumOfSquares: number, n: number): Estimate {
  if (n < 1) return { value: 0, error: 0 };
  const value = sum / n,
    variance = sumOfSquares / n - value * value;
  return { value, error: n > 1 && variance > 0 ? Math.sqrt(variance / (n - 1)) : 0 };
}

/** Covariance of the means of a and b, from the sums of a, b and a*b. */
export function covarianceOf(sumA: number, sumB: number, sumAB: number, n: number): number {
  return n < 2 ? 0 : (sumAB / n - (sumA / n) * (sumB / n)) / (n - 1);
}

/** The value below which `fraction` of the sorted values lie, interpolated. */
export function percentile(sorted: ArrayLike<number>, fraction: number): number {
  const place = Math.min(Math.max(fraction, 0), 1) * (sorted.length - 1),
    below = Math.floor(place);
  const part = place - below,
    above = Math.min(below + 1, sorted.length - 1);
  return (1 - part) * sorted[below] + part * sorted[above];
}
