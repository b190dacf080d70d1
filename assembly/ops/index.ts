// The ops of a plan that are no matrix products; each takes the address of its instruction (abi.ts).

export { addVector, lowRank } from "./adapter";
export { attention } from "./attention";
export { expertSumSquares, sumSquares } from "./calibrate";
export { clampedGate } from "./clamped-gate";
export { binary, gated, unary } from "./elementwise";
export { kvStore } from "./kv-cache";
export { eachExpert, expertRow, expertSort, expertSum, route } from "./moe";
export { gaussianTopK, magnitude, norm } from "./norm";
export { rope, ropeTable, temperature } from "./rope";
export { checkNan, gatherRows, scatterRows } from "./rows";
export { copyRuns, scaleRuns } from "./runs";
export { softmax } from "./softmax";
export { stateRead, stateWrite } from "./state";
export { gatedDelta, wkv7 } from "./delta-rule";
export { shortConv, tokenShift } from "./short-conv";
export { ssmScan } from "./ssm-scan";
export { groupSum } from "./groups";
export { pool } from "./pool";
