// samebit/single-file: all of `samebit`, with kernels and worker inside the code instead of in files beside it. For what makes one
// file of a program (esbuild, `bun build --compile`). 1.5 MB larger.

import { KERNELS, WORKER } from "./platform/embedded-assets.generated.ts";
import { embedAssets } from "./platform/embedded.ts";

embedAssets({ kernels: KERNELS, worker: WORKER });

export * from "./index.ts";
