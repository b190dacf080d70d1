// Runs a plan: a flat list of instructions in shared memory. Every thread walks the whole list; an instruction's
// work is cut into pieces that threads claim (work.ts); a barrier stands before an instruction that needs what
// another one wrote. src/plan/encode.ts writes the list.

import { Abort, Batch, Control, ExpertMatmulWord, Flag, Instruction, Limit, MatmulWord, Op, Word } from "./abi";
import { barrier, raise } from "./barrier";
import { embed, expertMatmul, matmul, pack, packRows, plainRows, repack } from "./matmul/ops";
import {
  addVector, attention, binary, checkNan, clampedGate, copyRuns, eachExpert, expertRow, expertSort, expertSum, expertSumSquares, gated,
  gatherRows, gaussianTopK, kvStore, lowRank, magnitude, norm, rope, ropeTable, route, scaleRuns, scatterRows, softmax,
  stateRead, stateWrite, sumSquares, temperature, unary,
  gatedDelta, groupSum, pool, shortConv, ssmScan, tokenShift, wkv7,
} from "./ops/index";
import { quantize } from "./quantize/op";
import { enterInstruction, enterRun, rowsOf, word } from "./work";

/**
 * Walks instructions [0, count) of `plan` as thread `thread` of nThreads. counters: u32 per instruction, zeroed
 * before the run. scratch: Limit.scratchBytes per thread. Returns an Abort reason; 0 when the list was finished.
 */
export function runPlan(
  control: usize, batch: usize, plan: usize, count: u32, counters: usize, scratch: usize, thread: u32, nThreads: u32,
): u32 {
  enterRun(batch, scratch + <usize>thread * Limit.scratchBytes, thread, nThreads);
  if (flushesDenormals()) raise(control, Abort.flushToZero, thread);
  const trace = load<u32>(batch, Batch.traceNan) != 0;
  for (let i: u32 = 0; i < count; i++) {
    const ins = plan + <usize>i * Instruction.bytes;
    if (trace || (word(ins, Word.flags) & Flag.barrierBefore)) {
      if (!barrier(control, nThreads)) return atomic.load<u32>(control, Control.abort);
      if (trace && i > 0 && thread == 0) reportNan(control, ins - Instruction.bytes);
    }
    atomic.store<u32>(control + (<usize>thread << 2), <u32>ins, Control.progress);
    enterInstruction(counters + (<usize>i << 2));
    execute(ins);
  }
  const whole = barrier(control, nThreads);
  // the next segment may lie in another bank, where nobody looks back
  if (trace && whole && thread == 0 && count > 0) reportNan(control, plan + <usize>(count - 1) * Instruction.bytes);
  return atomic.load<u32>(control, Control.abort);
}

/** Ends a tracing run when the instruction at `ins` has made a NaN. */
function reportNan(control: usize, ins: usize): void {
  if (!holdsNan(ins)) return;
  atomic.store<u32>(control, <u32>ins, Control.nanInstruction);
  raise(control, Abort.nan, 0);
}

function execute(ins: usize): void {
  switch (word(ins, Word.op)) {
    case Op.embed: return embed(ins);
    case Op.pack: return pack(ins);
    case Op.matmul: return matmul(ins);
    case Op.binary: return binary(ins);
    case Op.unary: return unary(ins);
    case Op.gated: return gated(ins);
    case Op.norm: return norm(ins);
    case Op.ropeTable: return ropeTable(ins);
    case Op.rope: return rope(ins);
    case Op.kvStore: return kvStore(ins);
    case Op.attention: return attention(ins);
    case Op.gatherRows: return gatherRows(ins);
    case Op.scatterRows: return scatterRows(ins);
    case Op.route: return route(ins);
    case Op.expertSort: return expertSort(ins);
    case Op.packRows: return packRows(ins);
    case Op.expertMatmul: return expertMatmul(ins);
    case Op.expertSum: return expertSum(ins);
    case Op.checkNan: return checkNan(ins);
    case Op.sumSquares: return sumSquares(ins);
    case Op.expertSumSquares: return expertSumSquares(ins);
    case Op.lowRank: return lowRank(ins);
    case Op.stateRead: return stateRead(ins);
    case Op.stateWrite: return stateWrite(ins);
    case Op.softmax: return softmax(ins);
    case Op.addVector: return addVector(ins);
    case Op.repack: return repack(ins);
    case Op.quantize: return quantize(ins);
    case Op.plainRows: return plainRows(ins);
    case Op.copyRuns: return copyRuns(ins);
    case Op.scaleRuns: return scaleRuns(ins);
    case Op.magnitude: return magnitude(ins);
    case Op.gaussianTopK: return gaussianTopK(ins);
    case Op.clampedGate: return clampedGate(ins);
    case Op.expertRow: return expertRow(ins);
    case Op.eachExpert: return eachExpert(ins);
    case Op.temperature: return temperature(ins);
    case Op.tokenShift: return tokenShift(ins);
    case Op.shortConv: return shortConv(ins);
    case Op.ssmScan: return ssmScan(ins);
    case Op.wkv7: return wkv7(ins);
    case Op.gatedDelta: return gatedDelta(ins);
    case Op.groupSum: return groupSum(ins);
    case Op.pool: return pool(ins);
    default: unreachable();
  }
}

/**
 * Whether the f32 result of an instruction holds a NaN. Ops whose dst is not an f32 tensor are passed over, and those
 * that write a part of each row: a copy makes no NaN.
 */
function holdsNan(ins: usize): bool {
  const op = word(ins, Word.op);
  if (
    op == Op.pack || op == Op.packRows || op == Op.kvStore || op == Op.route || op == Op.expertSort ||
    op == Op.checkNan || op == Op.stateWrite || op == Op.sumSquares || op == Op.repack || op == Op.quantize || op == Op.copyRuns || op == Op.eachExpert ||
    op == Op.expertSumSquares || op == Op.plainRows
  ) return false;
  const rows = rowsOf(ins), stride = word(ins, Word.dstStride);
  // the width of a matrix product is K: its rows have four elements per group, once for every expert in use
  let width = word(ins, Word.width);
  if (op == Op.matmul) width = word(ins, MatmulWord.nGroups) << 2;
  else if (op == Op.expertMatmul) {
    width = ((word(ins, ExpertMatmulWord.nGroups) << 2) - word(ins, ExpertMatmulWord.missing)) * word(ins, ExpertMatmulWord.nUsed);
  }
  let row = <usize>word(ins, Word.dst);
  for (let r: u32 = 0; r < rows; r++, row += stride) {
    for (let c: u32 = 0; c < width; c++) {
      const x = load<f32>(row + (<usize>c << 2));
      if (x != x) return true;
    }
  }
  return false;
}

/** Operands of the probe live in memory, where no compiler can fold them. */
const probe = memory.data<f32>([1.5e-38, 0.5, 1.5e-38, 0.5, 1.5e-38, 0.5, 1.5e-38, 0.5], 16);

/**
 * True when this thread turns denormal results into zero: native code in the same process can switch that on, and
 * threads inherit it. Nothing computed in that state may reach a result.
 */
export function flushesDenormals(): bool {
  if (load<f32>(probe) * load<f32>(probe, 4) == 0) return true;
  const product = f32x4.mul(v128.load(probe), v128.shuffle<f32>(v128.load(probe), v128.load(probe), 1, 0, 3, 2));
  return !v128.all_true<i32>(product);
}
