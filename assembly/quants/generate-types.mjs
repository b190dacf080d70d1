// Writes what follows from the table of types (types.txt): types.generated.ts, numbers by type, and calls.generated.ts here, in ../matmul
// and in ../quantize, which call a type's function. A function takes what a call has by the names of its parameters: unpackQ4_0(block, n, slab)
// is called so, unpackQ8_KV(group, first, n, slab) so.

import { dirname, posix } from "node:path";
import { completeTypes, readExports } from "./check-types.mjs";
import { readTypes, tableError, typesText } from "./read-types.mjs";

/** Numbers of a type, in the order of its row: the function that reads one, what it gives and says, and the value. */
const NUMBERS = [
  ["blockWeights", "u32", "Weights in a block of the type; 0: not supported.", (t) => t.weights],
  ["blockBytes", "u32", "Bytes of a block, of one row.", (t) => t.bytes],
  ["rowMetaBytes", "u32", "Bytes before the blocks of a row.", (t) => t.meta],
  [
    "markBytes",
    "u32",
    "Bytes of a group before its blocks: half.ts, markGroup, and f16.ts.",
    (t) => (t.marked ? "MARK_BYTES" : 0),
  ],
  ["columnForm", "u32", "The form of one column of activations.", (t) => `Form.${t.form}`],
  ["tileForm", "u32", "The form of several columns.", tileForm],
  [
    "slabKind",
    "SlabKind",
    "The products of slab.ts through which the type's go; none: through others.",
    (t) => `SlabKind.${t.slab?.kind ?? "none"}`,
  ],
  [
    "slabBytes",
    "u32",
    "Bytes of an unpacked unit of 256 weights of four rows; 0: the type is not unpacked.",
    (t) => t.slab?.bytes ?? 0,
  ],
  [
    "leastTiles",
    "u32",
    "Tiles of several columns from which on unpacking is faster; only for types that are unpacked.",
    (t) => (t.tiles ? (t.least ?? 2) : 1),
  ],
  [
    "hasColumn",
    "bool",
    "Whether one column is multiplied by weights as they lie in memory, by all of a group.",
    (t) => Boolean(t.column),
  ],
  [
    "isGrid",
    "bool",
    "Whether the type's blocks are those of grid-rows.ts.",
    (t) => t.layout === "grid",
  ],
  [
    "isWords",
    "bool",
    "Whether the type's groups are those of words.ts.",
    (t) => t.layout === "words",
  ],
  [
    "sharesScale",
    "bool",
    "Whether 32 weights of a grid type share a scale, not 16.",
    (t) => t.share === 32,
  ],
  ["isReadFromSlabs", "bool", "Whether a row is read back by slabs.", (t) => !t.dequantize],
  ["isQuantizable", "bool", "Whether a quantiser exists for the type.", (t) => Boolean(t.quantize)],
  [
    "needsImatrix",
    "bool",
    "Whether the type cannot be written without importance weights.",
    (t) => Boolean(t.imatrix),
  ],
];

function tileForm({ form, slab }) {
  if (!slab?.form) return `Form.${form}`;
  return slab.wide && slab.form !== "q8x256Signs"
    ? `${slab.wide} ? Form.q8x256Signs : Form.${slab.form}`
    : `Form.${slab.form}`;
}

const TILE = {
  parameters:
    "nGroups: u32, w: usize, groupBytes: usize, k: u32, y: usize, columns: u32, out: usize, outStride: usize",
};
const SIGNS = { planes: ({ name }) => `block + ${name}_SIGNS` };

/**
 * The calls by file. of: the column with the function, if not `name`; where: which types' functions; handed: what a parameter gets that is
 * none of the call's. Without parameters it gives a constant.
 */
