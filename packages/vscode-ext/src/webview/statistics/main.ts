/** The page of a dataset's statistics: tables with bars, so that every number can be read and none needs a colour. */
import type { StatisticsMessage } from "../../dataset/pages.ts";
import { make, sentence, type VsCode } from "../dom.ts";

declare function acquireVsCodeApi(): VsCode<{ readonly type: "ready" }>;

const vscode = acquireVsCodeApi();

function bar(share: number, parts: readonly number[] = [1]): HTMLElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 200 10");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const sum = parts.reduce((all, one) => all + one, 0);
  let x = 0;
  for (const [i, part] of parts.entries()) {
    const width = sum === 0 ? 0 : (200 * share * part) / sum;
    const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    for (const [name, value] of Object.entries({ x, y: 0, width, height: 10, class: `part${i}` }))
      rect.setAttribute(name, String(value));
    svg.append(rect);
    x += width;
  }
  const cell = make("td", { class: "chart" });
  cell.append(svg);
  return cell;
}

function show({ name, stats, words }: StatisticsMessage): void {
  const word = (key: string, values: Readonly<Record<string, string | number>> = {}): string =>
    sentence(words, key, values);
  const { least, mean, most } = stats.objectsPerImage;
  const kinds = Object.entries(stats.shapes).filter(([, count]) => count > 0);
  const facts: readonly (readonly [string, string | number])[] = [
    ["images", stats.images],
    ["unlabelled", stats.unlabelled],
    ["empty", stats.empty],
    ["objects", stats.objects],
    ["perImage", word("range", { least, most, mean: mean.toFixed(1) })],
    ["shapes", kinds.map(([kind, count]) => `${count} ${kind}`).join(", ")],
    ...(stats.videos > 0 ? [["videos", stats.videos] as const, ["tracks", stats.tracks] as const] : []),
  ];
  const definitions = make(
    "dl",
    {},
    ...facts.flatMap(([key, value]) => [make("dt", {}, word(key)), make("dd", {}, String(value))]),
  );
  const mostObjects = stats.categories.reduce((largest, { objects }) => Math.max(largest, objects), 1);
  const head = (...keys: readonly string[]): HTMLElement =>
    make("thead", {}, make("tr", {}, ...keys.map((key) => make("th", { scope: "col" }, word(key)))));
  const classes = make(
    "table",
    { "aria-labelledby": "classes" },
    head("class", "objects", "showing", "small", "medium", "large", "median", "drawn"),
    make(
      "tbody",
      {},
      ...stats.categories.map(({ name: category, objects, images, areas, medianArea }) =>
        make(
          "tr",
          {},
          make("th", { scope: "row" }, category ?? word("none")),
          ...[objects, images, areas.small, areas.medium, areas.large, medianArea].map((value) =>
            make("td", {}, String(value)),
          ),
          bar(objects / mostObjects, [areas.small, areas.medium, areas.large]),
        ),
      ),
    ),
  );
  const mostImages = stats.sizes[0]?.[2] ?? 1;
  const sizes = make(
    "table",
    { "aria-labelledby": "sizes" },
    head("size", "images", "drawn"),
    make(
      "tbody",
      {},
      ...stats.sizes
        .slice(0, 50)
        .map(([width, height, images]) =>
          make(
            "tr",
            {},
            make("th", { scope: "row" }, `${width} × ${height}`),
            make("td", {}, String(images)),
            bar(images / mostImages),
          ),
        ),
    ),
  );
  document.body.replaceChildren(
    make(
      "main",
      {},
      make("h1", {}, word("title", { name })),
      definitions,
      make("h2", { id: "classes" }, word("classes")),
      make("p", {}, word("areas")),
      classes,
      make("h2", { id: "sizes" }, word("sizes")),
      sizes,
    ),
  );
}

addEventListener("message", ({ data }: MessageEvent<StatisticsMessage>) => show(data));
vscode.postMessage({ type: "ready" });
