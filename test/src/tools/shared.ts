// Files of llama.cpp's tools that lie beside the checkout. Tests over them are skipped, loudly, where they are absent.

import { existsSync } from "node:fs";

const shared = new URL("../../../../shared/", import.meta.url).pathname;
export const toolFile = (name: string): string => `${shared}reference/tools/${name}`;
export const sharedModel = (name: string): string => `${shared}models/${name}`;

export const hasShared =
  existsSync(toolFile("README.md")) && existsSync(sharedModel("tldr-6m-f16.gguf"));
if (!hasShared)
  console.warn(
    `${shared}: expected llama.cpp's files, found none; comparisons with its tools are SKIPPED`,
  );
