// The op vocabulary computed at once, slowly and obviously, without WASM. It is not the bit
// contract: sums run in f64 and functions are JavaScript's own. It says what every op means, proves
// the architecture files against llama.cpp's numbers, and the engine is compared with it op by op.
import { checkWeight } from "../../models/errors.ts";
import type {
  Activation,
  AttentionParams,
  GatedDeltaParams,
  KvCache,
  KvShape,
  NormParams,
  Ops,
  RopeParams,
  RouteParams,
  Routing,
  Rows,
  SsmScanParams,
  State,
  TemperatureParams,
  Tensor,
  Weight,
  Wkv7Params,
} from "../../models/ops.ts";
import { PlanError } from "../../src/errors.ts";
import { ACTIVATIONS, clampedGate, softmax } from "./activations.ts";
import { attendRow } from "./attention.ts";
import { chooseExperts, type ReferenceRouting, routingOf, slotOf } from "./experts.ts";
import type { ReferenceModel } from "./model.ts";
import { gatedDeltaRow, shortConvRow, ssmRow, wkv7Row } from "./recurrent.ts";
import { ropeRow } from "./rope.ts";
import {
  dot,
  expectSameRows,
  expectSize,
  mapElements,
  mapRows,
  sum,
  type Value,
  valueOf,
  vectorLength,
  weightOf,
  weightRow,
} from "./value.ts";

/** What one evaluation is given: one entry per token in each array. */
export interface Batch {
  /** Token ids, or embedding rows in their place. */
  readonly tokens: readonly (number | Float32Array)[];
  readonly positions: readonly number[];
  readonly sequences: readonly number[];
  /** Whose logits are wanted. */
  readonly outputs: readonly boolean[];
  /** Low-rank adapter of each token; -1 or absent: none. */
  readonly adapters?: readonly number[];
  /** Row lists for `gather` and `scatter`, by name. */
  readonly indices?: Readonly<Record<string, readonly number[]>>;
}

/**
 * Computes every op as it is called. One instance serves one evaluation; what lasts lives in the
 * model.
 */
export class ReferenceOps implements Ops {
  /** [outputs, nVocab] or the embedding, once `forward` has called `logits` or `embedding`. */
  result: Value | undefined;
  readonly #model: ReferenceModel;
  #batch: Batch;
  readonly #decoderBatch: Batch;

  /** `encoder`: what an encoder-decoder model's encoder is given; it is computed anew in each evaluation. */
  constructor(model: ReferenceModel, batch: Batch, encoder?: Batch) {
    this.#model = model;
    this.#batch = encoder ?? batch;
    this.#decoderBatch = batch;
  }

  weight(name: string, shape: readonly number[]): Weight {
    checkWeight(name, shape, this.#model.tensor(name));
    return this.#model.load(name, shape);
  }

  optionalWeight(name: string, shape: readonly number[]): Weight | undefined {
    return this.#model.tensor(name) === undefined ? undefined : this.weight(name, shape);
  }

  weightPart(w: Weight, start: number, width: number): Weight {
    if (start < 0 || start + width > vectorLength(w)) {
      throw new PlanError(
        `${w.name}: expected a part inside ${vectorLength(w)}, found ${start} to ${start + width}`,
      );
    }
    const data = weightOf(w).data.subarray(start, start + width);
    return { name: w.name, shape: [width], data } as Weight;
  }

  embed(w: Weight): Tensor {
    const data = this.#batch.tokens.map((t) => (typeof t === "number" ? weightRow(w, t) : t));
    return this.#done("embed", { rows: "tokens", width: w.shape[0], data });
  }

  embedAt(w: Weight, index: "position" | "zero" | "tokenOrZero"): Tensor {
    const { positions, tokens } = this.#batch;
    const rowOf = (p: number, i: number): number => {
      if (index === "position") return p;
      const token = tokens[i];
      return index === "tokenOrZero" && typeof token === "number" ? token : 0;
    };
    const data = positions.map((p, i) => weightRow(w, rowOf(p, i)));
    return this.#done("embedAt", { rows: "tokens", width: w.shape[0], data });
  }

  matmul(w: Weight, x: Tensor): Tensor {
    expectSize(`matmul ${w.name}: width`, w.shape[0], x.width);
    const nOut = w.shape[1] ?? 1;
    return this.#done(
      "matmul",
      mapRows(x, nOut, (row) => outputs(nOut, (m) => dot(weightRow(w, m), row))),
    );
  }

