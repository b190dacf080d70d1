// The elementwise ops of the recorder (record.ts), and those that look at a row or at equal groups of one: arithmetic,
// activations, softmax and the norms. Each is one instruction.

import type { Activation, NormParams, Tensor, Weight } from "../../models/ops.ts";
import { PlanError } from "../errors.ts";
import {
  BinaryKind,
  BinaryWord,
  ClampedGateWord,
  GatedWord,
  GaussianTopKWord,
  NormKind,
  NormWord,
  Op,
  SoftmaxWord,
  UnaryKind,
  UnaryWord,
} from "../memory/abi.generated.ts";
import type { Ref } from "./instruction.ts";
import { type Recorded, ref } from "./recorded.ts";
import { f32Bits, type RecordingContext } from "./recording-context.ts";

export function add(r: RecordingContext, a: Tensor, b: Tensor): Tensor {
  return binaryOf(r, "add", BinaryKind.add, a, b);
}

export function sub(r: RecordingContext, a: Tensor, b: Tensor): Tensor {
  return binaryOf(r, "sub", BinaryKind.sub, a, b);
}

export function mul(r: RecordingContext, a: Tensor, b: Tensor): Tensor {
  return binaryOf(r, "mul", BinaryKind.mul, a, b);
}

export function addWeight(r: RecordingContext, x: Tensor, w: Weight): Tensor {
  return weighted(r, BinaryKind.add, x as Recorded, w);
}

export function mulWeight(r: RecordingContext, x: Tensor, w: Weight): Tensor {
  const isScalar = w.shape.every((n) => n === 1);
  if (isScalar) return unary(r, UnaryKind.scaleBy, w.name, x as Recorded, r.vector(w));
  return weighted(r, BinaryKind.mul, x as Recorded, w);
}

export function scale(r: RecordingContext, x: Tensor, factor: number): Tensor {
  return unary(r, UnaryKind.scale, "scale", x as Recorded, factor);
}

export function clamp(r: RecordingContext, x: Tensor, limit: number): Tensor {
  return unary(r, UnaryKind.clamp, "clamp", x as Recorded, limit);
}

export function softcap(r: RecordingContext, x: Tensor, cap: number): Tensor {
  return unary(r, UnaryKind.softcap, "softcap", x as Recorded, cap);
}

export function activation(r: RecordingContext, kind: Activation, x: Tensor): Tensor {
  return unary(r, UnaryKind[kind], kind, x as Recorded);
}

export function gated(r: RecordingContext, kind: Activation, gate: Tensor, up: Tensor): Tensor {
  const a = gate as Recorded,
    b = up as Recorded;
  r.sameShape("gated", a, b);
  const dst = r.tensor(kind, a.rows, a.width);
  r.emit(
    Op.gated,
    `gated ${kind}`,
    a.rows,
    [
      ...r.common(dst, a),
      [GatedWord.kind, UnaryKind[kind]],
      [GatedWord.b, ref(b)],
      [GatedWord.bStride, b.stride],
    ],
    [ref(a), ref(b)],
    [ref(dst)],
  );
  return dst;
}

export function clampedGate(r: RecordingContext, gate: Tensor, up: Tensor, limit: number): Tensor {
  const a = gate as Recorded,
    b = up as Recorded;
  r.sameShape("clampedGate", a, b);
  const dst = r.tensor("clamped gate", a.rows, a.width);
  r.emit(
    Op.clampedGate,
    "clamped gate",
    a.rows,
    [
      ...r.common(dst, a),
      [ClampedGateWord.limit, f32Bits(limit)],
      [ClampedGateWord.b, ref(b)],
      [ClampedGateWord.bStride, b.stride],
    ],
    [ref(a), ref(b)],
    [ref(dst)],
  );
  return dst;
}

export function gaussianTopK(r: RecordingContext, x: Tensor, multiplier: number): Tensor {
  const a = x as Recorded,
    dst = r.tensor("gaussian top k", a.rows, a.width);
  r.emit(
    Op.gaussianTopK,
    "gaussian top k",
    a.rows,
    [...r.common(dst, a), [GaussianTopKWord.multiplier, f32Bits(multiplier)]],
    [ref(a)],
    [ref(dst)],
  );
  return dst;
}

