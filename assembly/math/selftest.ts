// Entry of the module that the math tests compile: everything in map.ts, and the scalars for single
// calls.

export { mapF32, mapF64, mapPowF64, mapSincosF32 } from "./map";
export { cos64, exp64, expf, log64, pow64, sin64, sincos64, sincosf } from "./index";
