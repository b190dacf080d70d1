// samebit's speed on one model: one JSON line. Run by compare.mjs under any runtime.
//   node samebit.mjs model.gguf nPrompt nGenerate threads
const [path, nPrompt, nGenerate, threads] = process.argv.slice(2);
const { loadModel } = await import(new URL("../../dist/src/index.js", import.meta.url).href);
const model = await loadModel(path, { threads: Number(threads), nCtx: 1024 });
const session = model.createSession();
const tokens = (n) => Array.from({ length: n }, (_, i) => 300 + ((i * 7) % 1000));

async function prompt() {
  session.truncate(0);
  const start = performance.now();
  await session.evaluate(tokens(Number(nPrompt)));
  return Number(nPrompt) / ((performance.now() - start) / 1000);
}
async function generate() {
  session.truncate(0);
  await session.evaluate([1, 300]);
  const start = performance.now();
  for (let i = 0; i < Number(nGenerate); i++) await session.evaluate([300 + i]);
  return Number(nGenerate) / ((performance.now() - start) / 1000);
}
await prompt();
await generate();
console.log(JSON.stringify({ pp: await prompt(), tg: await generate(), build: model.kernelBuild }));
await model.close();
process.exit(0);
