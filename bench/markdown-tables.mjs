// Tables that scripts write into README files: between two marks `<!-- table N -->` each.

/** Rows of cells as Markdown. */
export const table = (head, rows) =>
  [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");

/** A text with these tables between its marks. */
export function withTables(text, tables) {
  tables.forEach((lines, i) => {
    const mark = `<!-- table ${i + 1} -->`,
      [before, , after] = text.split(mark);
    text = `${before}${mark}\n${lines}\n${mark}${after}`;
  });
  return text;
}
