// llama.cpp's native speed on one model, through node-llama-cpp: one JSON line. Run by compare.mjs.
//   node native.mjs model.gguf nPrompt nGenerate threads
const [path, nPrompt, nGenerate, threads] = process.argv.slice(2);
const { getLlama, LlamaLogLevel } = await import("node-llama-cpp");
const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error, maxThreads: Number(threads) });
const model = await llama.loadModel({ modelPath: path, gpuLayers: 0 });
const contextSize = Math.max(1024, Number(nPrompt) + 64);
const context = await model.createContext({ contextSize, batchSize: 512, threads: { ideal: Number(threads), min: Number(threads) }, sequences: 1, flashAttention: true });
const sequence = context.getSequence();
const tokens = (n) => Array.from({ length: n }, (_, i) => 300 + ((i * 7) % 1000));

async function prompt() {
  await sequence.clearHistory();
  const start = performance.now();
  await sequence.evaluateWithoutGeneratingNewTokens(tokens(Number(nPrompt)));
  return Number(nPrompt) / ((performance.now() - start) / 1000);
}
async function generate() {
  await sequence.clearHistory();
  const wanted = Number(nGenerate);
  let n = 0, start = 0;
  for await (const _ of sequence.evaluate([1, 300], { temperature: 0, yieldEogToken: true })) {
    if (n === 0) start = performance.now();
    if (n++ === wanted) break;
  }
  return wanted / ((performance.now() - start) / 1000);
}
await prompt();
await generate();
// which of its backends llama.cpp chose
const features = ["AMX_INT8", "AVX512", "AVX2"].filter((name) => llama.systemInfo.includes(`${name} = 1`));
console.log(JSON.stringify({ pp: await prompt(), tg: await generate(), build: features[0] ?? "" }));
await llama.dispose();
process.exit(0);
