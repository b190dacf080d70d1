// The project's pages against its files: every link leads to a file, and every path that a page names exists.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "..");

function pages(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory())
      return /^(\.git|node_modules|dist|build)$/.test(entry.name) ? [] : pages(path);
    return entry.isFile() && path.endsWith(".md") ? [path] : [];
  });
}

describe.each(pages("."))("%s", (page) => {
  const text = readFileSync(join(root, page), "utf8");
  const here = join(root, dirname(page));

  it("links to what exists", () => {
    const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target);
    const files = targets.filter((t) => !/^(https?:|#)/.test(t)).map((t) => t.replace(/#.*/, ""));
    expect(files.filter((file) => !existsSync(join(here, file)))).toEqual([]);
  });

  it("names files that exist", () => {
    const named = [...text.matchAll(/(?<![\w./-])([\w.-]+\/[\w./-]*\.(?:ts|mjs|json|md|c))\b/g)];
    const missing = named
      .map(([, path]) => path)
      // what is beside a checkout is not everywhere
      .filter((path) => !path.startsWith("../shared/"))
      .filter((path) => !existsSync(join(here, path)) && !existsSync(join(root, path)));
    expect(missing).toEqual([]);
  });
});
