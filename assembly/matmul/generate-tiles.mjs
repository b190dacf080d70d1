// Expands the matmul templates of assembly/quants/*.ts into the tiles of assembly/matmul/tiles.generated.ts.
// A template is a function written for one group of rows and one column; the notation:
//
//   @tiles 4x1 1x1 2x4 1x4     in its doc comment: the tiles to make, groups x columns
//   @of slabQ6_K steps=2, slabQ3_K steps=4
//                              in its doc comment, in the next lines: the functions to make instead of one of the template's
//                              own name, and what $steps stands for in each
//   name$g, name$c, name$g$c   one variable per group, per column, per both: the statement that holds it is
//                              repeated for each
//   $g $c $G $C                the group, the column, the tile's numbers of groups and columns
//   for (let $i = 0; $i < 4; $i++) { .. }   unrolled: a loop whose variable begins with $; its end may be a constant of @of
//   $exact                     0, and 1 in a second copy of the tile, which the driver takes where a group's mark says
//                              so (half.ts, markGroup)
//   { .. }                     a bare block that names a column is repeated per column as a whole, the statements
//                              in it per group: the order in which loads and dots stand decides the speed
//
//   @part                      in the doc comment of an exported function: its statements stand where a template or a part calls
//                              it in a statement of its own, with the call's arguments for its parameters: variables, which it
//                              may set, or constants, named $name. The names that it makes must be none of theirs. Where it is
//                              one `return`, the call may stand in an expression. Constants of @of hold in it, and one may be
//                              its name: $products(..). (An @inline function's arguments are no constants to asc.)
//   @rows                      instead of @tiles, for one group and one column: $g is a pair of its rows, 0 or 1; @of gives
//                              $GRID, the name of a table in grids.generated.ts: a constant, as offsets of loads must be
//
// Everything else is copied. Templates are valid AssemblyScript, so editors and linters can read them.

import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const quants = join(dirname(fileURLToPath(import.meta.url)), "../quants");

/** Index just past the bracket that closes the one at `open`. Templates hold no brackets in strings or comments. */
function closing(text, open) {
  let depth = 0;
  for (let i = open; i < text.length; i++) {
    if ("([{".includes(text[i])) depth++;
    if (")]}".includes(text[i]) && --depth === 0) return i + 1;
  }
  throw new Error(`tile template: unclosed bracket near "${text.slice(open, open + 60)}"`);
}

/**
 * Splits source into statements: { head, body } for blocks (head "" is a bare block), { text } for the rest.
 * `if` and `else` keep their blocks as separate entries, which is all that templates need.
 */
function parse(source) {
  const statements = [];
  let at = 0;
  while (at < source.length) {
    if (/\s/.test(source[at])) {
      at++;
      continue;
    }
    let end = at;
    while (end < source.length && source[end] !== ";" && source[end] !== "{") {
      end = "([".includes(source[end]) ? closing(source, end) : end + 1;
    }
    if (source[end] === "{") {
      const after = closing(source, end);
      statements.push({
        head: source.slice(at, end).trim(),
        body: parse(source.slice(end + 1, after - 1)),
      });
      at = after;
    } else {
      const text = source.slice(at, end).trim();
      if (text) statements.push({ text: `${text};` });
      at = end + 1;
    }
  }
  return statements;
}

const names = (text, letter) => new RegExp(`\\$${letter}(?![A-Za-z])`).test(text);
const textOf = (s) => (s.body ? s.head + s.body.map(textOf).join(" ") : s.text);

/** Replaces $g and $c (joined to a name as `_0`) and unrolled loop variables (as `0`); alone they are the number. */
function substitute(text, values) {
  for (const [letter, value] of Object.entries(values)) {
    const joined = letter === "g" || letter === "c" ? `_${value}` : String(value);
    text = text
      .replace(new RegExp(`(?<=[A-Za-z0-9_])\\$${letter}(?![A-Za-z])`, "g"), joined)
      .replace(new RegExp(`\\$${letter}(?![A-Za-z])`, "g"), String(value));
  }
  return text;
}