  matmulByRun(w: Weight, x: Tensor): Tensor {
    const [nIn, nOut, n = 1] = w.shape;
    expectSize(`matmulByRun ${w.name}: width`, n * nIn, x.width);
    const row = (r: Float32Array): number[] =>
      outputs(n * nOut, (m) => {
        const run = Math.floor(m / nOut);
        return dot(weightRow(w, m), r.subarray(run * nIn, (run + 1) * nIn));
      });
    return this.#done("matmulByRun", mapRows(x, n * nOut, row));
  }

  sub(a: Tensor, b: Tensor): Tensor {
    return this.#done(
      "sub",
      elementwise("sub", a, b, (x, y) => x - y),
    );
  }

  add(a: Tensor, b: Tensor): Tensor {
    return this.#done(
      "add",
      elementwise("add", a, b, (x, y) => x + y),
    );
  }

  mul(a: Tensor, b: Tensor): Tensor {
    return this.#done(
      "mul",
      elementwise("mul", a, b, (x, y) => x * y),
    );
  }

  addWeight(x: Tensor, w: Weight): Tensor {
    expectSize(`addWeight ${w.name}: width`, vectorLength(w), x.width);
    const { data } = weightOf(w);
    return this.#done(
      "addWeight",
      mapRows(x, x.width, (row) => row.map((v, i) => v + data[i])),
    );
  }

  mulWeight(x: Tensor, w: Weight): Tensor {
    const { data } = weightOf(w);
    if (data.length !== 1) expectSize(`mulWeight ${w.name}: width`, vectorLength(w), x.width);
    return this.#done(
      "mulWeight",
      mapRows(x, x.width, (row) => row.map((v, i) => v * data[i % data.length])),
    );
  }

  scale(x: Tensor, factor: number): Tensor {
    return this.#done(
      "scale",
      mapElements(x, (v) => v * factor),
    );
  }

  clamp(x: Tensor, limit: number): Tensor {
    return this.#done(
      "clamp",
      mapElements(x, (v) => Math.min(Math.max(v, -limit), limit)),
    );
  }

  softcap(x: Tensor, cap: number): Tensor {
    return this.#done(
      "softcap",
      mapElements(x, (v) => cap * Math.tanh(v / cap)),
    );
  }

  activation(kind: Activation, x: Tensor): Tensor {
    return this.#done("activation", mapElements(x, ACTIVATIONS[kind]));
  }

  gated(kind: Activation, gate: Tensor, up: Tensor): Tensor {
    return this.#done(
      "gated",
      elementwise("gated", gate, up, (g, u) => Math.fround(ACTIVATIONS[kind](g)) * u),
    );
  }

  clampedGate(gate: Tensor, up: Tensor, limit: number): Tensor {
    return this.#done(
      "clampedGate",
      elementwise("clampedGate", gate, up, (g, u) => clampedGate(g, u, limit)),
    );
  }

  gaussianTopK(x: Tensor, multiplier: number): Tensor {
    const row = (r: Float32Array): number[] => {
      const mean = sum(r) / r.length;
      const variance = sum([...r].map((v) => (v - mean) ** 2)) / (r.length - 1);
      const cutoff = mean + multiplier * Math.sqrt(variance);
      return [...r].map((v) => Math.max(v - cutoff, 0));
    };
    return this.#done("gaussianTopK", mapRows(x, x.width, row));
  }

  softmax(x: Tensor, group?: number): Tensor {
    return this.#done(
      "softmax",
      inGroups("softmax", x, group, (part) => softmax([...part])),
    );
  }

  rmsNorm(x: Tensor, params: NormParams): Tensor {
    const normalised = inGroups("rmsNorm", x, params.group, (part) => {
      const factor = 1 / Math.sqrt(dot(part, part) / part.length + params.eps);
      return part.map((v) => v * factor);
    });
    return this.#done("rmsNorm", weighted("rmsNorm", normalised, params));
  }

  layerNorm(x: Tensor, params: NormParams): Tensor {
    const normalised = inGroups("layerNorm", x, params.group, (part) => {
      const mean = sum(part) / part.length;
      const variance = sum([...part].map((v) => (v - mean) ** 2)) / part.length;
      return part.map((v) => (v - mean) / Math.sqrt(variance + params.eps));
    });
    return this.#done("layerNorm", weighted("layerNorm", normalised, params));
  }

  l2Norm(x: Tensor, params: NormParams): Tensor {
    const normalised = inGroups("l2Norm", x, params.group, (part) => {
      const length = Math.max(Math.sqrt(dot(part, part)), params.eps);
      return part.map((v) => v / length);
    });
    return this.#done("l2Norm", weighted("l2Norm", normalised, params));
  }

  slice(x: Tensor, start: number, width: number): Tensor {
    if (start % 4 !== 0 || start < 0 || start + width > x.width) {
      throw new PlanError(
        `slice: expected a start that is a multiple of 4 and columns inside ${x.width}, ` +
          `found ${start} to ${start + width}`,
      );
    }
    return this.#done(
      "slice",
      mapRows(x, width, (row) => row.subarray(start, start + width)),
    );
  }

  sliceRuns(x: Tensor, n: number, start: number, width: number): Tensor {
    const run = x.width / n;
    if (!Number.isInteger(run) || start < 0 || start + width > run) {
      throw new PlanError(
        `sliceRuns: expected columns inside runs of ${run}, found ${start} to ${start + width}`,
      );
    }
    const row = (r: Float32Array): number[] =>
      outputs(n * width, (i) => r[Math.floor(i / width) * run + start + (i % width)]);
    return this.#done("sliceRuns", mapRows(x, n * width, row));
  }

  repeat(x: Tensor, n: number): Tensor {
    const row = (r: Float32Array): number[] => outputs(n * x.width, (i) => r[i % x.width]);
    return this.#done("repeat", mapRows(x, n * x.width, row));
  }

  concat(parts: readonly Tensor[], n = 1): Tensor {
    const width = sum(parts.map((part) => part.width));
    for (const part of parts) {
      expectSameRows("concat", part.rows, parts[0].rows);
      expectSize("concat: width", Math.floor(part.width / n) * n, part.width);
    }
    const row = (_: Float32Array, i: number): number[] =>
      outputs(n, (run) => run).flatMap((run) =>
        parts.flatMap((part) => {
          const length = part.width / n;
          return [...valueOf(part).data[i].subarray(run * length, (run + 1) * length)];
        }),
      );
    return this.#done("concat", mapRows(parts[0], width, row));
  }

  scaleRuns(x: Tensor, factors: Tensor): Tensor {
    expectSameRows("scaleRuns", x.rows, factors.rows);
    const run = x.width / factors.width;
    expectSize("scaleRuns: width", Math.floor(run) * factors.width, x.width);
    const row = (r: Float32Array, i: number): Float32Array =>
      r.map((v, c) => v * valueOf(factors).data[i][Math.floor(c / run)]);
    return this.#done("scaleRuns", mapRows(x, x.width, row));
  }

  weightedSum(x: Tensor, weights: Tensor): Tensor {
    expectSameRows("weightedSum", x.rows, weights.rows);
    const width = x.width / weights.width;
    expectSize("weightedSum: width", Math.floor(width) * weights.width, x.width);
    const row = (r: Float32Array, i: number): number[] =>
      outputs(width, (m) => sum([...valueOf(weights).data[i]].map((w, s) => w * r[s * width + m])));
    return this.#done("weightedSum", mapRows(x, width, row));
  }

  magnitude(x: Tensor, n = 1): Tensor {
    const run = x.width / n;
    expectSize("magnitude: width", Math.floor(run) * n, x.width);
    const row = (r: Float32Array): number[] =>
      outputs(n, (i) => {
        const part = r.subarray(i * run, (i + 1) * run);
        return Math.sqrt(dot(part, part));
      });
    return this.#done("magnitude", mapRows(x, n, row));
  }

  temperature({ scale, floor, offset }: TemperatureParams): Tensor {
    const data = this.#batch.positions.map((p) =>
      Float32Array.of(Math.log(Math.floor((p + offset) / floor) + 1) * scale + 1),
    );
    return this.#done("temperature", { rows: "tokens", width: 1, data });
  }

  groupSum(x: Tensor, group: number): Tensor {
    const n = x.width / group;
    expectSize("groupSum: width", Math.floor(n) * group, x.width);
    const row = (r: Float32Array): number[] =>
      outputs(n, (g) => sum(r.subarray(g * group, (g + 1) * group)));
    return this.#done("groupSum", mapRows(x, n, row));
  }

  rope(x: Tensor, params: RopeParams): Tensor {
    const heads = x.width / params.headDim;
    expectSize("rope: width", Math.floor(heads) * params.headDim, x.width);
    if (params.factors) {
      expectSize("rope: factors", params.nRot / 2, vectorLength(params.factors));
    }
    const { positions } = this.#batch;
    return this.#done(
      "rope",
      mapRows(x, x.width, (row, i) => ropeRow(row, positions[i], params)),
    );
  }

  kvStore(layer: number, k: Tensor, v: Tensor, shape: KvShape): KvCache {
    expectSize(`kvStore of layer ${layer}: keys`, shape.nHeadKv * shape.headDimK, k.width);
    expectSize(`kvStore of layer ${layer}: values`, shape.nHeadKv * shape.headDimV, v.width);
    const { sequences, positions } = this.#batch;
    for (const [i, sequence] of sequences.entries()) {
      this.#model.kv.store(layer, sequence, positions[i], valueOf(k).data[i], valueOf(v).data[i]);
    }
    return { layer, ...shape };
  }

  attention(q: Tensor, params: AttentionParams): Tensor {
    const { cache, nHead } = params;
    expectSize(`attention of layer ${cache.layer}: queries`, nHead * cache.headDimK, q.width);
    const { sequences, positions } = this.#batch;
    const row = (query: Float32Array, i: number): Float32Array => {
      const entries = this.#model.kv.positions(cache.layer, sequences[i]);
      return attendRow(query, positions[i], entries, params);
    };
    return this.#done("attention", mapRows(q, nHead * cache.headDimV, row));
  }

  route(x: Tensor, params: RouteParams): Routing {
    const choices = valueOf(x).data.map((row) => chooseExperts(row, params));
    const routing: ReferenceRouting = {
      rows: x.rows,
      nUsed: params.nUsed,
      nExpert: x.width,
      choices,
    };
    return routing;
  }

  expertMatmul(w: Weight, x: Tensor, routing: Routing): Tensor {
    const [nIn, nOut, nExpert] = w.shape;
    expectSize(`expertMatmul ${w.name}: experts`, routing.nExpert, nExpert);
    expectSize(
      `expertMatmul ${w.name}: width`,
      x.width === nIn ? nIn : nIn * routing.nUsed,
      x.width,
    );
    const { choices } = routingOf(routing);
    const row = (r: Float32Array, i: number): number[] =>
      choices[i].experts.flatMap((expert, slot) => {
        const part = slotOf(r, slot, x, nIn);
        return outputs(nOut, (m) => dot(weightRow(w, expert * nOut + m), part));
      });
    return this.#done("expertMatmul", mapRows(x, routing.nUsed * nOut, row));
  }

  expertSum(x: Tensor, routing: Routing): Tensor {
    const width = x.width / routing.nUsed;
    const { choices } = routingOf(routing);
    const row = (r: Float32Array, i: number): number[] =>
      outputs(width, (m) => sum(choices[i].weights.map((w, slot) => w * r[slot * width + m])));
    return this.#done("expertSum", mapRows(x, width, row));
  }

  expertAdd(x: Tensor, w: Weight, routing: Routing): Tensor {
    const [width, nExpert] = w.shape;
    expectSize(`expertAdd ${w.name}: experts`, routing.nExpert, nExpert);
    expectSize(`expertAdd ${w.name}: width`, routing.nUsed * width, x.width);
    const { choices } = routingOf(routing);
    const row = (r: Float32Array, i: number): Float32Array =>
      r.map((v, c) => v + weightRow(w, choices[i].experts[Math.floor(c / width)])[c % width]);
    return this.#done("expertAdd", mapRows(x, x.width, row));
  }

  expertScale(x: Tensor, w: Weight, routing: Routing): Tensor {
    expectSize(`expertScale ${w.name}: experts`, routing.nExpert, vectorLength(w));
    const width = x.width / routing.nUsed;
    const { choices } = routingOf(routing);
    const row = (r: Float32Array, i: number): Float32Array =>
      r.map((v, c) => v * weightOf(w).data[choices[i].experts[Math.floor(c / width)]]);
    return this.#done("expertScale", mapRows(x, x.width, row));
  }

  routingWeights(routing: Routing): Tensor {
    const data = routingOf(routing).choices.map(({ weights }) => weights);
    return this.#done("routingWeights", { rows: routing.rows, width: routing.nUsed, data });
  }

  outputRows(x: Tensor): Tensor {
    const data = valueOf(x).data.filter((_, i) => this.#batch.outputs[i]);
    return this.#done("outputRows", { rows: "outputs", width: x.width, data });
  }

  gather(x: Tensor, index: string, rows: number): Tensor {
    const list = this.#index(index, rows);
    const data = list.map((i) => valueOf(x).data[i]);
    return this.#done("gather", { rows, width: x.width, data });
  }

  scatter(base: Tensor, x: Tensor, index: string): Tensor {
    const data = [...valueOf(base).data];
    const list = this.#index(index, valueOf(x).data.length);
    for (const [i, to] of list.entries()) data[to] = valueOf(x).data[i];
    return this.#done("scatter", { rows: base.rows, width: base.width, data });
  }

  tap(x: Tensor, name: string): Tensor {
    this.#model.options.onTap?.(name, valueOf(x));
    return x;
  }

  sumSquaresByColumn(x: Tensor, name: string, routing?: Routing): void {
    const nIn = this.#model.tensor(name)!.shape[0];
    for (const [i, row] of valueOf(x).data.entries()) {
      if (routing === undefined) this.#model.calibration.add(name, 0, row);
      else {
        for (const [slot, expert] of routingOf(routing).choices[i].experts.entries()) {
          this.#model.calibration.add(name, expert, slotOf(row, slot, x, nIn));
        }
      }
    }
  }

  addLowRank(y: Tensor, x: Tensor, target: string): Tensor {
    const slots = this.#adapterSlots(x.rows);
    if (slots === undefined) return y;
    const row = (r: Float32Array, i: number): Float32Array => {
      const pair = this.#model.options.adapters?.[slots[i]]?.get(target);
      if (pair === undefined) return r;
      const low = pair.a.map((a) => Math.fround(dot(a, valueOf(x).data[i])));
      return r.map((v, m) => v + pair.scale * dot(pair.b[m], low));
    };
    return this.#done("addLowRank", mapRows(y, y.width, row));
  }

  addVector(x: Tensor, layer: number): Tensor {
    const vector = this.#model.options.controlVectors?.get(layer);
    if (vector === undefined) return x;
    return this.#done(
      "addVector",
      mapRows(x, x.width, (row) => row.map((v, i) => v + vector[i % vector.length])),
    );
  }

  state(name: string, width: number): State {
    return { name, width };
  }

  readState(state: State): Tensor {
    const data = this.#sequences().map((s) => this.#model.readState(state, s));
    return this.#done("readState", { rows: "sequences", width: state.width, data });
  }

  writeState(state: State, x: Tensor): void {
    expectSize(`writeState ${state.name}: width`, state.width, x.width);
    for (const [i, s] of this.#sequences().entries()) {
      this.#model.writeState(state, s, valueOf(x).data[i]);
    }
  }

  tokenShift(x: Tensor, name: string): Tensor {
    return this.#recur("tokenShift", name, x.width, x, x.width, (i, state) => {
      const previous = state.slice();
      state.set(valueOf(x).data[i]);
      return previous;
    });
  }

  shortConv(x: Tensor, w: Weight, name: string): Tensor {
    expectSize(`shortConv ${w.name}: columns`, w.shape[1] ?? 1, x.width);
    const { data } = weightOf(w);
    const width = (w.shape[0] - 1) * x.width;
    return this.#recur("shortConv", name, width, x, x.width, (i, state) =>
      shortConvRow(valueOf(x).data[i], data, state),
    );
  }

  ssmScan(x: Tensor, params: SsmScanParams): Tensor {
    const { name, dt, a, b, c, d, nState, nGroup } = params;
    expectSize(`ssmScan ${name}: width of b`, nGroup * nState, b.width);
    expectSize(`ssmScan ${name}: width of c`, nGroup * nState, c.width);
    const step = (i: number, state: Float32Array): number[] => {
      const [xs, dts, bs, cs] = [x, dt, b, c].map((t) => valueOf(t).data[i]);
      const weights = { a: weightOf(a).data, d: weightOf(d).data };
      return ssmRow({ x: xs, dt: dts, b: bs, c: cs, ...weights, nState, nGroup }, state);
    };
    return this.#recur("ssmScan", name, x.width * nState, x, x.width, step);
  }

  wkv7({ name, headSize, ...params }: Wkv7Params): Tensor {
    const operands = [params.r, params.w, params.k, params.v, params.a, params.b];
    for (const t of operands) expectSize(`wkv7 ${name}: width`, params.v.width, t.width);
    const { v } = params;
    return this.#recur("wkv7", name, v.width * headSize, v, v.width, (i, state) => {
      const rows = operands.map((t) => valueOf(t).data[i]);
      return wkv7Row(rows, headSize, state);
    });
  }

  gatedDelta({ name, ...params }: GatedDeltaParams): Tensor {
    const { q, k, v, decay, beta, nHeadK, nHeadV } = params;
    expectSize(`gatedDelta ${name}: width of k`, q.width, k.width);
    expectSize(`gatedDelta ${name}: width of decay`, nHeadV, decay.width);
    expectSize(`gatedDelta ${name}: width of beta`, nHeadV, beta.width);
    const width = v.width * (q.width / nHeadK);
    return this.#recur("gatedDelta", name, width, v, v.width, (i, state) => {
      const [qs, ks, vs, ds, bs] = [q, k, v, decay, beta].map((t) => valueOf(t).data[i]);
      return gatedDeltaRow({ ...params, q: qs, k: ks, v: vs, decay: ds, beta: bs }, state);
    });
  }

  endEncoder(): void {
    // The encoder ran over its own tokens; the decoder takes over with another batch.
    this.#batch = this.#decoderBatch;
  }

  pool(x: Tensor, kind: "mean" | "cls" | "last"): Tensor {
    const data = this.#sequences().map((s) => {
      const rows = valueOf(x).data.filter((_, i) => this.#batch.sequences[i] === s);
      if (kind !== "mean") return kind === "cls" ? rows[0] : rows.at(-1)!;
      return Float32Array.from(rows[0], (_, c) => sum(rows.map((r) => r[c])) / rows.length);
    });
    return this.#done("pool", { rows: "sequences", width: x.width, data });
  }

  embedding(x: Tensor): void {
    if (x.rows === "outputs") throw new PlanError("embedding: expected all rows, found outputs");
    this.result = this.#done("embedding", valueOf(x));
  }

  logits(x: Tensor): void {
    if (x.rows !== "outputs") throw new PlanError(`logits: expected output rows, found ${x.rows}`);
    this.result = this.#done("logits", valueOf(x));
  }

  /** Calls `step` for every token, in order, with the state of its sequence; the state is kept. */
  #recur(
    op: string,
    name: string,
    stateWidth: number,
    x: Tensor,
    width: number,
    step: (row: number, state: Float32Array) => Float32Array | number[],
  ): Value {
    if (x.rows !== "tokens") throw new PlanError(`${op}: expected token rows, found ${x.rows}`);
    const state = this.state(name, stateWidth);
    const row = (_: Float32Array, i: number): Float32Array | number[] => {
      const sequence = this.#batch.sequences[i];
      const kept = this.#model.readState(state, sequence).slice();
      const y = step(i, kept);
      this.#model.writeState(state, sequence, kept);
      return y;
    };
    return this.#done(op, mapRows(x, width, row));
  }

  /** Adapter slot of each row; an output row has the slot of its token. */
  #adapterSlots(rows: Rows): readonly number[] | undefined {
    const { adapters, outputs: wanted } = this.#batch;
    if (rows === "tokens") return adapters;
    return rows === "outputs" ? adapters?.filter((_, i) => wanted[i]) : undefined;
  }

  /** The sequences of the batch, in the order in which they appear. */
  #sequences(): number[] {
    return [...new Set(this.#batch.sequences)];
  }

  #index(name: string, rows: number): readonly number[] {
    const list = this.#batch.indices?.[name];
    if (list === undefined)
      throw new PlanError(`index ${name}: expected a list of rows, found none`);
    expectSize(`index ${name}: rows`, rows, list.length);
    return list;
  }

  #done(op: string, value: Value): Value {
    this.#model.options.onOp?.(op, value);
    return value;
  }
}

