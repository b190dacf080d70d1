// The platform this code runs on.

import type { Platform } from "./platform.ts";

export type { Platform, WorkerHandle, WorkerPort } from "./platform.ts";

/** Node, Deno and Bun say so in process.versions; anything else is a browser. */
const isNodeLike =
  typeof (globalThis as { process?: { versions?: { node?: string } } }).process?.versions?.node ===
  "string";

export const platform: Platform = isNodeLike
  ? (await import("./node.ts")).nodePlatform
  : (await import("./browser.ts")).browserPlatform;