const CALLS = {
  "quants/calls.generated.ts": [
    {
      name: "repack",
      doc: "Interleaves nRows (1..4) rows of k weights in GGUF layout, rowBytes apart, into one R4 group.",
      parameters: "src: usize, rowBytes: usize, nRows: u32, k: u32, dst: usize",
      handed: {
        nb: () => "k >> 8",
        metaBytes: () => "rowMetaBytes(type)",
        blockBytes: () => "blockBytes(type)",
      },
    },
    {
      name: "dequantize",
      doc: "Row `lane` of an R4 group as k f32.",
      parameters: "group: usize, lane: u32, k: u32, out: usize",
    },
    {
      name: "unpack",
      doc: "Blocks [first, first + n) of a group, from `block` on, to slabs.",
      where: (t) => t.layout === "blocks",
      parameters: "group: usize, block: usize, first: u32, n: u32, slab: usize",
      handed: { dst: () => "slab" },
    },
    {
      name: "unpackWord",
      of: "unpack",
      doc: "One block of words.ts to a slab that has its d.",
      where: (t) => t.layout === "words",
      parameters: "block: usize, slab: usize",
    },
    {
      name: "prepare",
      doc: "n blocks of grid-rows.ts at `block`, prepared, to p.",
      parameters: "block: usize, n: u32, p: usize",
    },
    {
      name: "gridSlab",
      doc: "The weights of a slab from its block and that prepared, p.",
      parameters: "block: usize, p: usize, slab: usize",
      handed: SIGNS,
    },
    {
      name: "codeValues",
      of: "codes",
      doc: "Address of a type's 16 values + 64; 0 for types that have no codes.",
    },
  ],
  "matmul/calls.generated.ts": [
    { name: "column", doc: "Groups times a packed column: the whole product.", ...TILE },
    {
      name: "tiles",
      doc: "Groups times a packed tile of several columns: the whole product.",
      ...TILE,
    },
    {
      name: "product",
      doc: "Groups of slabs times a tile of several columns, added to what `out` holds.",
      ...TILE,
    },
    {
      name: "gridProduct",
      doc: "n blocks of a group, prepared at p, times a packed column, added to what `out` holds.",
      parameters: "block: usize, n: u32, p: usize, y: usize, out: usize",
      handed: { ...SIGNS, blockBytes: () => "<usize>blockBytes(type) << 2" },
    },
  ],
  "quantize/calls.generated.ts": [
    {
      name: "quantizeRow",
      of: "quantize",
      doc: "Quantises k f32 at x to y: see index.ts.",
      parameters: "x: usize, k: u32, qw: usize, y: usize, s: usize, t: usize",
    },
  ],
};

/** A file: its imports, then what `write(use)` says; use(name, type) imports a name and gives it back. */
function file(path, exported, write) {
  const imports = new Map();
  const use = (name, type) => {
    const found = exported.get(name);
    if (!found)
      throw tableError(type, `${name} exported in assembly`, "none", "write it, or name another");
    if (found.length > 1) {
      const places = found.map(({ module }) => module).join(" and ");
      throw tableError(type, `one ${name}`, places, "rename one");
    }
    const from = posix.relative(dirname(path), found[0].module);
    const module = from.startsWith(".") ? from : `./${from}`;
    imports.set(module, (imports.get(module) ?? new Set()).add(name));
    return name;
  };
  const text = write(use);
  const lines = [...imports]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([module, set]) => `import { ${[...set].sort().join(", ")} } from "${module}";`);
  return [
    "// Written by assembly/quants/generate-types.mjs from the table assembly/quants/types.txt: edit that.",
    ...lines,
    "",
    ...text,
    "",
  ].join("\n");
}

