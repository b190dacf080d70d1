// Reads the table of types (types.txt), whose head explains its columns, and checks what can be checked without the code.

import { readFileSync } from "node:fs";

const NUMBER = { pattern: /^\d+$/, says: "a number" };
const NAME = { pattern: /^[A-Za-z_]\w*$/, says: "a name" };
const SIZE = { pattern: /^[\w.*]+$/, says: "a number, a constant or a product of them" };
/** A column without a value. */
const BARE = { pattern: /^$/, says: "nothing" };
const oneOf = (...words) => ({
  pattern: new RegExp(`^(${words.join("|")})$`),
  says: words.join(" or "),
});

const SLAB_COLUMNS = {
  bytes: SIZE,
  product: NAME,
  form: NAME,
  kind: oneOf("unsigned7", "signed8"),
  wide: oneOf("BASE", "WIDE"),
};
const TYPE_COLUMNS = {
  meta: NUMBER,
  marked: BARE,
  form: NAME,
  slab: NAME,
  least: NUMBER,
  layout: oneOf("blocks", "grid", "words"),
  share: oneOf(16, 32),
  readOnly: BARE,
  imatrix: BARE,
  repack: NAME,
  dequantize: NAME,
  column: NAME,
  tiles: NAME,
  unpack: NAME,
  product: NAME,
  prepare: NAME,
  gridSlab: NAME,
  gridProduct: NAME,
  codes: NAME,
  quantize: NAME,
};
const DEFAULTS = { meta: 0, layout: "blocks", share: 16 };

/** Text of a table: that of types.txt. */
export function typesText() {
  return readFileSync(new URL("types.txt", import.meta.url), "utf8");
}

/** An error in the house's words, with the row's place. */
export function tableError({ line, name }, expected, found, remedy) {
  return new Error(
    `assembly/quants/types.txt:${line}, ${name}: expected ${expected}, found ${found}; ${remedy}`,
  );
}

/** { column: value } of "column=value bare ..", each known and of its kind; a bare one is true. */
function columnsOf(words, known, place) {
  const columns = {};
  for (const word of words) {
    const [column, value = ""] = word.split(/=(.*)/);
    if (!Object.hasOwn(known, column)) {
      const names = Object.keys(known).join(", ");
      throw tableError(place, `a column of ${names}`, word, "the table's head explains them");
    }
    const kind = known[column];
    if (!kind.pattern.test(value))
      throw tableError(place, `${kind.says} after ${column}`, JSON.stringify(word), "correct it");
    if (Object.hasOwn(columns, column))
      throw tableError(place, `${column} once`, `it again, ${word}`, "keep one");
    columns[column] = kind === BARE || (/^\d+$/.test(value) ? Number(value) : value);
  }
  return columns;
}

/**
 * The types of a table in its order: { name, line, id, weights, bytes, family, .. }, with defaults; slab is an object or undefined.
 * `family` has the columns of the `all` line above a row, `row` those that the row itself names.
 * @returns {Array<{ name: string, line: number, id: number, weights: number, bytes: number, meta: number } & Record<string, any>>}
 */
export function readTypes(text = typesText()) {
  const slabs = new Map();
  const types = [];
  let family = {};
  for (const [i, content] of text.split("\n").entries()) {
    const [first, ...rest] = content.replace(/#.*/, "").trim().split(/\s+/);
    const line = i + 1;
    if (!first) continue;
    if (first === "all") {
      family = columnsOf(rest, TYPE_COLUMNS, { line, name: "all" });
    } else if (first === "slab") {
      const [name, ...words] = rest;
      const place = { line, name };
      slabs.set(name, { name, line, ...columnsOf(words, SLAB_COLUMNS, place) });
      if (!slabs.get(name).bytes) throw tableError(place, "bytes=..", "none", "add them");
    } else {
      const [id, weights, bytes, ...words] = rest;
      const place = { line, name: first };
      const row = columnsOf(words, TYPE_COLUMNS, place);
      for (const [column, value] of Object.entries({ id, weights, bytes })) {
        if (!NUMBER.pattern.test(value ?? "")) {
          const found = value ?? "the row's end";
          throw tableError(
            place,
            `a number as ${column}`,
            found,
            "name id weights bytes come first",
          );
        }
        row[column] = Number(value);
      }
      const type = { ...DEFAULTS, ...family, ...row, ...place, family, row };
      if (type.id > 255)
        throw tableError(place, "an id below 256", type.id, "see FAST in types.ts");
      if (type.slab && !slabs.has(type.slab)) {
        const names = [...slabs.keys()].join(", ");
        throw tableError(
          place,
          `a slab of ${names}`,
          type.slab,
          "add a `slab` line or name another",
        );
      }
      if (!type.form) throw tableError(place, "form=..", "none", "name one of activation-forms.ts");
      type.slab = slabs.get(type.slab);
      const twin = types.find((t) => t.id === type.id || t.name === type.name);
      if (twin) {
        throw tableError(
          place,
          "a name and an id of its own",
          `those of line ${twin.line}`,
          "correct one",
        );
      }
      types.push(type);
    }
  }
  return types;
}
