// What the command needs of its own package: the version and the model that ships with it.

import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The folder of package.json: three levels up from dist/src/cli, two from src/cli. */
function packageRoot(): URL {
  const here = import.meta.url;
  const roots = ["../../../", "../../"].map((up) => new URL(up, here));
  return roots.find((root) => existsSync(new URL("package.json", root))) ?? roots[0];
}

export function packageVersion(): string {
  const text = readFileSync(new URL("package.json", packageRoot()), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

/** Path of the embedded model, the default of -m. */
export function embeddedModel(): string {
  return fileURLToPath(new URL("models/embedded/tldr-6m-q4_k_m.gguf", packageRoot()));
}
