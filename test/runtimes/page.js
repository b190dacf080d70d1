// Runs inside the browser of browser.test.ts, in a page or in a worker of one.

import { loadModel } from "/dist/src/index.js";
import { unicodeFingerprint } from "/dist/src/tokenizer/index.js";

const MODEL = "/models/embedded/tldr-6m-q4_k_m.gguf";

/**
 * Who computes, and sha256 of all logits of `tokens` by kernel build. blob: read the model from a Blob; worker: do all of it in
 * a worker.
 */
export async function hashes(tokens, nCtx, { blob, worker, ...options }) {
  if (worker) return inWorker([tokens, nCtx, { blob, ...options }]);
  const source = blob ? await (await fetch(MODEL)).blob() : MODEL;
  const found = { hashes: {} };
  for (const kernelBuild of [undefined, "dot32", "rel16", "base"]) {
    const model = await loadModel(source, { nCtx, kernelBuild, ...options });
    const bytes = await new Blob(await model.logits(tokens)).arrayBuffer();
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    found.hashes[kernelBuild ?? "chosen"] = Array.from(digest, (b) => b.toString(16).padStart(2, "0")).join("");
    [found.inline, found.threads] = [model.inline, model.threads];
    await model.close();
  }
  return found;
}

function inWorker(message) {
  const worker = new Worker("/test/runtimes/page.js", { type: "module" });
  return new Promise((resolve, reject) => {
    worker.onerror = (event) => reject(new Error(event.message));
    worker.onmessage = ({ data }) => (data === "listening" ? worker.postMessage(message) : resolve(data));
  }).finally(() => worker.terminate());
}

if (typeof document === "undefined") {
  globalThis.onmessage = async ({ data }) => postMessage(await hashes(...data));
  postMessage("listening");
}

/** How often the page is drawn while half a second's work is done. */
export async function framesMeanwhile() {
  const model = await loadModel(MODEL, { nCtx: 512 });
  let frames = 0, done = false;
  const frame = () => {
    frames++;
    if (!done) requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  for (const end = performance.now() + 500; performance.now() < end;)
    await model.generate("# git", { maxTokens: 100, ignoreEos: true, seed: 1 }).text();
  done = true;
  await model.close();
  return frames;
}

/** Of the Unicode tables over all code points. */
export const unicode = () => unicodeFingerprint();

/** What loading says. */
export function outcome(options) {
  return loadModel(MODEL, options).then(
    () => "loaded",
    (error) => error.message,
  );
}
