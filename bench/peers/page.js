// Runs inside Chromium (browser.mjs): samebit and wllama on the model that the server has at /model.

import { timeModel } from "./timing.mjs";

export async function samebit(nPrompt, nGenerate, threads) {
  const { loadModel } = await import("/dist/src/index.js");
  const model = await loadModel(new URL("/model", location.href), { threads, nCtx: 1024 });
  return timeModel(model, nPrompt, nGenerate);
}

/** wllama 3 is llama.cpp's server in WebAssembly: it takes text, times itself, and tells with every completion. */
export async function wllama(nPrompt, nGenerate, threads) {
  const folder = "/bench/peers/node_modules/@wllama/wllama/esm";
  const { Wllama } = await import(`${folder}/index.js`);
  const peer = new Wllama({ default: `${folder}/wasm/wllama.wasm` }, { suppressNativeLog: true });
  await peer.loadModel([await (await fetch("/model")).blob()], {
    n_ctx: 1024,
    n_threads: threads,
    n_gpu_layers: 0,
    n_parallel: 1,
    n_batch: 512,
  });
  const complete = async (letters, n) => {
    const { timings } = await peer.createCompletion({
      prompt: "a".repeat(letters),
      max_tokens: n,
      temperature: 0,
      ignore_eos: true,
      cache_prompt: false,
    });
    return timings;
  };
  // a letter is a token in the synthetic models; the tokenizer adds a few of its own
  const added = (await complete(1, 1)).prompt_n - 1;
  const measure = async () => {
    const { prompt_n, prompt_per_second } = await complete(nPrompt - added, 1);
    const { predicted_n, predicted_per_second } = await complete(1, nGenerate);
    if (prompt_n !== nPrompt || predicted_n !== nGenerate) {
      throw new Error(
        `wllama: expected ${nPrompt} and ${nGenerate} tokens, found ${prompt_n} and ${predicted_n}; ` +
          "give it a model of bench/synthetic.mjs",
      );
    }
    return { pp: prompt_per_second, tg: predicted_per_second };
  };
  await measure();
  return { ...(await measure()), build: `${peer.getNumThreads()} threads` };
}
