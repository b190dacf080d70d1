// Hashes of all logits of some models under some options, as JSON lines. Plain JavaScript over the built package, so
// that Node, Deno and Bun on any processor can run it:
//   node test/golden/check.mjs '{"cases":[{"name":"embedded","path":"...","tokens":[1,2],"nCtx":64}],"variants":[{"threads":2}]}'

import { createHash } from "node:crypto";

const { cases, variants } = JSON.parse(process.argv[2]);
const { loadModel } = await import(new URL("../../dist/src/index.js", import.meta.url).href);
const { unicodeFingerprint } = await import(
  new URL("../../dist/src/tokenizer/index.js", import.meta.url).href
);
const { platform } = await import(
  new URL("../../dist/src/platform/index.js", import.meta.url).href
);

for (const { name, path, tokens, nCtx } of cases) {
  for (const variant of variants) {
    const model = await loadModel(path, { nCtx, ...variant });
    const hash = createHash("sha256");
    for (const row of await model.logits(tokens))
      hash.update(new Uint8Array(row.buffer, row.byteOffset, row.byteLength));
    console.log(
      JSON.stringify({
        name,
        variant,
        kernelBuild: model.kernelBuild,
        banks: model.nBanks,
        sha256: hash.digest("hex"),
      }),
    );
    await model.close();
  }
}
console.log(
  JSON.stringify({
    name: "runtime",
    runtime: platform.runtime,
    arch: process.arch,
    unicode: unicodeFingerprint(),
  }),
);
process.exit(0);
