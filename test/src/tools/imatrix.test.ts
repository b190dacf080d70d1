// The importance matrix of a text, whatever the model did before. Its bytes: test/src/cli/imatrix.test.ts.

import { afterAll, beforeAll, expect, it } from "vitest";
import type { Model } from "../../../src/index.ts";
import type * as Tools from "../../../src/tools/index.ts";
import { built, EMBEDDED } from "../../built.ts";
import { failureOf } from "../special-models.ts";
import { TEXT } from "./tiny-corpus.ts";

const { collectImatrix, cutChunks } = (await import(
  new URL("../../../dist/src/tools/index.js", import.meta.url).href
)) as typeof Tools;
const N_CTX = 33;
let model: Model;
beforeAll(async () => {
  model = await built.loadModel(EMBEDDED, { calibrate: true, nCtx: N_CTX });
});
afterAll(() => model?.close());

it("holds nothing of what ran before, to its end or not", async () => {
  const chunks = cutChunks(model.tokenize(TEXT), N_CTX, 2),
    collect = (signal?: AbortSignal) => collectImatrix(model, chunks, { dataset: "text", signal });
  const expected = await collect();
  await model.logits([1, 2, 3]);
  expect(await collect()).toEqual(expected);
  const controller = new AbortController();
  const onChunk = () => controller.abort();
  const { signal } = controller;
  const cut = collectImatrix(model, chunks, { dataset: "text", signal, onChunk });
  expect(await failureOf(cut)).toMatchObject({ failure: "cancelled" });
  await model.logits([4]);
  expect(await collect()).toEqual(expected);
});

it("is not collected by a model that sums nothing up", async () => {
  const plain = await built.loadModel(EMBEDDED, { nCtx: N_CTX, inline: true });
  const chunks = cutChunks(plain.tokenize(TEXT), N_CTX, 1);
  expect(await failureOf(collectImatrix(plain, chunks, { dataset: "" }))).toMatchObject({
    name: "OptionError",
    message: "model: expected one loaded with calibrate, found one without",
  });
  await plain.close();
});