export function softmax(r: RecordingContext, x: Tensor, group?: number): Tensor {
  const a = x as Recorded,
    dst = r.tensor("softmax", a.rows, a.width);
  r.emit(
    Op.softmax,
    "softmax",
    a.rows,
    [...r.common(dst, a), [SoftmaxWord.group, group ?? a.width]],
    [ref(a)],
    [ref(dst)],
  );
  return dst;
}

export function rmsNorm(r: RecordingContext, x: Tensor, params: NormParams): Tensor {
  return norm(r, NormKind.rms, x as Recorded, params);
}

export function layerNorm(r: RecordingContext, x: Tensor, params: NormParams): Tensor {
  return norm(r, NormKind.layer, x as Recorded, params);
}

export function l2Norm(r: RecordingContext, x: Tensor, params: NormParams): Tensor {
  return norm(r, NormKind.l2, x as Recorded, params);
}

function norm(
  r: RecordingContext,
  kind: NormKind,
  x: Recorded,
  { eps, weight, bias, group = x.width }: NormParams,
): Recorded {
  const label = weight?.name ?? "norm";
  if (x.width % group !== 0)
    throw new PlanError(
      `${label}: expected a width that is a multiple of ${group}, found ${x.width}`,
    );
  const weightWidth = weight ? weight.shape.reduce((a, b) => a * b, 1) : group;
  for (const w of [weight, bias]) {
    const n = w ? w.shape.reduce((a, b) => a * b, 1) : weightWidth;
    if (n !== weightWidth || (n !== group && n !== x.width)) {
      throw new PlanError(
        `${w?.name ?? label}: expected ${group} or ${x.width} elements, found ${n}`,
      );
    }
  }
  const dst = r.tensor(label, x.rows, x.width);
  r.emit(
    Op.norm,
    label,
    x.rows,
    [
      ...r.common(dst, x),
      [NormWord.kind, kind],
      [NormWord.weight, weight ? r.vector(weight) : 0],
      [NormWord.bias, bias ? r.vector(bias) : 0],
      [NormWord.eps, f32Bits(eps)],
      [NormWord.group, group],
      [NormWord.weightWidth, weightWidth],
    ],
    [ref(x)],
    [ref(dst)],
  );
  return dst;
}

/** a and b in, one of their shape out; b is a tensor (then `reads` has it) or a constant row, whose stride is 0. */
export function binary(
  r: RecordingContext,
  kind: BinaryKind,
  label: string,
  a: Recorded,
  b: Ref,
  bStride: number,
  reads: Ref[],
): Recorded {
  const dst = r.tensor(label, a.rows, a.width);
  r.emit(
    Op.binary,
    label,
    a.rows,
    [
      ...r.common(dst, a),
      [BinaryWord.kind, kind],
      [BinaryWord.b, b],
      [BinaryWord.bStride, bStride],
    ],
    [ref(a), ...reads],
    [ref(dst)],
  );
  return dst;
}

function binaryOf(
  r: RecordingContext,
  name: string,
  kind: BinaryKind,
  a: Tensor,
  b: Tensor,
): Tensor {
  const x = a as Recorded,
    y = b as Recorded;
  r.sameShape(name, x, y);
  return binary(r, kind, name, x, ref(y), y.stride, [ref(y)]);
}

function weighted(r: RecordingContext, kind: BinaryKind, x: Recorded, w: Weight): Tensor {
  const n = w.shape.reduce((a, b) => a * b, 1);
  if (n !== x.width) throw new PlanError(`${w.name}: expected ${x.width} elements, found ${n}`);
  return binary(r, kind, w.name, x, r.vector(w), 0, []);
}

/** Every element of x by itself; param is a number or where one lies. */
export function unary(
  r: RecordingContext,
  kind: UnaryKind,
  label: string,
  x: Recorded,
  param: number | Ref = 0,
): Recorded {
  const dst = r.tensor(label, x.rows, x.width);
  r.emit(
    Op.unary,
    label,
    x.rows,
    [
      ...r.common(dst, x),
      [UnaryWord.kind, kind],
      [UnaryWord.param, typeof param === "number" ? f32Bits(param) : param],
    ],
    [ref(x)],
    [ref(dst)],
  );
  return dst;
}
