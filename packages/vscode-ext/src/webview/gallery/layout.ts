/** Where cells of a gallery lie, so that only those on the screen are there. */

export interface Grid {
  readonly columns: number;
  readonly rows: number;
  readonly cell: number;
  readonly row: number;
  /** Of everything. */
  readonly height: number;
}

/** Browsers place nothing beyond some 33 million pixels. */
const tallest = 30_000_000;

export function gridOf(count: number, width: number, cell: number, row: number): Grid {
  const columns = Math.max(1, Math.floor(width / cell));
  const rows = Math.ceil(count / columns);
  return { columns, rows, cell: width / columns, row, height: Math.min(tallest, rows * row) };
}

/** Places of the cells that a window shows, with a screen more above and below; `to` is behind the last. */
export function visible(
  grid: Grid,
  count: number,
  top: number,
  height: number,
): { readonly from: number; readonly to: number } {
  const first = Math.max(0, Math.floor((top - height) / grid.row));
  const last = Math.min(grid.rows, Math.ceil((top + 2 * height) / grid.row));
  return { from: Math.min(count, first * grid.columns), to: Math.min(count, last * grid.columns) };
}

/** Where a key leads from a place; `undefined` for keys that move nothing. */
export function moved(grid: Grid, count: number, at: number, key: string, page: number): number | undefined {
  const rows = Math.max(1, Math.floor(page / grid.row));
  const steps: Readonly<Record<string, number>> = {
    ArrowLeft: -1,
    ArrowRight: 1,
    ArrowUp: -grid.columns,
    ArrowDown: grid.columns,
    PageUp: -rows * grid.columns,
    PageDown: rows * grid.columns,
    Home: -count,
    End: count,
  };
  const step = steps[key];
  return step === undefined || count === 0 ? undefined : Math.max(0, Math.min(count - 1, at + step));
}
