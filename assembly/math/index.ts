// Elementary functions with the same bits on every engine. README.md beside this file is their
// contract.

export { exp64, expf, expf32x4, expSums } from "./exp";
export { tanh64, tanhf, tanhf32x4 } from "./tanh";
export { log1p64, log1pf, log1pf32x4, log64, logf, logf32x4 } from "./log";
export { erff, erff32x4, geluErff, geluErff32x4 } from "./erf";
export { pow64 } from "./pow";
export { cos64, sin64, sincos64, sincosf } from "./trig";
export {
  geluQuickf,
  geluQuickf32x4,
  geluf,
  geluf32x4,
  sigmoidf,
  sigmoidf32x4,
  siluf,
  siluf32x4,
  softplusf,
  softplusf32x4,
} from "./activations";
