// Runs a plan: a flat list of instructions in shared memory. An instruction's work is cut into pieces that threads claim
// (work.ts); a barrier stands before an instruction that needs what another one wrote, and the stages between barriers follow
// each other (stages.ts). src/plan/encode.ts writes the list.

import { Abort, Batch, Control, ExpertMatmulWord, Flag, Instruction, Limit, MatmulWord, Op, StageLimit, Word } from "./abi";
import { embed, expertMatmul, matmul, pack, packRows, plainRows, repack } from "./matmul/ops";
import {
  addVector, attention, binary, checkNan, clampedGate, copyRuns, eachExpert, expertRow, expertSort, expertSum, expertSumSquares, gated,
  gatherRows, gaussianTopK, kvStore, lowRank, magnitude, norm, rope, ropeTable, route, scaleRuns, scatterRows, softmax,
  stateRead, stateWrite, sumSquares, temperature, unary,
  gatedDelta, groupSum, pool, shortConv, ssmScan, tokenShift, wkv7,
} from "./ops/index";
import { quantize } from "./quantize/op";
import { OVER, abandon, enter, isAborted, leave, open, openSegment, raise } from "./stages";
import { batch, enterInstruction, enterRun, rowsOf, thread, word } from "./work";

/**
 * Runs instructions [0, count) of `plan` as thread `thread` of nThreads, until all are done. counters: u32 per instruction,
 * zeroed before the run. scratch: Limit.scratchBytes per thread. run: its epoch; segment: the number of this list in its schedule;
 * one thread alone needs neither. Returns an Abort reason; 0 when the list was finished, or the run was over already.
 */
export function runPlan(
  control: usize, batch: usize, plan: usize, count: u32, counters: usize, scratch: usize, thread: u32, nThreads: u32, run: u32,
  segment: u32,
): u32 {
  enterRun(batch, scratch + <usize>thread * Limit.scratchBytes, thread, nThreads);
  if (flushesDenormals()) raise(control, Abort.flushToZero, thread);
  if (nThreads == 1) {
    for (let stage: u32 = 0; stage < count && !isAborted(control);) {
      const next = stageEnd(plan, stage, count);
      runStage(control, plan, stage, next, counters);
      if (traces()) reportNan(control, plan + <usize>stage * Instruction.bytes);
      stage = next;
    }
    return atomic.load<u32>(control, Control.abort);
  }
  if (thread == 0) openSegment(control, run, segment, count);
  let stage = enter(control, run, segment, OVER), brief: u32 = 0;
  while (stage != OVER) {
    const end = brief != 0 ? brief : stageEnd(plan, stage, count), next = end == count ? OVER : end;
    runStage(control, plan, stage, end, counters);
    let opened = false;
    while (!opened && !leave(control)) {
      if (traces()) reportNan(control, plan + <usize>stage * Instruction.bytes);
      if (isAborted(control)) {
        abandon(control);
        return atomic.load<u32>(control, Control.abort);
      }
      brief = briefEnd(plan, end, count);
      opened = open(control, next, brief != 0);
    }
    if (!opened) brief = 0;
    stage = opened ? next : enter(control, run, segment, stage);
  }
  return atomic.load<u32>(control, Control.abort);
}

/** Whether every instruction is a stage of its own, at whose end its result is looked at. */
function traces(): bool {
  return load<u32>(batch, Batch.traceNan) != 0;
}

/** The instruction before which the barrier stands that ends the stage from instruction `first`; count: none. */
function stageEnd(plan: usize, first: u32, count: u32): u32 {
  let end = first + 1;
  if (traces()) return end;
  while (end < count && !(word(plan + <usize>end * Instruction.bytes, Word.flags) & Flag.barrierBefore)) end++;
  return end;
}

/** The end of the brief stages that follow each other from instruction `first` on; 0: there are none. */
function briefEnd(plan: usize, first: u32, count: u32): u32 {
  let end: u32 = 0;
  if (traces()) return end;
  for (let stage = first; stage < count; stage = end) {
    const next = stageEnd(plan, stage, count);
    if (!isBrief(plan, stage, next)) break;
    end = next;
  }
  return end;
}

/** Whether one thread does instructions [first, end) before others could come in. */
function isBrief(plan: usize, first: u32, end: u32): bool {
  let sum: u64 = 0;
  for (let i = first; i < end; i++) {
    const ins = plan + <usize>i * Instruction.bytes, cost = word(ins, Word.flags) >> Flag.costShift;
    if (cost == 0) return false;
    sum += <u64>cost * rowsOf(ins);
  }
  return sum <= <u64>StageLimit.briefNs;
}

/** This thread's pieces of instructions [first, end). */
function runStage(control: usize, plan: usize, first: u32, end: u32, counters: usize): void {
  for (let i = first; i < end; i++) {
    const ins = plan + <usize>i * Instruction.bytes;
    atomic.store<u32>(control + <usize>thread * Control.progressBytes, <u32>ins, Control.progress);
    enterInstruction(counters + (<usize>i << 2));
    execute(ins);
  }
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
