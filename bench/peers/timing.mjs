// How samebit is timed, under Node, Deno, Bun (samebit.mjs) and in a page (page.js): tokens per second of a prompt and of
// single tokens, each after a warm-up of the same length.

/** Ids that every model has. */
const tokens = (n) => Array.from({ length: n }, (_, i) => 300 + ((i * 7) % 1000));

/** { pp, tg, build } of a model that was loaded with a context for both. */
export async function timeModel(model, nPrompt, nGenerate) {
  const session = model.createSession();
  const prompt = async () => {
    session.truncate(0);
    const start = performance.now();
    await session.evaluate(tokens(nPrompt));
    return nPrompt / ((performance.now() - start) / 1000);
  };
  const generate = async () => {
    session.truncate(0);
    await session.evaluate([1, 300]);
    const start = performance.now();
    for (let i = 0; i < nGenerate; i++) await session.evaluate([300 + i]);
    return nGenerate / ((performance.now() - start) / 1000);
  };
  await prompt();
  await generate();
  return { pp: await prompt(), tg: await generate(), build: model.kernelBuild };
}
