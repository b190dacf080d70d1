import { describe, expect, it } from "vitest";
import { ModelError } from "../../../models/index.ts";
import { OptionError, PlanError } from "../../../src/errors.ts";
import type { Ops, Tensor } from "../../../models/ops.ts";
import { AttentionWord, Op } from "../../../src/memory/abi.generated.ts";
import { f32Bits } from "../../../src/plan/record.ts";
import { forward, record, shapes } from "./planning.ts";

describe("Recorder", () => {
  it("packs an input once for all products that read it", () => {
    const { instrs } = record(shapes, forward);
    const packs = instrs.filter((i) => i.op === Op.pack),
      products = instrs.filter((i) => i.op === Op.matmul);
    expect(products.length).toBe(3 * 4 + 1);
    expect(packs.length).toBe(3 * 2 + 1);
  });

  it("places a tied embedding once", () => {
    const { weights } = record(shapes, forward);
    expect(weights.filter((w) => w.name === "token_embd.weight").length).toBe(1);
  });

  it("marks what runs once per chunk of outputs", () => {
    const { instrs } = record(shapes, forward);
    const first = instrs.findIndex((i) => i.head);
    expect(instrs[first].op).toBe(Op.gatherRows);
    expect(instrs.slice(first).every((i) => i.head)).toBe(true);
    expect(instrs.slice(0, first).some((i) => i.head)).toBe(false);
  });

  it("computes one rope table for all layers that share the parameters", () => {
    const params = {
      headDim: 8,
      nRot: 8,
      mode: "neox",
      freqBase: 10000,
      freqScale: 1,
      attnFactor: 1,
    } as const;
    const { instrs } = record(shapes, (ops) => {
      const x = ops.embed(ops.weight("token_embd.weight", [16, 40]));
      const y = ops.rope(ops.rope(x, params), { ...params, freqBase: 500 });
      ops.logits(ops.outputRows(ops.rope(y, params)));
    });
    expect(instrs.filter((i) => i.op === Op.ropeTable).length).toBe(2);
  });

  it.each([
    [
      "a missing weight",
      (o) => o.weight("absent", [4]),
      ModelError,
      /absent: expected a tensor \[4\], found no such tensor/,
    ],
    [
      "a wrong shape",
      (o) => o.weight("blk.0.q", [16, 17]),
      ModelError,
      /blk\.0\.q: expected \[16, 17\], found \[16, 16\]/,
    ],
    [
      "a wrong input width",
      (o) =>
        o.matmul(
          o.weight("blk.0.q", [16, 16]),
          o.slice(o.embed(o.weight("token_embd.weight", [16, 40])), 0, 8),
        ),
      PlanError,
      /expected an input of width 16, found 8/,
    ],
    [
      "an unaligned slice",
      (o) => o.slice(o.embed(o.weight("token_embd.weight", [16, 40])), 2, 4),
      PlanError,
      /multiple of 4/,
    ],
    [
      "more positions than were learned",
      (o) => o.embedAt(o.weight("token_embd.weight", [16, 40]), "position"),
      OptionError,
      /nCtx: expected at most 40, .*\(token_embd\.weight\), found 64; load it with a smaller context/,
    ],
    [
      "no logits",
      (o) => o.embed(o.weight("token_embd.weight", [16, 40])),
      PlanError,
      /ops\.logits/,
    ],
  ] as [
    string,
    (o: Parameters<typeof forward>[0]) => void,
    new (...a: never[]) => Error,
    RegExp,
  ][])("refuses %s", (_, run, type, message) => {
    expect(() => record(shapes, run)).toThrow(type);
    expect(() => record(shapes, run)).toThrow(message);
  });

  it("sends runs through matrices of their own with one list for all layers", () => {
    const by = { embd: [16, 40], a: [4, 8, 4], b: [8, 4, 4] };
    const { instrs } = record(by, (ops) => {
      const x = ops.embed(ops.weight("embd", [16, 40]));
      const y = ops.matmulByRun(
        ops.weight("b", [8, 4, 4]),
        ops.matmulByRun(ops.weight("a", [4, 8, 4]), x),
      );
      ops.logits(ops.outputRows(y));
    });
    const count = (op: Op) => instrs.filter((i) => i.op === op).length;
    expect([count(Op.eachExpert), count(Op.expertSort), count(Op.expertMatmul)]).toEqual([1, 1, 2]);
  });

  it("multiplies YaRN's factor into the scale at planning", () => {
    const { instrs } = record(shapes, (ops) => {
      const x = ops.embed(ops.weight("token_embd.weight", [16, 40]));
      const cache = ops.kvStore(0, x, x, { nHeadKv: 2, headDimK: 8, headDimV: 8 });
      const yarnScale = { freqScale: 1 / 8, logMultiplier: 0.0707 };
      ops.logits(ops.outputRows(ops.attention(x, { cache, nHead: 2, scale: 0.25, yarnScale })));
    });
    const attention = instrs.find((i) => i.op === Op.attention)!;
    expect(attention.words.get(AttentionWord.scale)).toBe(
      f32Bits(0.25 * (1 + 0.0707 * Math.log(8)) ** 2),
    );
  });

  it.each([
    ["runs that do not divide a row", (o, x) => o.sliceRuns(x, 3, 0, 2), /multiple of 3, found 16/],
    [
      "columns outside a run",
      (o, x) => o.sliceRuns(x, 4, 2, 3),
      /inside runs of 4, found \[2, 5\)/,
    ],
    [
      "factors that do not divide a row",
      (o, x) => o.scaleRuns(x, o.slice(x, 0, 5)),
      /multiple of 5, found 16/,
    ],
    [
      "parts with other rows",
      (o, x) => o.concat([x, o.outputRows(x)]),
      /same rows, found tokens and outputs/,
    ],
    [
      "runs that no matrix fits",
      (o, x) => o.matmulByRun(o.weight("blk.0.q", [16, 16]), o.slice(x, 0, 8)),
      /expected an input of width 1 \* 16, found 8/,
    ],
  ] as [string, (o: Ops, x: Tensor) => Tensor, RegExp][])("refuses %s", (_, run, message) => {
    const forwardWith = (ops: Ops) =>
      void run(ops, ops.embed(ops.weight("token_embd.weight", [16, 40])));
    expect(() => record(shapes, forwardWith)).toThrow(message);
  });

  it("refuses more experts than scratch memory holds", () => {
    const n = 8193;
    const by = { embd: [16, 40], router: [16, n], experts: [16, 4, n] };
    const embed = (ops: Ops) => ops.embed(ops.weight("embd", [16, 40]));
    expect(() =>
      record(by, (ops) => {
        const logits = ops.matmul(ops.weight("router", [16, n]), embed(ops));
        ops.route(logits, { nUsed: 2, gating: "softmax", normalise: true });
      }),
    ).toThrow(/route: expected at most 8192 experts, found 8193/);
    expect(() =>
      record(by, (ops) => {
        const repeated = ops.repeat(embed(ops), n);
        ops.matmulByRun(ops.weight("experts", [16, 4, n]), repeated);
      }),
    ).toThrow(/experts: expected at most 8192 experts, found 8193/);
  });

  it("refuses a matrix type without kernels", () => {
    const run = () =>
      record(shapes, forward, {
        tensor: (name) => ({
          name,
          shape: shapes[name as keyof typeof shapes],
          type: 99,
          typeName: "X_99",
          offset: 0,
        }),
      });
    expect(run).toThrow(/found X_99/);
  });

  it("refuses a quantised cache for heads that are no multiple of 32", () => {
    expect(() => record(shapes, forward, { kType: 8 })).toThrow(/multiple of 32, found 8/);
  });

  it("writes f32 words by their bits", () => {
    expect(f32Bits(1)).toBe(0x3f800000);
    expect(f32Bits(-0.1)).toBe(0xbdcccccd);
  });
});
