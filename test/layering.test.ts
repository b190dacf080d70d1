// Imports go one way. Each layer may import itself and the layers named after it; no file takes part in a cycle.

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "..");

/** layer -> layers it may import. A layer is a folder or a file of src. */
const ALLOWED: Record<string, readonly string[]> = {
  formats: [],
  models: ["formats"],
  assembly: [],
  "src/errors": [],
  "src/cancellation": ["src/errors"],
  "src/memory": ["src/errors"],
  "src/platform": ["formats", "src/errors"],
  "src/kernels": ["src/memory", "src/platform", "src/errors"],
  "src/row-chunks": ["src/errors"],
  "src/fill": ["formats", "src/row-chunks", "src/scales", "src/kernels", "src/platform"],
  "src/threads": [
    "src/fill",
    "src/kernels",
    "src/memory",
    "src/platform",
    "src/cancellation",
    "src/errors",
  ],
  "src/plan": ["models", "src/threads", "src/kernels", "src/memory", "src/errors"],
  "src/tokenizer": ["formats"],
  "src/sampling": [],
  "src/interleaved": ["formats", "src/memory"],
  "src/scales": ["formats", "src/interleaved"],
  "src/repack": ["src/fill", "src/threads", "src/memory"],
  "src/stage": [
    "formats",
    "src/interleaved",
    "src/scales",
    "src/row-chunks",
    "src/repack",
    "src/memory",
    "src/errors",
  ],
  "src/weights": [
    "formats",
    "src/interleaved",
    "src/stage",
    "src/row-chunks",
    "src/fill",
    "src/repack",
    "src/kernels",
    "src/memory",
    "src/platform",
    "src/cancellation",
    "src/errors",
  ],
  "src/kv-cache": ["src/memory", "src/errors"],
  "src/batch": ["src/kv-cache", "src/memory"],
  "src/calibration": ["src/plan", "src/memory"],
  "src/place": [
    "formats",
    "models",
    "src/interleaved",
    "src/plan",
    "src/kv-cache",
    "src/memory",
    "src/repack",
    "src/errors",
  ],
  "src/engine-options": ["src/weights", "src/kernels", "src/platform", "src/errors"],
  "src/runs": ["models", "src/place", "src/threads", "src/memory", "src/errors"],
  "src/engine": [
    "formats",
    "models",
    "src/runs",
    "src/place",
    "src/batch",
    "src/calibration",
    "src/engine-options",
    "src/plan",
    "src/threads",
    "src/kernels",
    "src/memory",
    "src/weights",
    "src/repack",
    "src/kv-cache",
    "src/errors",
  ],
  "src/session": ["src/engine", "src/kv-cache", "src/errors"],
  "src/rerank": ["src/tokenizer"],
  "src/generate": ["src/session", "src/sampling", "src/tokenizer", "src/errors"],
  "src/chat": ["formats", "src/tokenizer", "src/errors"],
  "src/chat-answer": ["src/chat", "src/generate", "src/errors"],
  "src/model-source": ["formats", "src/platform", "src/cancellation", "src/errors"],
  "src/model": [
    "formats",
    "models",
    "src/model-source",
    "src/chat",
    "src/chat-answer",
    "src/generate",
    "src/rerank",
    "src/session",
    "src/engine",
    "src/sampling",
    "src/tokenizer",
    "src/kernels",
    "src/cancellation",
    "src/errors",
  ],
  "src/quantize": [
    "formats",
    "src/engine-options",
    "src/weights",
    "src/threads",
    "src/kernels",
    "src/memory",
    "src/errors",
  ],
  "src/quants": [
    "formats",
    "src/interleaved",
    "src/quantize",
    "src/weights",
    "src/kernels",
    "src/errors",
  ],
  "src/index": [
    "formats",
    "models",
    "src/chat",
    "src/chat-answer",
    "src/model",
    "src/model-source",
    "src/generate",
    "src/session",
    "src/engine",
    "src/kernels",
    "src/sampling",
    "src/tokenizer",
    "src/errors",
  ],
  "src/single-file": ["src/index", "src/platform"],
  "src/tools": [
    "formats",
    "src/quantize",
    "src/quants",
    "src/kernels",
    "src/index",
    "src/model",
    "src/session",
    "src/engine",
    "src/tokenizer",
    "src/sampling",
    "src/platform",
    "src/errors",
  ],
  "src/cli": [
    "formats",
    "src/quantize",
    "src/tools",
    "src/index",
    "src/model",
    "src/tokenizer",
    "src/sampling",
    "src/platform",
    "src/errors",
  ],
};

