// The reference ops against values worked out by hand, and the independence of a row from its
// batch. The zoo (test/models/zoo.test.ts) holds what they compute together against llama.cpp.
import { beforeAll, describe, expect, it } from "vitest";
import type { Rows, RouteParams, Tensor, Weight } from "../../models/ops.ts";
import { PlanError } from "../../src/errors.ts";
import { erf } from "./activations.ts";
import { f16ToF32, f32ToF16 } from "./dequantize.ts";
import { ReferenceModel, type ReferenceOptions } from "./model.ts";
import { type Batch, ReferenceOps } from "./ops.ts";
import { ropeRow } from "./rope.ts";
import { type ReferenceWeight, valueOf } from "./value.ts";
import { loadZooCase, type ZooCase } from "./zoo.ts";

let zoo: ZooCase;
let model: ReferenceModel;

beforeAll(async () => {
  zoo = loadZooCase("llama-q4_0");
  model = await ReferenceModel.open(zoo.path);
});

/** A tensor of these rows. */
function tensor(data: number[][], rows: Rows = "tokens"): Tensor {
  const value = { rows, width: data[0].length, data: data.map((row) => Float32Array.from(row)) };
  return value as Tensor;
}

function weight(shape: number[], data: number[]): Weight {
  const w: ReferenceWeight = { name: "test.weight", shape, data: Float32Array.from(data) };
  return w;
}

function rowsOf(x: Tensor): number[][] {
  return valueOf(x).data.map((row) => [...row]);
}

/** Ops for a batch of tokens of sequence 0 at positions 0, 1, ... */
function opsFor(
  nTokens: number,
  extra: Partial<Batch> = {},
  options?: ReferenceOptions,
): ReferenceOps {
  const tokens = Array<number>(nTokens).fill(0);
  return new ReferenceOps(model.fresh(options), {
    tokens,
    positions: tokens.map((_, i) => i),
    sequences: tokens,
    outputs: tokens.map(() => true),
    ...extra,
  });
}

describe("weights", () => {
  it("loads a tensor of the file by name and exact shape", () => {
    const ops = opsFor(1);
    expect(ops.weight("blk.0.attn_norm.weight", [64, 1]).shape).toEqual([64, 1]);
    expect(ops.optionalWeight("blk.0.attn_q.bias", [64])).toBeUndefined();
  });

  it("names tensor, expected and found", () => {
    const ops = opsFor(1);
    expect(() => ops.weight("blk.0.attn_q.weight", [64, 96])).toThrow(
      /^blk.0.attn_q.weight: expected \[64, 96\], found \[64, 64\] \(offset 0x[0-9a-f]+\); /,
    );
    expect(() => ops.optionalWeight("blk.0.attn_q.weight", [32, 64])).toThrow("expected [32, 64]");
    expect(() => ops.weight("blk.7.attn_q.weight", [64, 64])).toThrow(
      "blk.7.attn_q.weight: expected a tensor [64, 64], found no such tensor; ",
    );
  });
});

describe("a row's logits", () => {
  const bits = (rows: readonly Float32Array[]): number[][] => rows.map((row) => [...row]);

  it("do not depend on how the prompt is split", () => {
    const whole = model.fresh().run(zoo.tokens);
    const parts = model.fresh();
    const split = [];
    for (let i = 0; i < zoo.tokens.length; i += 7)
      split.push(...parts.run(zoo.tokens.slice(i, i + 7), i));
    expect(bits(split)).toEqual(bits(whole));
  });

  it("do not depend on other sequences, nor on which rows are wanted", () => {
    const a = zoo.tokens.slice(0, 6);
    const b = zoo.tokens.slice(10, 15);
    const alone = [model.fresh().run(a).at(-1)!, ...model.fresh().run(b).slice(2)];
    // Tokens of the two interleaved: a0 b0 a1 b1 ... a5.
    const mixed = model.fresh().evaluate({
      tokens: a.flatMap((token, i) => (i < 5 ? [token, b[i]] : [token])),
      positions: a.flatMap((_, i) => (i < 5 ? [i, i] : [i])),
      sequences: a.flatMap((_, i) => (i < 5 ? [4, 9] : [4])),
      outputs: [false, false, false, false, false, true, false, true, false, true, true],
    });
    expect(bits([mixed[3], ...mixed.slice(0, 3)])).toEqual(bits(alone));
  });

  it("differ a little with an f16 cache", () => {
    const exact = model.fresh().run(zoo.tokens).at(-1)!;
    const half = model.fresh({ cacheType: "f16" }).run(zoo.tokens).at(-1)!;
    const difference = Math.max(...exact.map((x, i) => Math.abs(x - half[i])));
    expect(difference).toBeGreaterThan(0);
    expect(difference).toBeLessThan(0.05);
  });

  it("can be had for embedding rows in place of tokens", () => {
    const m = model.fresh();
    const expected = m.run([5]);
    const embedding = m.load("token_embd.weight", [64, zoo.n_vocab]).data.slice(5 * 64, 6 * 64);
    const found = model.fresh().evaluate({
      tokens: [embedding],
      positions: [0],
      sequences: [0],
      outputs: [true],
    });
    expect(bits(found)).toEqual(bits(expected));
  });
});