/** types.generated.ts. */
function numbers(types, exported) {
  return file("quants/types.generated.ts", exported, (use) => {
    const cell = (value, type) => {
      const text = String(Number.isFinite(Number(value)) ? Number(value) : value);
      for (const [name] of text.matchAll(/\b[A-Z]\w*/g)) use(name, type);
      return /^\d+$/.test(text) ? text : `<u16>(${text})`;
    };
    const places = Array(256).fill(0);
    const rows = types.map((type, i) => {
      places[type.id] = i + 1;
      return `  ${NUMBERS.map(([, , , value]) => cell(value(type), type)).join(", ")}, // ${type.name}`;
    });
    const perLine = 32;
    return [
      "export enum GgmlType {",
      ...types.map(({ name, id }) => `  ${name} = ${id},`),
      "}",
      "",
      "/** Places of types in ROWS; 0: not supported. */",
      "const PLACES: usize = memory.data<u8>([",
      ...Array.from(
        { length: 256 / perLine },
        (_, i) => `  ${places.slice(i * perLine, (i + 1) * perLine).join(", ")},`,
      ),
      "]);",
      `/** ${NUMBERS.map(([name]) => name).join(", ")}. */`,
      "const ROWS: usize = memory.data<u16>([",
      `  ${NUMBERS.map(() => 0).join(", ")},`,
      ...rows,
      "], 16);",
      "",
      "function rowOf(type: u32): usize {",
      `  return ROWS + (type < 256 ? <usize>load<u8>(PLACES + type) : 0) * ${2 * NUMBERS.length};`,
      "}",
      ...NUMBERS.flatMap(([name, kind, doc], i) => [
        "",
        `/** ${doc} */`,
        `export function ${name}(type: u32): ${kind} {`,
        `  return <${kind}>load<u16>(rowOf(type), ${2 * i});`,
        "}",
      ]),
    ];
  });
}

/** What a type's case in a call does. */
function caseOf(type, { of, parameters, handed }, exported, use) {
  const target = use(type[of], type);
  if (!parameters) return ` return ${target};`;
  const own = parameters.split(", ").map((p) => p.split(":")[0]);
  const wanted = exported.get(target)[0].parameters;
  if (!wanted) throw tableError(type, `a function for ${of}`, target, "name another");
  const passed = wanted.map((parameter) => {
    if (own.includes(parameter)) return parameter;
    if (!Object.hasOwn(handed, parameter)) {
      const known = [...own, ...Object.keys(handed)].join(", ");
      throw tableError(type, `parameters of ${target} among ${known}`, parameter, "rename it");
    }
    const text = handed[parameter](type);
    for (const [name] of text.matchAll(/\b\w+(?=\()|\w+_SIGNS\b/g)) use(name, type);
    return text;
  });
  const statement = `return ${target}(${passed.join(", ")});`;
  const { wide } = type.slab ?? {};
  // where slabs are wide nothing else is compiled
  if (of === "product" && wide)
    return `\n      if (!${use(wide, type)}) ${statement}\n      break;`;
  return ` ${statement}`;
}

/** One function that calls every type's. */
function call(
  { name, of = name, doc, where = () => true, parameters, handed = {} },
  types,
  exported,
  use,
) {
  const cases = new Map();
  for (const type of types.filter((t) => t[of] && where(t))) {
    const body = caseOf(type, { of, parameters, handed }, exported, use);
    cases.set(body, [...(cases.get(body) ?? []), `    case ${use("GgmlType")}.${type.name}:`]);
  }
  return [
    `/** ${doc} */`,
    parameters
      ? `export function ${name}(type: u32, ${parameters}): void {`
      : `export function ${name}(type: u32): usize {`,
    "  switch (type) {",
    ...[...cases].map(([body, labels]) => labels.join("\n") + body),
    "  }",
    parameters ? "  unreachable();" : "  return 0;",
    "}",
    "",
  ];
}

/**
 * The files that follow from a table, { path under assembly: text }. Throws where the table is wrong or the code lacks what it says.
 * @returns {Record<string, string>}
 */
export function generateTypes(text = typesText()) {
  const exported = readExports(NUMBERS.map(([name]) => name));
  const types = completeTypes(readTypes(text), exported);
  const files = { "quants/types.generated.ts": numbers(types, exported) };
  for (const [path, calls] of Object.entries(CALLS))
    files[path] = file(path, exported, (use) =>
      calls.flatMap((c) => call(c, types, exported, use)),
    );
  return files;
}