function files(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((e) => e.isFile() && e.name.endsWith(".ts"))
    .map((e) => relative(root, join(e.parentPath ?? e.path, e.name)));
}

function layerOf(file: string): string {
  const [top, second] = file.split("/");
  return top === "src" ? `src/${second.replace(/\.ts$/, "")}` : top;
}

const textOf = (file: string) => readFileSync(join(root, file), "utf8");

/** Relative imports of a file, as paths from the root. */
function imports(file: string, text = textOf(file)): string[] {
  const found = text.matchAll(
    /(?:^|\n)\s*(?:import|export)[^"';]*?from\s*"(\.[^"]+)"|import\(\s*"(\.[^"]+)"\s*\)|(?:^|\n)import\s+"(\.[^"]+)"/g,
  );
  return [...found].map((m) => {
    const target = relative(root, resolve(root, dirname(file), m[1] ?? m[2] ?? m[3]));
    return target.endsWith(".ts") ? target : `${target}.ts`;
  });
}

const all = ["formats", "models", "assembly", "src"].flatMap(files);

describe("layering", () => {
  it("sees the project's files", () => {
    expect(all.length).toBeGreaterThan(40);
    expect(imports("src/model.ts")).toContain("src/engine.ts");
  });

  it.each(all)("%s imports only what its layer may", (file) => {
    const layer = layerOf(file),
      allowed = ALLOWED[layer];
    expect(allowed, `${file}: no rule for layer ${layer}`).toBeDefined();
    const wrong = imports(file).filter(
      (target) => layerOf(target) !== layer && !allowed.includes(layerOf(target)),
    );
    expect(wrong).toEqual([]);
  });

  // a bundler that finds the worker's own URL in the worker goes round in circles (Turbopack never ends)
  it("names no file by URL in the worker's code", () => {
    const seen = new Set<string>();
    const visit = (file: string): void => {
      if (seen.has(file)) return;
      seen.add(file);
      const code = textOf(file).replace(/(?:^|\n)(?:import|export) type [^;]*;/g, "");
      expect(code, file).not.toContain("import.meta");
      imports(file, code).forEach(visit);
    };
    visit("src/threads/worker.ts");
    expect([...seen]).toContain("src/platform/node.ts");
  });

  it("has no cycles", () => {
    const cycles: string[] = [],
      state = new Map<string, "open" | "done">();
    const visit = (file: string, path: string[]) => {
      if (state.get(file) === "done") return;
      if (state.get(file) === "open")
        return void cycles.push([...path.slice(path.indexOf(file)), file].join(" -> "));
      state.set(file, "open");
      for (const target of imports(file)) if (all.includes(target)) visit(target, [...path, file]);
      state.set(file, "done");
    };
    for (const file of all) visit(file, []);
    expect(cycles).toEqual([]);
  });

  it("keeps Node's modules inside src/platform and src/cli", () => {
    const wrong = all.filter(
      (file) =>
        !/^src\/(platform|cli)\//.test(file) &&
        /from "node:/.test(readFileSync(join(root, file), "utf8")),
    );
    expect(wrong).toEqual([]);
  });

  it("keeps engine-dependent maths out of what reaches a result", () => {
    const forbidden =
      /Math\.(exp|expm1|log|log2|log10|log1p|pow|sin|cos|tan|tanh|sinh|cosh|atan|atan2|cbrt|hypot)\(/;
    const wrong = all.filter(
      (file) =>
        !file.startsWith("src/cli/") &&
        !file.startsWith("assembly/") &&
        forbidden.test(stripComments(readFileSync(join(root, file), "utf8"))),
    );
    expect(wrong).toEqual([]);
  });

  it("keeps engine-dependent text functions out of the tokenizers", () => {
    const forbidden =
      /\\p\{|\.toLowerCase\(|\.toUpperCase\(|\.normalize\(|\bIntl\b|\.localeCompare\(/;
    const wrong = all.filter(
      (file) =>
        file.startsWith("src/tokenizer/") &&
        forbidden.test(stripComments(readFileSync(join(root, file), "utf8"))),
    );
    expect(wrong).toEqual([]);
  });
});

/** Code alone; upper-casing hexadecimal digits is the same everywhere. */
function stripComments(text: string): string {
  return text
    .replaceAll(".toString(16).toUpperCase()", "")
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/\/\/.*$/gm, "");
}