describe("elementwise ops, products and norms", () => {
  it("multiply with rows of the weight", () => {
    const w = weight([2, 3], [1, 2, 3, 4, 5, 6]);
    expect(rowsOf(opsFor(1).matmul(w, tensor([[10, 1]])))).toEqual([[12, 34, 56]]);
    expect(() => opsFor(1).matmul(w, tensor([[1, 2, 3]]))).toThrow(PlanError);
  });

  it("normalise whole rows or groups", () => {
    const x = tensor([[3, 4, 6, 8]]);
    const ops = opsFor(1);
    const close = (found: Tensor, expected: number[]): void => {
      for (const [i, y] of rowsOf(found)[0].entries()) expect(y).toBeCloseTo(expected[i], 5);
    };
    const rms = Math.sqrt(12.5);
    const halves = ops.rmsNorm(x, { eps: 0, group: 2, weight: weight([2], [1, 10]) });
    close(halves, [3 / rms, 40 / rms, 3 / rms, 40 / rms]);
    close(ops.l2Norm(x, { eps: 0, group: 2 }), [0.6, 0.8, 0.6, 0.8]);
    const layer = ops.layerNorm(x, { eps: 0, group: 2, bias: weight([4], [0, 1, 2, 3]) });
    close(layer, [-1, 2, 1, 4]);
    close(ops.softmax(tensor([[0, Math.log(3), 5, 5]]), 2), [0.25, 0.75, 0.5, 0.5]);
  });

  it("activate", () => {
    const one = (kind: Parameters<ReferenceOps["activation"]>[0], x: number): number =>
      rowsOf(opsFor(1).activation(kind, tensor([[x]])))[0][0];
    expect(one("silu", 1)).toBeCloseTo(0.7310586, 6);
    expect(one("gelu", 1)).toBeCloseTo(0.841192, 6);
    expect(one("geluErf", 1)).toBeCloseTo(0.8413447, 6);
    expect(one("relu2", -3)).toBe(0);
    expect(one("relu2", 3)).toBe(9);
    expect(one("softplus", 100)).toBe(100);
    expect(one("softplus", 0)).toBeCloseTo(Math.LN2, 6);
    expect(erf(0.5)).toBeCloseTo(0.5204998778, 10);
    expect(erf(3)).toBeCloseTo(0.9999779095, 10);
    expect(erf(-2.5)).toBeCloseTo(-0.999593048, 10);
  });

  it("refuse tensors that do not fit", () => {
    const ops = opsFor(1);
    expect(() => ops.add(tensor([[1, 2]]), tensor([[1]]))).toThrow(
      "add: width: expected 2, found 1",
    );
    expect(() => ops.add(tensor([[1]]), tensor([[1]], "outputs"))).toThrow("the same rows");
    expect(() => ops.slice(tensor([[1, 2, 3, 4, 5]]), 2, 2)).toThrow("a multiple of 4");
    expect(() => ops.slice(tensor([[1, 2, 3, 4, 5]]), 4, 2)).toThrow("columns inside 5");
  });
});

