// Megabytes of text a second that the tokenizers encode and decode, by CPU time (one thread), so that other work on the
// machine counts little. Every round begins with a new tokenizer: words that it remembers are of this text.
//   node bench/tokenizers.mjs TEXT VOCABULARY.gguf... [--rounds N = 5]
// Needs the built package (npm run build).

import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  options: { rounds: { type: "string", default: "5" } },
  allowPositionals: true,
});
const [file, ...vocabularies] = positionals;
const { bytesSource, readGguf } = await import("../dist/formats/index.js");
const { createTokenizer } = await import("../dist/src/tokenizer/index.js");

const bytes = readFileSync(file);
const text = bytes.toString("utf8");
const megabytes = bytes.length / 1e6;

function seconds(run) {
  const start = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1e6;
}

const median = (list) => list.sort((a, b) => a - b)[list.length >> 1];

console.log(`${basename(file)}, ${megabytes.toFixed(2)} MB, node ${process.version}`);
for (const path of vocabularies) {
  const gguf = await readGguf(bytesSource(path, readFileSync(path)));
  const encode = [],
    decode = [];
  let tokens;
  for (let round = 0; round < Number(values.rounds); round++) {
    const tokenizer = createTokenizer(gguf);
    encode.push(seconds(() => (tokens = tokenizer.encode(text))));
    decode.push(seconds(() => tokenizer.decode(tokens)));
  }
  const rate = (list) => (megabytes / median(list)).toFixed(1).padStart(6);
  console.log(
    `${basename(path).padEnd(36)} encode ${rate(encode)} MB/s, decode ${rate(decode)} MB/s, ` +
      `${(bytes.length / tokens.length).toFixed(2)} bytes a token`,
  );
}
