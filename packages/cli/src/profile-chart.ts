import { type GraphProfile, ms, percent, sizesText } from "./profile.ts";

const WIDTH = 880;
const LEFT = 190;
const BAR = 430;
const ROW = 24;
const HEADING = 58;
const MARGIN = 24;
/** Operations that take less than this are drawn as one. */
const LEAST_SHARE = 0.005;

/** A picture of the profiles: for each graph a bar for each operation, the longest first. */
export function drawProfiles(title: string, profiles: readonly GraphProfile[]): string {
  const parts: string[] = [text(MARGIN, 34, title, `font-size="18" font-weight="600"`)];
  let y = 54;
  for (const profile of profiles) {
    const rows = rowsOf(profile);
    const { name, sizes, runMilliseconds, gigaflops } = profile;
    parts.push(
      text(MARGIN, y + 28, name, `font-size="15" font-weight="600"`),
      text(
        LEFT,
        y + 28,
        `${sizesText(sizes)}: ${ms(runMilliseconds)}, ${Math.round(gigaflops)} GFLOP/s`,
        `fill="#57606a"`,
      ),
    );
    y += HEADING - ROW / 2;
    const longest = Math.max(...rows.map((row) => row.share));
    for (const { kind, milliseconds, share, gigaflops: rate } of rows) {
      const width = Math.max(1, (BAR * share) / longest);
      const speed = rate === null || rate < 1 ? "" : `, ${Math.round(rate)} GFLOP/s`;
      parts.push(
        text(LEFT - 10, y + 16, kind, `text-anchor="end"`),
        `<rect x="${LEFT}" y="${y + 3}" width="${width.toFixed(1)}" height="${ROW - 6}" rx="2" fill="#2f6fde"/>`,
        text(LEFT + width + 8, y + 16, `${percent(share)}, ${ms(milliseconds)}${speed}`, `fill="#57606a"`),
      );
      y += ROW;
    }
  }
  const height = y + MARGIN;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="13" fill="#1f2328">
<rect width="100%" height="100%" fill="#fff"/>
${parts.join("\n")}
</svg>
`;
}

function text(x: number, y: number, content: string, attributes: string): string {
  return `<text x="${x.toFixed(1)}" y="${y}" ${attributes}>${content.replaceAll("&", "&amp;").replaceAll("<", "&lt;")}</text>`;
}

type Row = Pick<GraphProfile["operations"][number], "kind" | "milliseconds" | "share" | "gigaflops">;

function rowsOf({ operations }: GraphProfile): readonly Row[] {
  const drawn: Row[] = operations.filter(({ share }) => share >= LEAST_SHARE);
  const others = operations.slice(drawn.length);
  if (others.length === 0) return drawn;
  const sum = (of: (row: Row) => number): number => others.reduce((total, row) => total + of(row), 0);
  return [
    ...drawn,
    {
      kind: `${others.length} others`,
      milliseconds: sum((row) => row.milliseconds),
      share: sum((row) => row.share),
      gigaflops: null,
    },
  ];
}