describe("rope", () => {
  const base = { headDim: 4, nRot: 4, freqBase: 10000, freqScale: 1, attnFactor: 1 } as const;
  const row = Float32Array.from([1, 0, 2, 0]);

  it("turns pairs side by side (norm) or half a head apart (neox)", () => {
    // The first pair turns by the position, the second by position / 100.
    const norm = ropeRow(row, 1, { ...base, mode: "norm" });
    const neox = ropeRow(row, 1, { ...base, mode: "neox" });
    const round = (r: Float32Array): number[] => [...r].map((x) => Math.round(x * 1e4) / 1e4);
    expect(round(norm)).toEqual([0.5403, 0.8415, 1.9999, 0.02]);
    expect(round(neox)).toEqual(
      [0.5403 - 2 * 0.8415, 0, 0.8415 + 2 * 0.5403, 0].map((x) => expect.closeTo(x, 3)),
    );
  });

  it("leaves position 0 and the tail of a head alone", () => {
    expect([...ropeRow(row, 0, { ...base, mode: "neox" })]).toEqual([...row]);
    expect([...ropeRow(row, 5, { ...base, nRot: 2, mode: "norm" })].slice(2)).toEqual([2, 0]);
  });

  it("divides by factors, scales the position, multiplies by the magnitude", () => {
    const plain = ropeRow(row, 3, { ...base, mode: "norm" });
    const factors = weight([2], [2, 2]);
    expect(ropeRow(row, 6, { ...base, mode: "norm", factors })).toEqual(plain);
    expect(ropeRow(row, 12, { ...base, mode: "norm", freqScale: 0.25 })).toEqual(plain);
    const doubled = ropeRow(row, 3, { ...base, mode: "norm", attnFactor: 2 });
    expect(doubled).toEqual(plain.map((x) => 2 * x));
  });

  it("extrapolates fast pairs and interpolates slow ones (YaRN)", () => {
    const yarn = { extFactor: 1, betaFast: 32, betaSlow: 1, nCtxOrig: 4096, logMultiplier: 0 };
    const params = { ...base, headDim: 64, nRot: 64, mode: "norm" as const, freqScale: 0.25, yarn };
    const long = Float32Array.from({ length: 64 }, (_, i) => 1 - (i % 2));
    const mixed = ropeRow(long, 40, params);
    expect(mixed.slice(0, 2)).toEqual(
      ropeRow(long, 40, { ...params, yarn: undefined, freqScale: 1 }).slice(0, 2),
    );
    expect(mixed.slice(62)).toEqual(ropeRow(long, 40, { ...params, yarn: undefined }).slice(62));
    // 1 + 0.1 ln 4
    const louder = ropeRow(long, 0, { ...params, yarn: { ...yarn, logMultiplier: 0.1 } });
    expect(louder[0]).toBeCloseTo(1.1386294, 6);
  });
});

describe("attention", () => {
  // Heads of one element: keys are 0 (all scores equal) unless a test says otherwise, values 1, 2,
  // 3, ...
  const shape = { nHeadKv: 1, headDimK: 1, headDimV: 1 };
  const zero = [[0], [0], [0], [0]];
  const values = tensor([[1], [2], [4], [8]]);

  function attend(query: number[][], keys: number[][], params: object, nHead = 1): number[][] {
    const ops = opsFor(4);
    const cache = ops.kvStore(0, tensor(keys), values, shape);
    return rowsOf(ops.attention(tensor(query), { cache, nHead, scale: 1, ...params }));
  }

  const near = (rows: number[][]): unknown => rows.map((r) => r.map((x) => expect.closeTo(x, 5)));

  it("averages what is visible: causal, windowed, everything", () => {
    expect(attend(zero, zero, {})).toEqual(near([[1], [1.5], [7 / 3], [15 / 4]]));
    expect(attend(zero, zero, { window: 2 })).toEqual(near([[1], [1.5], [3], [6]]));
    expect(attend(zero, zero, { causal: false })).toEqual(near(Array(4).fill([15 / 4])));
  });

  it("hides what lies before a stretch of positions, and stretches the scale as YaRN says", () => {
    expect(attend(zero, zero, { chunk: 2 })).toEqual(near([[1], [1.5], [4], [6]]));
    const query = [[0], [0], [0], [1]];
    const keys = [[0], [0], [0], [1]];
    const yarnScale = { freqScale: 1 / 8, logMultiplier: 0.5 };
    const e = Math.exp((1 + 0.5 * Math.log(8)) ** 2);
    expect(attend(query, keys, { yarnScale })[3]).toEqual([
      expect.closeTo((7 + 8 * e) / (3 + e), 5),
    ]);
    expect(attend(query, keys, { yarnScale: { ...yarnScale, freqScale: 1 } })[3]).toEqual([
      expect.closeTo((7 + 8 * Math.E) / (3 + Math.E), 5),
    ]);
  });

  it("gives a sink its share and no value", () => {
    expect(attend(zero, zero, { sinks: weight([1], [0]) })).toEqual(
      near([[0.5], [1], [7 / 4], [3]]),
    );
  });

  it("caps scores", () => {
    // Score 2 * 50 is capped to about 1: weights 1 : e.
    const keys = [[0], [50], [0], [0]];
    const e = Math.E;
    const found = attend([[2], [2], [2], [2]], keys, { softcap: 1 });
    expect(found[1][0]).toBeCloseTo((1 + 2 * e) / (1 + e), 5);
  });

  it("tilts scores by distance (ALiBi), also for head counts that are no power of two", () => {
    // Three heads, maximum 8: slopes 2^-4 and 2^-8 for the power of two below, then 2^-2 of the
    // finer sequence.
    const found = attend(Array(4).fill([0, 0, 0]), zero, { alibiMaxBias: 8 }, 3);
    const two = (slope: number): number => (Math.exp(-slope) * 1 + 2) / (Math.exp(-slope) + 1);
    expect(found[1]).toEqual([2 ** -4, 2 ** -8, 2 ** -2].map((s) => expect.closeTo(two(s), 5)));
  });
});

