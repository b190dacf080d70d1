// samebit inside other people's programs: taken by require(), bundled for pages, made one file with kernels and worker inside. The
// same hash everywhere.

import { execFile } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { type InputOptions, type OutputOptions, rolldown } from "rolldown";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { build } from "vite";
import { EMBEDDED } from "../built.ts";
import { EMBEDDED_CASE, readGolden } from "../golden/cases.ts";
import { hasChromium, ISOLATION, launchChromium, serveFolder } from "./browsers.ts";

const root = resolve(import.meta.dirname, "../.."), modules = resolve(import.meta.dirname, "node_modules");
const { tokens, nCtx } = EMBEDDED_CASE, golden = readGolden().models.embedded;
const execute = promisify(execFile);
/** Nothing outlives its test. */
const run = (command: string, args: readonly string[], options = {}) => execute(command, args, { timeout: 110_000, killSignal: "SIGKILL", ...options });

/** A project of somebody's who has installed samebit. The temporary folder has no other modules. */
const folder = mkdtempSync(join(tmpdir(), "samebit-bundled-"));
const path = (name: string) => join(folder, name);
beforeAll(() => {
  writeFileSync(path("package.json"), '{ "name": "theirs" }');
  mkdirSync(path("node_modules"));
  symlinkSync(root, path("node_modules/samebit"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Makes one script of a file of theirs and of all that it imports. */
async function bundle(name: string, into: string, format: OutputOptions["format"], options: InputOptions): Promise<void> {
  const bundled = await rolldown({ input: path(name), cwd: folder, ...options });
  await bundled.write({ file: into, format, codeSplitting: false, minify: true });
  await bundled.close();
}

/** Code that hashes the logits of `model`, an expression, as test/golden does: by two threads where there can be. */
const hashing = (model: string) => `async function hash() {
  const model = await loadModel(${model}, { nCtx: ${nCtx}, threads: globalThis.crossOriginIsolated === false ? 1 : 2 });
  const bytes = await new Blob(await model.logits(${JSON.stringify(tokens)})).arrayBuffer();
  const digest = Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)), (b) => b.toString(16).padStart(2, "0")).join("");
  const { inline, threads } = model;
  await model.close();
  return { inline, threads, digest };
}`;
const expected = { inline: false, threads: 2, digest: golden };

describe("require", () => {
  it("takes the package from CommonJS", async () => {
    writeFileSync(path("main.cjs"), `const { loadModel } = require("samebit"); ${hashing(JSON.stringify(EMBEDDED))}; hash().then((found) => console.log(JSON.stringify(found)));`);
    expect(JSON.parse((await run(process.execPath, [path("main.cjs")])).stdout)).toEqual(expected);
  });

  it("takes its other entries", async () => {
    const names = ["samebit/single-file", "samebit/gguf", "samebit/quants", "samebit/tools"];
    writeFileSync(path("all.cjs"), names.map((name) => `console.log(typeof require("${name}"));`).join(""));
    expect((await run(process.execPath, [path("all.cjs")])).stdout).toBe("object\n".repeat(names.length));
  });
});

describe("one file", () => {
  /** Alone in a folder: whatever it needs is inside. */
  const alone = mkdtempSync(join(tmpdir(), "samebit-alone-"));
  const program = join(alone, "program.mjs");
  afterAll(() => rmSync(alone, { recursive: true }));
  beforeAll(async () => {
    writeFileSync(path("single.mjs"), `import { loadModel } from "samebit/single-file"; ${hashing("process.argv.at(-1)")}; hash().then((found) => console.log(JSON.stringify(found)));`);
    await bundle("single.mjs", program, "esm", { platform: "node" });
    await bundle("single.mjs", join(alone, "program.cjs"), "cjs", { platform: "node" });
  });

  for (const [name, command, ...args] of [
    ["node", process.execPath, program],
    ["node, as CommonJS", process.execPath, join(alone, "program.cjs")],
    ["node 24", `${modules}/node24/bin/node`, program],
    ["deno", `${modules}/deno/deno`, "run", "-A", program],
    ["bun", `${modules}/bun/bin/bun`, program],
  ]) {
    if (!existsSync(command)) console.warn(`SKIPPED: ${name} is absent; run node test/runtimes/install.mjs`);
    it.skipIf(!existsSync(command))(`gives the committed hash in ${name}`, async () => {
      const { stdout } = await run(command, [...args, EMBEDDED], { cwd: alone });
      expect(JSON.parse(stdout)).toEqual(expected);
    });
  }

  it("is what the error says where a bundler has left the kernels behind", async () => {
    writeFileSync(path("files.mjs"), `import { loadModel } from "samebit"; loadModel(process.argv.at(-1)).catch((error) => console.log(error.name, error.message));`);
    await bundle("files.mjs", join(alone, "files.mjs"), "esm", { platform: "node" });
    const { stdout } = await run(process.execPath, [join(alone, "files.mjs"), EMBEDDED], { cwd: alone });
    expect(stdout).toMatch(/^SamebitError file:.*: expected the kernels, found ENOENT.*; serve dist\/kernels, or import samebit\/single-file/);
  });

  const bun = `${modules}/bun/bin/bun`;
  it.skipIf(!existsSync(bun))("gives the committed hash as a program by `bun build --compile`", async () => {
    await run(bun, ["build", "--compile", path("single.mjs"), "--outfile", join(alone, "compiled")], { cwd: folder });
    const { stdout } = await run(join(alone, "compiled"), [EMBEDDED], { cwd: alone });
    expect(JSON.parse(stdout)).toEqual(expected);
  });
});

describe.skipIf(!hasChromium)("pages", () => {
  const pages = path("pages"), servers: Server[] = [];
  let browser: Awaited<ReturnType<typeof launchChromium>>, isolated = "", plain = "";
  beforeAll(async () => {
    // by Vite: a script of the page's, and one that does all in a worker of its own
    writeFileSync(path("page.js"), `import { loadModel } from "samebit"; ${hashing("'/model.gguf'")}; window.found = hash();`);
    writeFileSync(path("own.js"), `import { loadModel } from "samebit"; ${hashing("'/model.gguf'")}; hash().then(postMessage, (error) => postMessage(String(error)));`);
    writeFileSync(path("worker.js"), `const worker = new Worker(new URL("./own.js", import.meta.url), { type: "module" });
      window.found = new Promise((resolve, reject) => { worker.onmessage = ({ data }) => resolve(data); worker.onerror = reject; });`);
    for (const name of ["page", "worker"]) writeFileSync(path(`${name}.html`), `<!doctype html><title>${name}</title><script type="module" src="./${name}.js"></script>`);
    await build({ root: folder, logLevel: "error", build: { outDir: pages, rollupOptions: { input: [path("page.html"), path("worker.html")] } } });
    // one script that is no module, as older pages have it
    writeFileSync(path("classic.js"), `import { loadModel } from "samebit/single-file"; ${hashing("'/model.gguf'")}; window.found = hash();`);
    await bundle("classic.js", join(pages, "classic.js"), "iife", { platform: "browser", transform: { define: { "import.meta.url": "undefined" } } });
    for (const [name, head] of [["classic", '<meta charset="utf-8">'], ["unsaid", ""]]) writeFileSync(join(pages, `${name}.html`), `<!doctype html>${head}<title>${name}</title><script src="/classic.js"></script>`);
    copyFileSync(EMBEDDED, join(pages, "model.gguf"));
    for (const headers of [ISOLATION, {}]) {
      const { server, origin } = await serveFolder(pages, { headers });
      servers.push(server);
      if (headers === ISOLATION) isolated = origin;
      else plain = origin;
    }
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    for (const server of servers) server.close();
  });

  async function found(address: string): Promise<unknown> {
    const page = await browser.newPage();
    try {
      await page.goto(address);
      return await page.evaluate("window.found.catch(String)");
    } finally {
      await page.close();
    }
  }

  it.each(["page", "worker", "classic"])("give the committed hash: %s", async (name) => {
    expect(await found(`${isolated}${name}.html`)).toEqual(expected);
  });

  it("that are not isolated run one file in one thread", async () => {
    expect(await found(`${plain}classic.html`)).toEqual({ inline: true, threads: 1, digest: golden });
  });

  it("that do not say their encoding get an error, not other tokens", async () => {
    expect(await found(`${isolated}unsaid.html`)).toContain('expected samebit\'s code to be read as UTF-8, found it read in another encoding; put <meta charset="utf-8">');
  });
});
