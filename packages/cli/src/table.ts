/** A cell of a table; a bare string is aligned left. */
export type Cell = string | { readonly text: string; readonly right: true };

export const right = (text: string): Cell => ({ text, right: true });

/** Rows as lines of text, in columns wide enough for all. */
export function renderTable(rows: readonly (readonly Cell[])[]): string {
  const textOf = (cell: Cell): string => (typeof cell === "string" ? cell : cell.text);
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, c) => Math.max(...rows.map((row) => textOf(row[c] ?? "").length)));
  const line = (row: readonly Cell[]): string =>
    row
      .map((cell, c) => {
        const width = widths[c] ?? 0;
        return typeof cell === "string" ? cell.padEnd(width) : cell.text.padStart(width);
      })
      .join("  ")
      .trimEnd();
  return rows.map((row) => `${line(row)}\n`).join("");
}