describe("experts", () => {
  const route = (
    logits: number[],
    params: Partial<RouteParams>,
  ): { experts: number[]; weights: number[] } => {
    const routing = opsFor(1).route(tensor([logits]), {
      nUsed: 2,
      gating: "softmax",
      normalise: false,
      ...params,
    });
    const [choice] = (
      routing as unknown as { choices: { experts: number[]; weights: Float32Array }[] }
    ).choices;
    return {
      experts: choice.experts,
      weights: [...choice.weights].map((w) => Math.round(w * 1e4) / 1e4),
    };
  };
  const logits = [0, Math.log(2), Math.log(4), Math.log(1)];

  it("chooses by score, ties to the lower id", () => {
    expect(route(logits, { nUsed: 3 })).toEqual({
      experts: [2, 1, 0],
      weights: [0.5, 0.25, 0.125],
    });
  });

  it("normalises, then scales", () => {
    expect(route(logits, { normalise: true, scale: 3 }).weights).toEqual([2, 1]);
  });

  it("weighs by softmax of the selected, by sigmoid, by sqrt of softplus", () => {
    expect(route(logits, { gating: "softmaxOfSelected" }).weights).toEqual([0.6667, 0.3333]);
    expect(route(logits, { gating: "sigmoid" }).weights).toEqual([0.8, 0.6667]);
    expect(route([0, 1], { gating: "sqrtSoftplus" }).weights).toEqual([1.146, 0.8326]);
  });

  it("adds the bias for the selection only", () => {
    const selectionBias = weight([4], [1, 0, 0, 0]);
    expect(route(logits, { selectionBias })).toEqual({ experts: [0, 2], weights: [0.125, 0.5] });
  });

  it("chooses among the best groups, worth their two best", () => {
    const grouped = { gating: "sigmoid", nGroup: 2, nGroupUsed: 1 } as const;
    // The best expert is in the first group, the better pair in the second.
    expect(route([3, -3, 2, 2], grouped).experts).toEqual([2, 3]);
    expect(route([3, -3, 2, 2], { gating: "sigmoid" }).experts).toEqual([0, 2]);
  });

  it("multiplies each slot with its expert and sums with the weights", () => {
    const ops = opsFor(1);
    // Two experts of one input and one output: times 10 and times 100.
    const w = weight([1, 1, 2], [10, 100]);
    const routing = ops.route(tensor([[0, Math.log(3)]]), {
      nUsed: 2,
      gating: "softmax",
      normalise: true,
    });
    const shared = ops.expertMatmul(w, tensor([[2]]), routing);
    expect(rowsOf(shared)).toEqual([[200, 20]]);
    expect(rowsOf(ops.expertMatmul(w, shared, routing))).toEqual([[20000, 200]]);
    expect(rowsOf(ops.expertSum(shared, routing))).toEqual([[155]]);
    // Expert 1 is the better one: its vector goes to the first slot.
    expect(rowsOf(ops.expertAdd(shared, weight([1, 2], [7, 5]), routing))).toEqual([[205, 27]]);
    expect(rowsOf(ops.expertScale(shared, weight([2], [3, 2]), routing))).toEqual([[400, 60]]);
    expect(rowsOf(ops.routingWeights(routing))).toEqual([[0.75, 0.25]]);
    expect(() => ops.expertAdd(shared, weight([1, 3], [7, 5, 1]), routing)).toThrow("found 3");
  });
});

