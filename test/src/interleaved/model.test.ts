// A model whose matrices are interleaved gives the bits of the same model without.

import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { bytesSource, contentsOf, readGguf, readTensor } from "../../../formats/index.ts";
import { type Sink, tensorBytes, typeByName, writeGguf } from "../../../formats/index.ts";
import { built } from "../../built.ts";
import { bitsOf, LLAMA, someTokens } from "../special-models.ts";

/** Rows of Q4_0 as Q4_0_R8, written from the drawing: d[8], then code byte 32 (a % 4) + 4k + i of row k, quad a of 16. */
function interleaveQ4_0(rows: Uint8Array, k: number): Uint8Array {
  const raw = (k / 32) * 18,
    out = new Uint8Array(rows.length);
  for (let i = 0; i < rows.length; i++) {
    const row = Math.floor(i / raw),
      block = Math.floor((i % raw) / 18),
      byte = (i % raw) % 18;
    const lane = row % 8,
      bundle = (row - lane) * raw,
      e = byte - 2;
    const within = byte < 2 ? 2 * lane + byte : 16 + 32 * (e >> 2) + 4 * lane + (e & 3);
    out[bundle + block * 8 * 18 + within] = rows[i]!;
  }
  return out;
}

it("Q4_0_R8 gives the logits of Q4_0", async () => {
  const gguf = await readGguf(bytesSource(LLAMA, readFileSync(LLAMA))),
    r8 = typeByName("Q4_0_R8");
  const tensors = [];
  for (const { name, shape, type, ...info } of gguf.tensors.values()) {
    const data = await readTensor(gguf, { name, shape, type, ...info });
    const fits = type.name === "Q4_0" && shape.length === 2 && shape[1]! % 8 === 0;
    if (fits) expect(tensorBytes(r8, shape)).toBe(data.length);
    tensors.push({
      name,
      shape,
      type: fits ? r8 : type,
      data: fits ? interleaveQ4_0(data, shape[0]!) : data,
    });
  }
  expect(tensors.filter((t) => t.type === r8).length).toBeGreaterThan(10);
  const parts: Uint8Array[] = [];
  const sink: Sink = { write: (bytes) => void parts.push(Uint8Array.from(bytes)) };
  await writeGguf(sink, { metadata: contentsOf(gguf).metadata, tensors });

  const tokens = someTokens(9, 320);
  for (const weights of ["compact", "f32"] as const) {
    const [plain, interleaved] = await Promise.all(
      [LLAMA, Buffer.concat(parts)].map(async (source) => {
        await using model = await built.loadModel(source, { nCtx: 32, threads: 2, weights });
        return bitsOf(await model.logits(tokens));
      }),
    );
    expect(interleaved).toEqual(plain);
  }
});
