// samebit/tools as a program uses it: quantise a model, measure it.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { closeGguf, writeGguf } from "../../../formats/index.ts";
import { type Model, openGguf } from "../../../src/index.ts";
import type * as Quants from "../../../src/quants.ts";
import type * as Tools from "../../../src/tools/index.ts";
import { built, EMBEDDED } from "../../built.ts";
import { root } from "../cli/command.ts";
import { TEXT } from "./tiny-corpus.ts";

const folder = mkdtempSync(join(tmpdir(), "samebit-tools-"));
afterAll(() => rmSync(folder, { recursive: true }));

it("quantises a model and measures it", async () => {
  // by the names that package.json gives them
  const { exports } = JSON.parse(readFileSync(`${root}package.json`, "utf8"));
  const tools = (await import(join(root, exports["./tools"].default))) as typeof Tools;
  const quants = (await import(join(root, exports["./quants"].default))) as typeof Quants;

  const ftype = tools.ftypeCalled("Q2_K"),
    gguf = await openGguf(EMBEDDED),
    pieces: Uint8Array[] = [];
  await using quantizer = await quants.openQuantizer({ threads: 2 });
  const plan = tools.planQuantization(gguf, await tools.quantizerTypes(), {
    ftype,
    allowRequantize: true,
  });
  const [contents] = tools.quantizedContents(gguf, plan, quantizer, { ftype: ftype.number });
  await writeGguf({ write: (piece) => void pieces.push(piece.slice()) }, contents);
  await closeGguf(gguf);
  const path = join(folder, "small.gguf");
  writeFileSync(path, Buffer.concat(pieces));

  const perplexities: number[] = [];
  for (const file of [EMBEDDED, path]) {
    await using model = (await built.loadModel(file, { nCtx: 48 })) as unknown as Model;
    const chunks = tools.cutChunks(model.tokenize(TEXT), 48);
    perplexities.push((await tools.measurePerplexity(model, chunks)).perplexity.value);
  }
  expect(Buffer.concat(pieces).length).toBeLessThan(0.8 * readFileSync(EMBEDDED).length);
  expect(perplexities[1] / perplexities[0]).toBeGreaterThan(1);
  expect(perplexities[1] / perplexities[0]).toBeLessThan(1.5);
});