describe("runs of a row", () => {
  const x = tensor([[1, 2, 3, 4, 5, 6]]);

  it("slices, repeats, joins", () => {
    const ops = opsFor(1);
    expect(rowsOf(ops.sliceRuns(x, 2, 1, 2))).toEqual([[2, 3, 5, 6]]);
    expect(rowsOf(ops.repeat(tensor([[1, 2]]), 3))).toEqual([[1, 2, 1, 2, 1, 2]]);
    expect(rowsOf(ops.concat([x, tensor([[9, 8]])]))).toEqual([[1, 2, 3, 4, 5, 6, 9, 8]]);
    expect(rowsOf(ops.concat([x, tensor([[9, 8]])], 2))).toEqual([[1, 2, 3, 9, 4, 5, 6, 8]]);
    expect(() => ops.sliceRuns(x, 2, 2, 2)).toThrow(PlanError);
    expect(() => ops.concat([x, tensor([[9]])], 2)).toThrow("concat: width: expected 0, found 1");
  });

  it("scales, sums and measures", () => {
    const ops = opsFor(1);
    expect(rowsOf(ops.scaleRuns(x, tensor([[10, 100]])))).toEqual([[10, 20, 30, 400, 500, 600]]);
    expect(rowsOf(ops.weightedSum(x, tensor([[1, 10]])))).toEqual([[41, 52, 63]]);
    expect(rowsOf(ops.magnitude(tensor([[3, 4, 6, 8]]), 2))).toEqual([[5, 10]]);
    expect(rowsOf(ops.magnitude(tensor([[2, 2, 2, 2]])))).toEqual([[4]]);
  });

  it("sends every run through a matrix of its own", () => {
    const w = weight([3, 1, 2], [1, 1, 1, 100, 10, 1]);
    expect(rowsOf(opsFor(1).matmulByRun(w, x))).toEqual([[6, 456]]);
    expect(() => opsFor(1).matmulByRun(w, tensor([[1, 2, 3]]))).toThrow("expected 6, found 3");
  });
});

describe("ops of single architectures", () => {
  it("subtract, clamp, scale by one element", () => {
    const ops = opsFor(1);
    const x = tensor([[-9, 1, 9]]);
    expect(rowsOf(ops.sub(x, tensor([[1, 2, 3]])))).toEqual([[-10, -1, 6]]);
    expect(rowsOf(ops.clamp(x, 4))).toEqual([[-4, 1, 4]]);
    expect(rowsOf(ops.mulWeight(x, weight([1], [2])))).toEqual([[-18, 2, 18]]);
  });

  it("keep what lies well above the mean", () => {
    // The mean is 3; only the last element is half a deviation above it.
    const kept = opsFor(1).gaussianTopK(tensor([[1, 3, 3, 3, 3, 3, 1, 7]]), 0.5);
    const deviation = Math.sqrt((4 + 4 + 16) / 7);
    expect(rowsOf(kept)[0][7]).toBeCloseTo(4 - 0.5 * deviation, 5);
    expect(rowsOf(kept)[0].slice(0, 7)).toEqual(Array(7).fill(0));
  });

  it("clamp both sides of gpt-oss's gate", () => {
    const [[inside, both, low]] = rowsOf(
      opsFor(1).clampedGate(tensor([[1, 9, -9]]), tensor([[2, 9, -9]]), 7),
    );
    const sigmoid = (v: number): number => 1 / (1 + Math.exp(-v));
    expect(inside).toBeCloseTo(sigmoid(1.702) * 3, 5);
    expect(both).toBeCloseTo(7 * sigmoid(1.702 * 7) * 8, 4);
    // Only the upper side of the gate is clamped.
    expect(low).toBeCloseTo(-9 * sigmoid(1.702 * -9) * -6, 8);
  });

  it("warm the queries of late positions", () => {
    const ops = opsFor(3, { positions: [0, 7, 8] });
    const rows = rowsOf(ops.temperature({ scale: 0.1, floor: 8, offset: 1 }));
    expect(rows).toEqual([[1], [expect.closeTo(1 + 0.1 * Math.log(2), 6)], [rows[1][0]]]);
  });

  it("look up rows by token, row 0 for embedding rows", () => {
    const ops = opsFor(3, { tokens: [1, Float32Array.of(1), 0] });
    const w = weight([1, 2], [5, 6]);
    expect(rowsOf(ops.embedAt(w, "tokenOrZero"))).toEqual([[6], [5], [5]]);
  });
});