function outputs(width: number, output: (m: number) => number): number[] {
  return Array.from({ length: width }, (_, m) => output(m));
}

function elementwise(op: string, a: Tensor, b: Tensor, f: (x: number, y: number) => number): Value {
  expectSameRows(op, a.rows, b.rows);
  expectSize(`${op}: width`, a.width, b.width);
  return mapRows(a, a.width, (row, i) => row.map((x, j) => f(x, valueOf(b).data[i][j])));
}

/** Applies `f` to every run of `group` elements of a row. */
function inGroups(
  op: string,
  x: Tensor,
  group: number | undefined,
  f: (part: Float32Array) => ArrayLike<number>,
): Value {
  const size = group ?? x.width;
  expectSize(`${op}: width`, Math.floor(x.width / size) * size, x.width);
  return mapRows(x, x.width, (row) => {
    const out = new Float32Array(row.length);
    for (let i = 0; i < row.length; i += size) out.set(f(row.subarray(i, i + size)), i);
    return out;
  });
}

/**
 * Multiplies by the norm's weight and adds its bias; both repeat over groups when they are that
 * short.
 */
function weighted(op: string, x: Value, { weight, bias, group }: NormParams): Value {
  const vector = (w: Weight | undefined): Float32Array | undefined => {
    if (w === undefined) return undefined;
    const length = vectorLength(w);
    if (length !== group) expectSize(`${op} ${w.name}: width`, x.width, length);
    return weightOf(w).data;
  };
  const ws = vector(weight);
  const bs = vector(bias);
  return mapRows(x, x.width, (row) =>
    row.map((v, i) => {
      const y = ws ? Math.fround(v * ws[i % ws.length]) : v;
      return bs ? y + bs[i % bs.length] : y;
    }),
  );
}
