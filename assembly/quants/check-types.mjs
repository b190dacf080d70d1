// Holds the table of types (read-types.mjs) against the code: fills in the functions that rows do not name, and refuses what a row promises
// and the code does not have.

import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { tileFunctions } from "../matmul/generate-tiles.mjs";
import { tableError } from "./read-types.mjs";

const assembly = join(dirname(fileURLToPath(import.meta.url)), "..");

/**
 * What rows may name: name -> [{ module, parameters, columns }], a list because two files may export the same name. parameters: of
 * functions; columns: of tiles, numbers of columns. lookups: names of types.generated.ts.
 */
export function readExports(lookups) {
  const exported = new Map();
  const add = (name, entry) => exported.set(name, [...(exported.get(name) ?? []), entry]);
  const names = (list) => [...list.matchAll(/(\w+):/g)].map(([, name]) => name);
  const files = ["quants", "quantize", "matmul"].flatMap((folder) =>
    readdirSync(join(assembly, folder)).map((name) => `${folder}/${name}`),
  );
  for (const file of ["half.ts", "lanes/builds.ts", ...files.sort()]) {
    if (!file.endsWith(".ts") || file.endsWith(".generated.ts")) continue;
    const source = readFileSync(join(assembly, file), "utf8");
    const module = file.replace(/\.ts$/, "");
    for (const [, name, list] of source.matchAll(/^export function (\w+)\(([^)]*)\)/gm))
      add(name, { module, parameters: names(list) });
    for (const [, name] of source.matchAll(/^export enum (\w+)/gm)) add(name, { module });
    for (const [, list] of source.matchAll(/^export const ([^;]*);/gm))
      for (const [, name] of list.matchAll(/(\w+): \w+ =/g)) add(name, { module });
  }
  for (const { name, parameters, columns } of tileFunctions())
    add(name, { module: "matmul/tiles.generated", parameters: names(parameters), columns });
  for (const name of ["GgmlType", ...lookups])
    exported.set(name, [{ module: "quants/types.generated" }]);
  return exported;
}

/** The members of enum Form. */
function readForms() {
  const source = readFileSync(join(assembly, "quants/activation-forms.ts"), "utf8");
  return [.../export enum Form \{([^}]*)\}/.exec(source)[1].matchAll(/(\w+) =/g)].map((m) => m[1]);
}

const isGrid = ({ layout }) => layout === "grid";
const hasSlab = ({ slab }) => slab !== undefined;

/** Columns that mean nothing without something else: what that is, and whether a type has it. */
const WITHOUT_USE = {
  share: ["with layout=grid", isGrid],
  prepare: ["with layout=grid", isGrid],
  gridSlab: ["with layout=grid", isGrid],
  gridProduct: ["with layout=grid", isGrid],
  unpack: ["with a slab", hasSlab],
  product: ["with a slab", hasSlab],
  least: ["with a slab and tiles", ({ slab, tiles }) => slab && tiles],
  codes: ["with a slab of kind=unsigned7", ({ slab }) => slab?.kind === "unsigned7"],
  quantize: ["without readOnly", ({ readOnly }) => !readOnly],
  imatrix: ["without readOnly", ({ readOnly }) => !readOnly],
};

/** Gives a type the functions that it does not name, and refuses it if it lacks one. */
function addFunctions(type, exported, refuse) {
  const { name, slab, row, family } = type;
  const find = (column, isNeeded, usual) => {
    type[column] = row[column] ?? (exported.has(usual) ? usual : family[column]);
    if (isNeeded && !type[column])
      refuse(
        `a function for ${column}`,
        `no ${usual} exported in assembly`,
        `write it or name one: ${column}=..`,
      );
  };
  // templates are named after the type in any case: q4_K, iq4_k
  const findTile = (column, isNeeded, isRight, ...usual) => {
    const matches = usual.flatMap((wanted) =>
      [...exported.keys()].filter((key) => key.toLowerCase() === wanted.toLowerCase()),
    );
    const match = matches.find((key) => exported.get(key)[0].columns?.some(isRight));
    type[column] = row[column] ?? match ?? family[column];
    const columns = exported.get(type[column])?.[0].columns;
    if (isNeeded && !type[column])
      refuse(
        `a function for ${column}, or a slab`,
        `no template ${usual.join(" or ")} with such @tiles`,
        `write it or name one: ${column}=..`,
      );
    if (columns && !columns.some(isRight))
      refuse(
        `@tiles for ${column}`,
        `${type[column]} of ${columns.join(", ") || "no"} columns`,
        "name another template",
      );
  };
  find("repack", true, `repack${name}`);
  find("dequantize", !slab?.kind, `dequantize${name}`);
  if (!type.readOnly) find("quantize", true, `quantize${name}`);
  findTile("column", !slab?.kind, (n) => n === 1, `${name}Column`, name);
  findTile("tiles", !slab, (n) => n > 1, name);
  if (slab && !isGrid(type)) find("unpack", true, `unpack${name}`);
  if (slab) find("product", true, slab.product ?? `slab${name}`);
  for (const column of isGrid(type) ? ["prepare", "gridSlab", "gridProduct"] : [])
    find(column, true, `${column}${name}`);
}

/** Completes types, in place, and gives them back. */
export function completeTypes(types, exported) {
  const forms = readForms();
  for (const type of types) {
    const refuse = (...words) => {
      throw tableError(type, ...words);
    };
    addFunctions(type, exported, refuse);
    const { slab, form, column, row } = type;
    for (const [name, [where, has]] of Object.entries(WITHOUT_USE))
      if (Object.hasOwn(row, name) && !has(type))
        refuse(`${name} only ${where}`, `${name}=${row[name]}`, "remove it");
    for (const used of [form, slab?.form ?? form])
      if (!forms.includes(used))
        refuse(`a form of ${forms.join(", ")}`, used, "name one, or add it to activation-forms.ts");
    if (slab && 256 % type.weights !== 0)
      refuse("blocks that fill a slab of 256 weights", `${type.weights} weights`, "remove slab=..");
    if (type.layout !== "blocks" && !slab?.kind)
      refuse(
        `a slab of slab.ts with layout=${type.layout}`,
        slab?.name ?? "none",
        "see its `slab` lines",
      );
    if (slab && type.tiles && slab.form && slab.form !== form)
      refuse(
        `tiles that read ${slab.form}, as the slab's product does`,
        `${type.tiles}, of ${form}`,
        "no tiles, or the same form",
      );
    if (slab?.kind && !column && (slab.kind !== "unsigned7" || form !== "q8x256"))
      refuse(
        "a column, or unsigned7 and form=q8x256 for slab7",
        `${slab.kind}, form=${form}`,
        "write a template with @tiles 1x1",
      );
  }
  return types;
}