describe("ops beside the stream", () => {
  it("gathers and scatters rows by a list", () => {
    const ops = opsFor(3, { indices: { picked: [2, 0] } });
    const x = tensor([[1], [2], [3]]);
    const picked = ops.gather(x, "picked", 2);
    expect(rowsOf(picked)).toEqual([[3], [1]]);
    expect(rowsOf(ops.scatter(x, ops.scale(picked, 10), "picked"))).toEqual([[10], [2], [30]]);
    expect(() => ops.gather(x, "picked", 3)).toThrow("index picked: rows: expected 3, found 2");
  });

  it("keeps state by sequence, zero at first", () => {
    const m = model.fresh();
    const batch = {
      tokens: [0, 0, 0],
      positions: [0, 0, 1],
      sequences: [7, 3, 7],
      outputs: [true, true, true],
    };
    const ops = new ReferenceOps(m, batch);
    const state = ops.state("conv", 2);
    expect(rowsOf(ops.readState(state))).toEqual([
      [0, 0],
      [0, 0],
    ]);
    ops.writeState(
      state,
      tensor(
        [
          [1, 2],
          [3, 4],
        ],
        "sequences",
      ),
    );
    const later = new ReferenceOps(m, { ...batch, sequences: [3, 3, 3] });
    expect(rowsOf(later.readState(state))).toEqual([[3, 4]]);
  });

  it("adds a low-rank pair to the tokens that ask for it", () => {
    const pair = { a: [Float32Array.of(1, 1)], b: [Float32Array.of(10)], scale: 0.5 };
    const options = { adapters: [new Map([["w", pair]])] };
    const ops = opsFor(2, { adapters: [-1, 0] }, options);
    const x = tensor([
      [1, 2],
      [3, 4],
    ]);
    expect(rowsOf(ops.addLowRank(tensor([[1], [1]]), x, "w"))).toEqual([[1], [36]]);
    expect(rowsOf(ops.addLowRank(tensor([[1], [1]]), x, "other"))).toEqual([[1], [1]]);
    // Only the second token's logits are wanted: its row comes first, its adapter goes with it.
    const last = opsFor(2, { adapters: [-1, 0], outputs: [false, true] }, options);
    const y = tensor([[1]], "outputs");
    expect(rowsOf(last.addLowRank(y, tensor([[3, 4]], "outputs"), "w"))).toEqual([[36]]);
  });

  it("adds control vectors, hands out taps, and numbers ops in order", () => {
    const seen: string[] = [];
    const options: ReferenceOptions = {
      controlVectors: new Map([[1, Float32Array.of(5, 5)]]),
      onTap: (name, value) => seen.push(`tap ${name} ${value.width}`),
      onOp: (op) => seen.push(op),
    };
    const ops = opsFor(1, {}, options);
    const x = tensor([[1, 2]]);
    expect(rowsOf(ops.addVector(x, 0))).toEqual([[1, 2]]);
    expect(rowsOf(ops.tap(ops.addVector(x, 1), "l_out-1"))).toEqual([[6, 7]]);
    expect(seen).toEqual(["addVector", "tap l_out-1 2"]);
    expect(rowsOf(ops.addVector(tensor([[1, 2, 3, 4]]), 1))).toEqual([[6, 7, 8, 9]]);
  });

  it("sums squares by column of every matrix product of a model", () => {
    const m = model.fresh();
    m.run(zoo.tokens.slice(0, 3));
    const [entry] = m.calibration.sums.get("blk.0.attn_q.weight")!;
    expect(entry.count).toBe(3);
    expect(entry.squares).toHaveLength(64);
    // q, k and v share their input.
    expect(entry).toEqual(m.calibration.sums.get("blk.0.attn_v.weight")![0]);
    expect([...m.calibration.sums.keys()]).toContain("output.weight");
  });

  it("rounds a cached key to f16 and no further", () => {
    expect(f16ToF32(f32ToF16(0.1))).toBe(0.0999755859375);
  });
});
