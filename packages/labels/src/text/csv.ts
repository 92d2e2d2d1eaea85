/** Tables as text (RFC 4180), by commas, semicolons or tabs. */
import { LabelError } from "../errors.ts";

/** Names of the columns: of the first line alone; none of one that breaks off within quotes. */
export function csvHeader(line: string): readonly string[] {
  try {
    return rowsOf(line, separatorOf(line)).next().value ?? [];
  } catch (error) {
    if (error instanceof LabelError) return [];
    throw error;
  }
}

/**
 * Rows by the names of their columns; blank lines are left out. Throws a `LabelError` "text-malformed" for a quote that
 * is not closed, and for a row of another length than the first.
 */
export function parseCsv(text: string, file: string): readonly Readonly<Record<string, string>>[] {
  const rows = rowsOf(text, separatorOf(text), file);
  const names = rows.next().value ?? [];
  return Array.from(rows, (row, i) => {
    if (row.length === names.length) return Object.fromEntries(names.map((name, k) => [name, row[k] as string]));
    const problem = `row ${i + 1} has ${row.length} cells, the first row names ${names.length}`;
    throw new LabelError("text-malformed", `${file}: ${problem}`, { details: { file, at: i + 1 } });
  });
}

function separatorOf(text: string): string {
  const end = text.search(/[\r\n]/);
  const head = end < 0 ? text : text.slice(0, end);
  return [",", "\t", ";"].reduce((best, one) => (head.split(one).length > head.split(best).length ? one : best));
}

function* rowsOf(text: string, separator: string, file = "table"): Generator<readonly string[], undefined> {
  let at = text.startsWith("\ufeff") ? 1 : 0;
  while (at < text.length) {
    const row: string[] = [];
    for (;;) {
      let cell = "";
      if (text[at] === '"') {
        for (let from = at + 1; ; ) {
          const quote = text.indexOf('"', from);
          if (quote < 0) {
            throw new LabelError("text-malformed", `${file}: a quote is not closed`, { details: { file, at } });
          }
          cell += text.slice(from, quote);
          at = quote + 1;
          if (text[at] !== '"') break;
          cell += '"';
          from = at + 1;
        }
      }
      const start = at;
      while (at < text.length && text[at] !== separator && text[at] !== "\n" && text[at] !== "\r") at++;
      row.push(cell + text.slice(start, at));
      if (text[at] !== separator) break;
      at++;
    }
    if (text[at] === "\r") at++;
    if (text[at] === "\n") at++;
    if (row.length > 1 || row[0] !== "") yield row;
  }
  return undefined;
}
