// What short instructions cost, roughly: stages that take less time than calling other threads to them are left to one
// (assembly/plan.ts). No bit depends on these numbers.

import {
  ExpertSortWord,
  ExpertSumWord,
  KvStoreWord,
  MagnitudeWord,
  Op,
  PackRowsWord,
  Word,
} from "../memory/abi.generated.ts";
import type { Instr } from "./instruction.ts";

/** Claiming a piece, reading the words. */
const START_NS = 50;

/** ns that an element takes one thread (Zen 4 at 3 GHz, bench/profile.mjs). Ops that are not here are never left to one. */
const ELEMENT_NS: Readonly<Partial<Record<Op, number>>> = {
  [Op.embed]: 0.5,
  [Op.pack]: 0.4,
  [Op.packRows]: 0.4,
  [Op.binary]: 0.15,
  [Op.addVector]: 0.15,
  [Op.unary]: 2.5,
  [Op.gated]: 2.5,
  [Op.clampedGate]: 2.5,
  [Op.softmax]: 3,
  [Op.norm]: 0.5,
  [Op.magnitude]: 0.5,
  [Op.gaussianTopK]: 1,
  [Op.groupSum]: 0.3,
  [Op.ropeTable]: 10,
  [Op.rope]: 0.4,
  [Op.temperature]: 20,
  [Op.kvStore]: 1,
  [Op.gatherRows]: 0.1,
  [Op.copyRuns]: 0.2,
  [Op.scaleRuns]: 0.2,
  [Op.tokenShift]: 0.2,
  [Op.stateRead]: 0.1,
  [Op.stateWrite]: 0.1,
  [Op.route]: 10,
  [Op.expertSort]: 2,
  [Op.expertRow]: 0.2,
  [Op.expertSum]: 0.2,
};

/** Most that an instruction's flags hold (Flag.costShift). */
const MOST_NS = 0xffffff;

/** ns of one row; 0: long, or not known. */
export function rowCost({ op, words }: Instr): number {
  const element = ELEMENT_NS[op];
  if (element === undefined) return 0;
  return Math.min(Math.ceil(START_NS + element * elementsOf(op, words)), MOST_NS);
}

/** Elements of a row that the op looks at. */
function elementsOf(op: Op, words: Instr["words"]): number {
  const number = (word: number) => words.get(word) as number;
  switch (op) {
    case Op.kvStore:
      return number(KvStoreWord.nHeadKv) * (number(KvStoreWord.dimK) + number(KvStoreWord.dimV));
    case Op.packRows:
      return number(Word.width) * number(PackRowsWord.nUsed);
    case Op.expertSort:
      return number(ExpertSortWord.nExpert);
    case Op.expertSum:
      return number(Word.width) * number(ExpertSumWord.nUsed);
    case Op.magnitude:
      return number(Word.width) * number(MagnitudeWord.run);
    default:
      return number(Word.width);
  }
}
