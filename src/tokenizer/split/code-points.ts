// A text as code points with their classes: what splitting rules look at.
import { classOf, WHITE } from "../unicode/classes.ts";

/** Filled anew for each text; the arrays are longer than the text. */
export class CodePoints {
  codes = new Int32Array(256);
  /** Class bits of unicode/classes.ts. */
  classes = new Uint8Array(256);
  length = 0;

  /** `text` must be well-formed: no lone surrogates. */
  load(text: string): void {
    const n = text.length;
    if (this.codes.length < n) {
      const capacity = Math.max(n, this.codes.length * 2);
      this.codes = new Int32Array(capacity);
      this.classes = new Uint8Array(capacity);
    }
    const { codes, classes } = this;
    let length = 0;
    for (let i = 0; i < n; i++) {
      let code = text.charCodeAt(i);
      if (code >= 0xd800 && code < 0xdc00) {
        code = 0x10000 + ((code - 0xd800) << 10) + (text.charCodeAt(++i) - 0xdc00);
      }
      codes[length] = code;
      classes[length++] = classOf(code);
    }
    this.length = length;
  }

  isWhite(at: number): boolean {
    return (this.classes[at] & WHITE) !== 0;
  }

  /** The text between two positions. */
  text(start: number, end: number): string {
    let text = "";
    for (let i = start; i < end; i++) text += String.fromCodePoint(this.codes[i]);
    return text;
  }
}

/** `text` with each lone surrogate replaced by U+FFFD, as every UTF-8 encoder does it. */
export function wellFormed(text: string): string {
  let fixed = "";
  let from = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0xd800 || unit > 0xdfff) continue;
    const next = unit < 0xdc00 && i + 1 < text.length ? text.charCodeAt(i + 1) : 0;
    if (next >= 0xdc00 && next <= 0xdfff) {
      i++;
      continue;
    }
    fixed += `${text.slice(from, i)}\ufffd`;
    from = i + 1;
  }
  return from === 0 ? text : fixed + text.slice(from);
}
