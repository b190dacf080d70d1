// mamba (Mamba 1, FalconMamba) and mamba2: every layer is an RMS norm and a selective scan; no
// attention, no feed-forward network.
import type { Architecture } from "./architecture.ts";
import * as blocks from "./blocks.ts";
import { type Hparams, type ModelKeys, readHparams, readSsm, type SsmHparams } from "./hparams.ts";
import type { Ops, Tensor } from "./ops.ts";
import { mamba2Mixer, mambaMixer, mixerOnly } from "./recurrent-blocks.ts";

interface MambaHparams extends Hparams {
  readonly ssm: SsmHparams;
  /** FalconMamba: dt, B and C pass an RMS norm without weights. */
  readonly normalisesStep: boolean;
}

function hparams(keys: ModelKeys): MambaHparams {
  const normalisesStep = keys.bool("ssm.dt_b_c_rms", false);
  return { ...readHparams(keys, "rms", "recurrent"), ssm: readSsm(keys), normalisesStep };
}

function forward(ops: Ops, hp: Hparams, mixer: (il: number, x: Tensor) => Tensor): void {
  let x = blocks.embedTokens(ops, hp);
  for (let il = 0; il < hp.blockCount; il++) {
    x = blocks.endLayer(
      ops,
      il,
      mixerOnly(ops, hp, il, x, (h) => mixer(il, h)),
    );
  }
  ops.logits(blocks.outputLogits(ops, hp, blocks.rmsNorm(ops, hp, x, "output_norm")));
}

export const mamba: Architecture<MambaHparams> = {
  names: ["mamba"],
  hparams,
  forward(ops, hp) {
    const norms = hp.normalisesStep ? "plain" : "none";
    forward(ops, hp, (il, x) => mambaMixer(ops, hp, il, x, norms));
  },
};

export const mamba2: Architecture<MambaHparams> = {
  names: ["mamba2"],
  hparams,
  forward: (ops, hp) => forward(ops, hp, (il, x) => mamba2Mixer(ops, hp, il, x)),
};
