// Where the time of a run goes: executes a model's plan on this thread, one instruction at a time, and sums the time by
// op and by weight type. One thread, so barriers and sharing are not in it.
//   node bench/profile.mjs model.gguf [tokens at once = 1] [position = 64] [rounds = 20] [kernel build]
// Needs the built package (npm run build).

process.stdout.on("error", (error) => {
  if (error.code === "EPIPE") process.exit(0); // the reader has seen enough (| head)
  throw error;
});
const [path, n = "1", position = "64", rounds = "20", kernelBuild] = process.argv.slice(2);
const { loadModel } = await import("../dist/src/index.js");
const { chooseKernels } = await import("../dist/src/kernels/module.js");
const { instantiateKernels } = await import("../dist/src/kernels/instance.js");
const { Flag, Instruction, MatmulWord, Op, RowsKind, StageLimit, Word } =
  await import("../dist/src/memory/abi.generated.js");
const { typeById } = await import("../dist/formats/index.js");

const model = await loadModel(path, {
  threads: 1,
  nCtx: Number(position) + Number(n) + 16,
  nBatch: 512,
  kernelBuild,
});
const session = model.createSession();
const tokens = (count) =>
  Array.from({ length: count }, (_, i) => (300 + ((i * 7) % 1000)) % model.nVocab);
if (Number(position) > 0) await session.evaluate(tokens(Number(position)), { outputs: "none" });
// leaves the batch of these tokens in memory: the profile runs it again
await session.evaluate(tokens(Number(n)));

const { engine } = model;
const { module, build } = await chooseKernels(kernelBuild);
const instances = engine.banks.map((bank) => instantiateKernels(module, bank.memory));
const sums = new Map();
let total = 0,
  count = 0;
// ns of each stage, Infinity where it is not known: those above briefNs are shared by the threads
const stages = [];
for (const { bank, plan, labels } of engine.plan.segments) {
  const words = engine.banks[bank].u32(plan, labels.length * Instruction.words);
  for (let i = 0; i < labels.length; i++) {
    const at = i * Instruction.words,
      flags = words[at + Word.flags],
      cost = flags >>> Flag.costShift || Infinity;
    const kind = words[at + Word.rowsKind],
      rows = { [RowsKind.tokens]: Number(n), [RowsKind.fixed]: words[at + Word.rows] }[kind] ?? 1;
    if (i === 0 || flags & Flag.barrierBefore) stages.push(0);
    stages[stages.length - 1] += cost * rows;
  }
}
const shared = stages.filter((ns) => ns > StageLimit.briefNs).length;
for (let round = 0; round < Number(rounds); round++) {
  for (const { bank: index, plan, labels } of engine.plan.segments) {
    const bank = engine.banks[index],
      exports = instances[index],
      words = bank.u32(plan, labels.length * Instruction.words);
    const counter = bank.scratch; // a word that nothing else uses between runs: counters are the run's own
    for (let i = 0; i < labels.length; i++) {
      const op = words[i * Instruction.words + Word.op];
      let name = Op[op];
      if (op === Op.matmul)
        name += ` ${typeById(words[i * Instruction.words + MatmulWord.type]).name}`;
      bank.u32(counter, 1)[0] = 0;
      const start = performance.now();
      exports.runPlan(
        bank.control,
        bank.batch,
        plan + i * Instruction.bytes,
        1,
        counter,
        bank.scratch + 64,
        0,
        1,
        0,
        0,
      );
      const time = performance.now() - start;
      if (round < Number(rounds) / 4) continue; // warm-up
      const sum = sums.get(name) ?? { time: 0, n: 0 };
      sum.time += time;
      sum.n++;
      sums.set(name, sum);
      total += time;
    }
  }
  if (round >= Number(rounds) / 4) count++;
}
console.log(
  `${path}: ${n} token(s) at position ${position}, ${build}, one thread: ${(total / count).toFixed(3)} ms a run; ` +
    `${stages.length} stages, ${(stages.length / model.hparams.blockCount).toFixed(1)} a layer; ` +
    `threads share ${shared}, ${(shared / model.hparams.blockCount).toFixed(1)} a layer`,
);
for (const [name, { time, n: calls }] of [...sums].sort((a, b) => b[1].time - a[1].time)) {
  console.log(
    `${name.padEnd(16)} ${(time / count).toFixed(3).padStart(9)} ms ${((100 * time) / total).toFixed(1).padStart(6)} %  ${(calls / count).toFixed(0).padStart(5)} instructions`,
  );
}
await model.close();
