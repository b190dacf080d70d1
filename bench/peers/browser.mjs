// A peer's speed in Debian's Chromium, on a cross-origin isolated page (threads need it): one JSON line. Run by compare.mjs.
//   node browser.mjs samebit|wllama model.gguf nPrompt nGenerate threads
// Needs playwright-core of test/runtimes (node test/runtimes/install.mjs) and /usr/bin/chromium.

import { createReadStream, existsSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { resolve } from "node:path";

const [peer, model, ...numbers] = process.argv.slice(2);
const root = resolve(import.meta.dirname, "../.."),
  playwright = resolve(root, "test/runtimes/node_modules/playwright-core/index.mjs");
const TYPES = { js: "text/javascript", mjs: "text/javascript", wasm: "application/wasm", html: "text/html" };
const ISOLATED = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-resource-policy": "same-origin",
};

/** The project's folder, and the model at /model. A bundler would resolve the one bare import; here its path is put in. */
async function serve(request, response) {
  const { pathname } = new URL(request.url, "http://localhost");
  const headers = { ...ISOLATED, "content-type": TYPES[pathname.split(".").at(-1)] ?? "application/octet-stream" };
  if (pathname === "/") return void response.writeHead(200, { ...headers, "content-type": TYPES.html }).end("<title>peers</title>");
  if (pathname === "/model") return sendModel(request, response, headers);
  const path = resolve(root, `.${decodeURIComponent(pathname)}`);
  if (!path.startsWith(root) || !existsSync(path)) return void response.writeHead(404).end();
  let body = await readFile(path);
  if (path.startsWith(`${root}/dist`) && path.endsWith(".js"))
    body = body.toString().replaceAll('"@assemblyscript/loader"', '"/node_modules/@assemblyscript/loader/index.js"');
  response.writeHead(200, headers).end(body);
}

function sendModel(request, response, headers) {
  const { size } = statSync(model),
    range = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? "");
  const [start, end] = range ? [Number(range[1]), Number(range[2])] : [0, size - 1];
  const more = range ? { "content-range": `bytes ${start}-${end}/${size}` } : {};
  response.writeHead(range ? 206 : 200, { ...headers, ...more, "content-length": end - start + 1 });
  if (request.method === "HEAD") response.end();
  else createReadStream(model, { start, end, highWaterMark: 1 << 20 }).pipe(response);
}

const server = createServer((request, response) =>
  serve(request, response).catch(() => response.writeHead(500).end()),
);
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const { chromium } = await import(playwright);
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
try {
  const page = await browser.newPage();
  await page.goto(`http://localhost:${server.address().port}/`);
  const call = `import("/bench/peers/page.js").then((page) => page.${peer}(${numbers.map(Number).join(", ")}))`;
  console.log(JSON.stringify(await page.evaluate(call)));
} finally {
  await browser.close();
  server.close();
}
