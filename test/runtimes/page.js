// Runs inside the browser of browser.test.ts.

import { loadModel } from "/dist/src/index.js";

const MODEL = "/models/embedded/tldr-6m-q4_k_m.gguf";

/** sha256 of all logits of `tokens`, by kernel build. */
export async function hashes(tokens, nCtx) {
  const found = {};
  for (const kernelBuild of [undefined, "dot32", "rel16", "base"]) {
    const model = await loadModel(MODEL, { threads: 2, nCtx, kernelBuild });
    const bytes = await new Blob(await model.logits(tokens)).arrayBuffer();
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    found[kernelBuild ?? "chosen"] = Array.from(digest, (b) => b.toString(16).padStart(2, "0")).join("");
    await model.close();
  }
  return found;
}

/** What loading says. */
export function outcome() {
  return loadModel(MODEL, { threads: 1 }).then(
    () => "loaded",
    (error) => error.message,
  );
}
