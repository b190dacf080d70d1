// The public API, used as a caller would: read, change, write, read. And the layer's promise to stand alone.
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import * as gguf from "../../formats/index.ts";
import { fixture, memorySink } from "./fixtures.ts";

describe("samebit/gguf", () => {
  it("copies a model with another name", async () => {
    const model = await gguf.readGguf(fixture("llama-q4_0.gguf"));
    const renamed = gguf.applyOverrides(model, gguf.parseOverrides("general.name=str:another"));
    const sink = memorySink();
    await gguf.writeGguf(sink, gguf.contentsOf(renamed));
    const copy = await gguf.readGguf(gguf.bytesSource("copy.gguf", sink.file()));
    expect(copy.metadata.getString("general.name")).toBe("another");
    expect(copy.metadata.size).toBe(model.metadata.size);
    for (const [name, tensor] of model.tensors) {
      const same = await gguf.readTensor(copy, copy.tensors.get(name)!);
      expect(Buffer.compare(same, await gguf.readTensor(model, tensor))).toBe(0);
    }
    await gguf.closeGguf(copy);
  });

  it("imports nothing outside the layer", () => {
    const folder = fileURLToPath(new URL("../../formats/", import.meta.url));
    const imports = readdirSync(folder).flatMap((file) =>
      [...readFileSync(folder + file, "utf8").matchAll(/\b(?:from|import)\s*\(?"([^"]+)"/g)].map(
        (m) => m[1],
      ),
    );
    expect(imports.length).toBeGreaterThan(20);
    expect(imports.filter((path) => !/^\.\/[a-z0-9-]+\.ts$/.test(path))).toEqual([]);
  });
});