/** Lines of `statements` for a tile. `values` holds what is fixed so far. */
function expand(statements, groups, columns, values, indent) {
  const lines = [];
  const range = (n) => [...Array(n).keys()];
  for (const s of statements) {
    const text = textOf(s);
    if (s.body) {
      const unrolled = /^for \(let \$([a-z]+) = (\d+); \$\1 < (\d+); \$\1\+\+\)$/.exec(
        substitute(s.head, values),
      );
      if (unrolled) {
        for (let i = Number(unrolled[2]); i < Number(unrolled[3]); i++) {
          lines.push(`${indent}{`);
          lines.push(
            ...expand(s.body, groups, columns, { ...values, [unrolled[1]]: i }, `${indent}  `),
          );
          lines.push(`${indent}}`);
        }
        continue;
      }
      const perColumn = s.head === "" && names(text, "c") && values.c === undefined;
      for (const c of perColumn ? range(columns) : [undefined]) {
        const inner = c === undefined ? values : { ...values, c };
        lines.push(`${indent}${substitute(s.head, inner)} {`.replace(/^(\s*) \{/, "$1{"));
        lines.push(...expand(s.body, groups, columns, inner, `${indent}  `));
        lines.push(`${indent}}`);
      }
      continue;
    }
    const perColumn = names(text, "c") && values.c === undefined;
    const perGroup = names(text, "g");
    for (const c of perColumn ? range(columns) : [values.c]) {
      for (const g of perGroup ? range(groups) : [undefined]) {
        lines.push(indent + substitute(s.text, { ...values, c: c ?? 0, g: g ?? 0 }));
      }
    }
  }
  return lines;
}

const escaped = (text) => text.replace(/\$/g, "\\$&");

/** Arguments of a call, from the text between its brackets. */
function argumentsOf(text) {
  const list = [];
  let from = 0;
  for (let at = 0; at <= text.length;) {
    if (at === text.length || text[at] === ",") {
      list.push(text.slice(from, at).trim());
      from = ++at;
    } else at = "([".includes(text[at]) ? closing(text, at) : at + 1;
  }
  return list;
}

/** `text` of a part with arguments for its parameters: what is more than a name or a number keeps together. */
function bound(part, list, text) {
  if (list.length !== part.parameters.length) {
    throw new Error(
      `tile template: ${part.name} takes ${part.parameters.length} arguments, found ${list.length}`,
    );
  }
  const names = part.parameters.map(escaped).join("|");
  return text.replace(new RegExp(`(?<![\\w$])(?:${names})(?![\\w$])`, "g"), (name) => {
    const argument = list[part.parameters.indexOf(name)];
    return /^[\w$]+$/.test(argument) ? argument : `(${argument})`;
  });
}

/** Parts instead of calls of them, in a template with these constants. */
export function withParts(body, parts, constants) {
  const call = new RegExp(
    `(?<![\\w$.])(?:${[...parts.keys(), ...Object.keys(constants).map((name) => `\\$${name}`)].join("|")})\\(`,
  );
  let text = body;
  for (let from = 0; ;) {
    const found = call.exec(text.slice(from));
    if (!found) return text;
    const at = from + found.index,
      open = at + found[0].length - 1,
      end = closing(text, open);
    const written = text.slice(at, open);
    const part = parts.get(written[0] === "$" ? constants[written.slice(1)] : written);
    from = open + 1;
    if (!part) continue;
    const inner = bound(part, argumentsOf(text.slice(open + 1, end - 1)), part.body);
    const value = /^\s*return ([^;]*);\s*$/.exec(inner);
    text = text.slice(0, at) + (value ? value[1] : inner) + text.slice(value ? end : end + 1);
    from = at;
  }
}

function addImport(imports, module, name) {
  imports.set(module, (imports.get(module) ?? new Set()).add(name));
}

/** Merges the imports of a source file, as seen from assembly/matmul, into `imports`: module -> names. */
function collectImports(source, stem, imports) {
  const add = (module, name) => addImport(imports, module, name);
  for (const [, list, from] of source.matchAll(/^import \{([^}]*)\} from "([^"]+)";/gm)) {
    const module = from.startsWith("./") ? `../quants/${from.slice(2)}` : from;
    for (const name of list
      .split(",")
      .map((n) => n.trim())
      .filter(Boolean))
      add(module, name);
  }
  for (const [, name] of source.matchAll(/^export (?:const|function) (\w+)(?=[ :(=])/gm))
    add(`../quants/${stem}`, name);
}

/** Body of the function whose block opens at `open`, without comments. */
function bodyAt(source, open) {
  return source
    .slice(open + 1, closing(source, open) - 1)
    .replace(/^\s*\/\/.*$/gm, "")
    .replace(/\s\/\/ .*$/gm, "");
}

/** The parts of all sources: name -> { name, parameters, body }. */
export function partsOf(sources) {
  const parts = new Map();
  const notation = /@part\n \*\/\s*export function (\w+)\(([^)]*)\): \w+ \{/g;
  for (const source of sources) {
    for (const match of source.matchAll(notation)) {
      const [whole, name, list] = match;
      const parameters = argumentsOf(list.replace(/,\s*$/, "")).map((text) =>
        text.split(":")[0].trim(),
      );
      parts.set(name, { name, parameters, body: bodyAt(source, match.index + whole.length - 1) });
    }
  }
  return parts;
}

/** The functions that a template makes: itself, or those of its @of lines, each with its constants. */
function functionsOf(template, lines) {
  if (!lines) return [{ name: template, constants: {} }];
  const list = lines
    .replace(/^ \* @of /gm, "")
    .trim()
    .split(/,\s*|\n/);
  return list.map((entry) => {
    const [name, ...pairs] = entry.trim().split(/\s+/);
    return { name, constants: Object.fromEntries(pairs.map((pair) => pair.split("="))) };
  });
}

