// The function numbers of assembly/math/map.ts, in order. No imports: every runtime reads this
// file.

export const f32Functions = [
  "expf32x4",
  "tanhf32x4",
  "sigmoidf32x4",
  "siluf32x4",
  "geluf32x4",
  "geluErff32x4",
  "geluQuickf32x4",
  "erff32x4",
  "softplusf32x4",
  "logf32x4",
  "log1pf32x4",
];

export const f64Functions = ["exp64", "log64", "log1p64", "tanh64", "sin64", "cos64"];
