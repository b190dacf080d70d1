// The platform this code runs on. Found without top-level await, which neither `require` of an ES module nor a bundler's
// worker in one plain script allows.

import { browserPlatform } from "./browser.ts";
import { nodePlatform } from "./node.ts";
import type { Platform } from "./platform.ts";

export type { Platform, WorkerPort } from "./platform.ts";

/** Node, Deno and Bun say so in process.versions; anything else is a browser. */
export const isNodeLike =
  typeof (globalThis as { process?: { versions?: { node?: string } } }).process?.versions?.node ===
  "string";

export const platform: Platform = isNodeLike ? nodePlatform() : browserPlatform;
