// The ops of a plan that are no matrix products; each takes the address of its instruction (abi.ts).

export { addVector, lowRank } from "./adapter";
export { attention } from "./attention";
export { expertSumSquares, sumSquares } from "./calibrate";
export { binary, gated, unary } from "./elementwise";
export { kvStore } from "./kv-cache";
export { expertSort, expertSum, route } from "./moe";
export { norm } from "./norm";
export { rope, ropeTable } from "./rope";
export { checkNan, gatherRows, scatterRows } from "./rows";
export { softmax } from "./softmax";
export { stateRead, stateWrite } from "./state";