/** The files of assembly/quants that may hold templates or parts: { stem, text }. */
function sourceFiles() {
  return readdirSync(quants)
    .filter((name) => name.endsWith(".ts"))
    .sort()
    .map((name) => ({
      stem: name.replace(/\.ts$/, ""),
      text: readFileSync(join(quants, name), "utf8"),
    }));
}

/** The templates of a file: { kind, sizes, functions, parameters, body }. */
function templatesOf({ text }) {
  const found = text.matchAll(
    /@(tiles|rows)([\dx ]*)\n((?: \* @of [^\n]+\n)*)[^]*?\*\/\s*function (\w+)\(([^)]*)\): void \{/g,
  );
  return [...found].map((match) => {
    const [whole, kind, tiles, list, template, parameters] = match;
    const sizes = tiles
      .trim()
      .split(" ")
      .map((tile) => tile.split("x").map(Number));
    const body = bodyAt(text, match.index + whole.length - 1);
    return { kind, sizes, functions: functionsOf(template, list), parameters, body };
  });
}

const DRIVER_PARAMETERS =
  "nGroups: u32, w: usize, groupBytes: usize, k: u32, y: usize, columns: u32, out: usize, outStride: usize";

/** The functions of tiles.generated.ts that others call: { name, parameters, columns: numbers of columns that it takes }. */
export function tileFunctions() {
  return sourceFiles()
    .flatMap(templatesOf)
    .flatMap(({ kind, sizes, functions, parameters }) =>
      functions.map(({ name }) =>
        kind === "rows"
          ? { name, parameters, columns: [] }
          : { name, parameters: DRIVER_PARAMETERS, columns: [...new Set(sizes.map(([, c]) => c))] },
      ),
    );
}

/** The text of tiles.generated.ts. */
export function generateTiles() {
  const imports = new Map();
  const output = [];
  const files = sourceFiles(),
    parts = partsOf(files.map(({ text }) => text));
  for (const file of files) {
    const templates = templatesOf(file);
    if (templates.length > 0 || file.text.includes("@part"))
      collectImports(file.text, file.stem, imports);
    for (const { kind, sizes, functions, parameters, body } of templates) {
      const copies = names(body, "exact") ? [0, 1] : [0];
      for (const { name, constants } of functions) {
        const statements = parse(withParts(body, parts, constants));
        if (kind === "rows") {
          const lines = expand(statements, 2, 1, { G: 2, C: 1, ...constants }, "  ");
          output.push(`export function ${name}(${parameters}): void {`, ...lines, "}", "");
          addImport(imports, "../quants/grids.generated", constants.GRID);
          continue;
        }
        for (const [groups, columns] of sizes) {
          for (const exact of copies) {
            const values = { G: groups, C: columns, exact, ...constants };
            const lines = expand(statements, groups, columns, values, "  ");
            const copy = `${name}_${groups}x${columns}${exact ? "_exact" : ""}`;
            output.push(`export function ${copy}(${parameters}): void {`, ...lines, "}", "");
          }
        }
        output.push(...driver(name, sizes, copies.length > 1), "");
      }
      if (copies.length > 1) addImport(imports, "../half", "marked");
    }
  }
  for (const names of imports.values()) for (const name of parts.keys()) names.delete(name);
  const used = new Set(output.join("\n").match(/\w+/g));
  const importLines = [...imports]
    .map(([module, set]) => [module, [...set].filter((name) => used.has(name)).sort()])
    .filter(([, list]) => list.length > 0)
    .map(([module, list]) => `import { ${list.join(", ")} } from "${module}";`);
  const head = [
    "// Written by assembly/matmul/generate-tiles.mjs from the templates in assembly/quants: edit those.",
    ...importLines,
    "",
  ];
  return [...head, ...output].join("\n");
}

/**
 * `name`(nGroups, w, groupBytes, K, y, C, out, outStride): the largest tiles first, then the smaller ones. Types whose
 * groups are marked have two copies of a tile.
 */
function driver(name, sizes, isMarked) {
  const lines = [`export function ${name}(`, `  ${DRIVER_PARAMETERS},`, "): void {"];
  for (const columns of new Set(sizes.map(([, c]) => c))) {
    lines.push(`  if (columns == ${columns}) {`);
    for (const [groups] of sizes.filter(([, c]) => c === columns).sort(([a], [b]) => b - a)) {
      const tile = `${name}_${groups}x${columns}`,
        call = "(k, w, groupBytes, y, out, outStride)";
      lines.push(
        `    while (nGroups >= ${groups}) {`,
        ...(isMarked
          ? [
              `      if (marked(w, groupBytes, ${groups})) ${tile}_exact${call};`,
              `      else ${tile}${call};`,
            ]
          : [`      ${tile}${call};`]),
        `      w += groupBytes * ${groups};`,
        `      out += ${16 * groups};`,
        `      nGroups -= ${groups};`,
        "    }",
      );
    }
    lines.push("    return;", "  }");
  }
  lines.push("  unreachable();", "}");
  return lines;
}
