// samebit's speed on one model: one JSON line. Run by compare.mjs under any runtime.
//   node samebit.mjs compact|fast model.gguf nPrompt nGenerate threads
import { timeModel } from "./timing.mjs";

const [weights, path, nPrompt, nGenerate, threads] = process.argv.slice(2);
const { loadModel } = await import(new URL("../../dist/src/index.js", import.meta.url).href);
const nCtx = Math.max(1024, Number(nPrompt) + 64);
const model = await loadModel(path, { threads: Number(threads), nCtx, weights });
console.log(JSON.stringify(await timeModel(model, Number(nPrompt), Number(nGenerate))));
await model.close();
process.exit(0);
