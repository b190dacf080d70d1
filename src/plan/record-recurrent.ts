// The recurrent ops of the recorder (record.ts): checks of shapes, and the words of their instructions. Each has a state of
// its own; assembly/ops/short-conv.ts, ssm-scan.ts and delta-rule.ts say how it is laid out.

import type { GatedDeltaParams, SsmScanParams, Weight, Wkv7Params } from "../../models/ops.ts";
import { PlanError } from "../errors.ts";
import {
  GatedDeltaWord,
  Op,
  ShortConvWord,
  SsmScanWord,
  Wkv7Word,
} from "../memory/abi.generated.ts";
import type { Ref } from "./instruction.ts";
import { elements, type Recorded, ref } from "./recorded.ts";

type Words = readonly [number, number | Ref][];

/** What these ops need of the recorder. */
export interface Lowering {
  /** A new tensor [tokens, width]. */
  tensor(name: string, width: number): Recorded;
  /** A weight as plain f32. */
  vector(w: Weight): Ref;
  /** An instruction with a state `name` of stateWidth numbers per sequence; `others` are read beside a. Returns dst. */
  emit(
    op: Op,
    name: string,
    dst: Recorded,
    a: Recorded,
    words: { stateWidth: number; words: Words },
    others: readonly Recorded[],
  ): Recorded;
}

export function tokenShift(to: Lowering, x: Recorded, name: string): Recorded {
  return to.emit(
    Op.tokenShift,
    name,
    to.tensor(name, x.width),
    x,
    { stateWidth: x.width, words: [] },
    [],
  );
}

export function shortConv(to: Lowering, x: Recorded, w: Weight, name: string): Recorded {
  const [taps] = w.shape,
    width = elements(w) / taps;
  expectSize(`${w.name}: columns`, x.width, width);
  if (taps < 2 || taps > 256)
    throw new PlanError(`${w.name}: expected 2 to 256 taps, found ${taps}`);
  const words: Words = [
    [ShortConvWord.weight, to.vector(w)],
    [ShortConvWord.taps, taps],
  ];
  const stateWidth = (taps - 1) * Math.ceil(width / 4) * 4;
  return to.emit(Op.shortConv, name, to.tensor(name, width), x, { stateWidth, words }, []);
}

export function ssmScan(to: Lowering, x: Recorded, params: SsmScanParams): Recorded {
  const { name, a, d, nState, nGroup } = params;
  const dt = params.dt as Recorded,
    b = params.b as Recorded,
    c = params.c as Recorded,
    nHead = dt.width;
  expectMultiple(`${name}: numbers of state per channel`, nState, 4);
  expectMultiple(`${name}: channels`, x.width, nHead);
  expectMultiple(`${name}: heads`, nHead, nGroup);
  expectSize(`${name}: width of b`, nGroup * nState, b.width);
  expectSize(`${name}: width of c`, nGroup * nState, c.width);
  expectSize(`${d.name}: elements`, nHead, elements(d));
  const aPerHead = a.shape[0] === 1;
  expectSize(`${a.name}: elements`, aPerHead ? nHead : nHead * nState, elements(a));
  return to.emit(
    Op.ssmScan,
    name,
    to.tensor(name, x.width),
    x,
    {
      stateWidth: x.width * nState,
      words: [
        ...operand(SsmScanWord.dt, dt),
        ...operand(SsmScanWord.b, b),
        ...operand(SsmScanWord.c, c),
        [SsmScanWord.A, to.vector(a)],
        [SsmScanWord.D, to.vector(d)],
        [SsmScanWord.nState, nState],
        [SsmScanWord.headDim, x.width / nHead],
        [SsmScanWord.nGroup, nGroup],
        [SsmScanWord.aPerHead, aPerHead ? 1 : 0],
      ],
    },
    [dt, b, c],
  );
}

export function wkv7(to: Lowering, { name, headSize, r, w, k, v, removal }: Wkv7Params): Recorded {
  const first = r as Recorded,
    others = [w, k, v, ...(removal ? [removal.a, removal.b] : [])] as Recorded[];
  expectMultiple(`${name}: head size`, headSize, 16);
  expectMultiple(`${name}: width`, first.width, headSize);
  for (const x of others) expectSize(`${name}: width of ${x.value.name}`, first.width, x.width);
  const [ws, ks, vs, as, bs] = others;
  return to.emit(
    Op.wkv7,
    name,
    to.tensor(name, first.width),
    first,
    {
      stateWidth: first.width * headSize,
      words: [
        ...operand(Wkv7Word.w, ws),
        ...operand(Wkv7Word.k, ks),
        ...operand(Wkv7Word.v, vs),
        ...(removal ? operand(Wkv7Word.remove, as) : []),
        // without removal 0 * b joins the state, so b must be something finite
        ...operand(Wkv7Word.write, removal ? bs : ks),
        [Wkv7Word.headSize, headSize],
      ],
    },
    others,
  );
}

export function gatedDelta(to: Lowering, params: GatedDeltaParams): Recorded {
  const { name, nHeadK, nHeadV, heads } = params;
  const q = params.q as Recorded,
    others = [params.k, params.v, params.decay, params.beta] as Recorded[];
  const [k, v, decay, beta] = others,
    dimK = q.width / nHeadK,
    dimV = v.width / nHeadV;
  expectMultiple(`${name}: heads of v`, nHeadV, nHeadK);
  expectMultiple(`${name}: width of q`, q.width, nHeadK);
  expectMultiple(`${name}: width of v`, v.width, 16 * nHeadV);
  expectSize(`${name}: width of k`, q.width, k.width);
  expectSize(`${name}: width of decay`, nHeadV, decay.width);
  expectSize(`${name}: width of beta`, nHeadV, beta.width);
  return to.emit(
    Op.gatedDelta,
    name,
    to.tensor(name, v.width),
    q,
    {
      stateWidth: v.width * dimK,
      words: [
        ...operand(GatedDeltaWord.k, k),
        ...operand(GatedDeltaWord.v, v),
        ...operand(GatedDeltaWord.decay, decay),
        ...operand(GatedDeltaWord.beta, beta),
        [GatedDeltaWord.dimK, dimK],
        [GatedDeltaWord.dimV, dimV],
        [GatedDeltaWord.nHeadK, nHeadK],
        [GatedDeltaWord.grouped, heads === "grouped" ? 1 : 0],
      ],
    },
    others,
  );
}

/** Address and stride, in two words side by side. */
function operand(word: number, x: Recorded): Words {
  return [
    [word, ref(x)],
    [word + 1, x.stride],
  ];
}

function expectSize(what: string, expected: number, found: number): void {
  if (found !== expected) throw new PlanError(`${what}: expected ${expected}, found ${found}`);
}

function expectMultiple(what: string, found: number, of: number): void {
  if (!(found > 0 && found % of === 0))
    throw new PlanError(`${what}: expected a multiple of ${of}, found ${found}`);
}
