// What one tokenizer model (SPM, BPE, ...) contributes; tokenizer.ts does the rest.
import type { IntList } from "./int-list.ts";

export interface TokenizerModel {
  /** BOS and EOS are added unless the file says otherwise. */
  readonly addBos: boolean;
  readonly addEos: boolean;
  /** The separator is added after a text, as EOS is. */
  readonly addSep?: boolean;
  /** The separator is added between two texts that are given as one, unless the file says otherwise. */
  readonly addSepBetween?: boolean;
  /** BOS is added whatever the file says. */
  readonly forceBos?: boolean;
  /** Whether a space is put before a text and after each special token. */
  readonly addSpacePrefix: boolean;
  /** Pushes the tokens of a raw text (well-formed UTF-16, not empty). */
  encode(text: string, out: IntList): void;
  /** Text of a normal token as it appears in a text, in bytes. */
  bytesOfNormal(text: string): Uint8Array;
}
