/** A contact sheet: pictures with their objects, small, side by side, to see at a glance what was made. */
import {
  decodeRle,
  encodePng,
  encodeWebp,
  overlay,
  paletteColour,
  type RawImage,
  type Rgb,
  rleArea,
} from "@masklet/core/node";
import { type Dataset, hasMask, type LabelledImage, labelPixels, shapeMask, turnObject } from "@masklet/labels";
import { fittedSize, ground, smallImage, smallMask } from "../small.ts";
import { count } from "../usage.ts";
import type { Item } from "./items.ts";

/** Pictures on a sheet at most. */
const most = 60;
/** Of a picture's longer side, in pixels. */
const side = 280;
const gap = 8;

interface Cell {
  readonly image: LabelledImage;
  readonly thumbnail: RawImage;
}

/** A sheet of some of the dataset's images: evenly through those that have masks. `undefined` where none has. */
export class Sheet {
  readonly #cells: readonly Cell[];
  readonly #colours: ReadonlyMap<string, Rgb>;
  readonly #all: number;

  private constructor(cells: readonly Cell[], colours: ReadonlyMap<string, Rgb>, all: number) {
    this.#cells = cells;
    this.#colours = colours;
    this.#all = all;
  }

  static async of(
    dataset: Dataset,
    itemOf: (image: LabelledImage) => Item | undefined,
    signal: AbortSignal,
  ): Promise<Sheet | undefined> {
    const colours = new Map(dataset.categories.map(({ name }, i): [string, Rgb] => [name, paletteColour(i)]));
    const shown = dataset.images.filter(({ objects }) => objects.some(hasMask));
    const step = Math.max(1, shown.length / most);
    const cells: Cell[] = [];
    for (let i = 0; i < Math.min(most, shown.length); i++) {
      signal.throwIfAborted();
      const image = shown[Math.floor(i * step)] as LabelledImage;
      const item = itemOf(image);
      if (item !== undefined) cells.push({ image, thumbnail: await thumbnailOf(image, item, colours) });
    }
    return cells.length === 0 ? undefined : new Sheet(cells, colours, dataset.images.length);
  }

  /** All cells in one picture, in rows as high as their highest. */
  async png(): Promise<Uint8Array> {
    const thumbnails = this.#cells.map(({ thumbnail }) => thumbnail);
    const columns = Math.ceil(Math.sqrt(thumbnails.length));
    const rows = Array.from({ length: Math.ceil(thumbnails.length / columns) }, (_, row) =>
      thumbnails.slice(row * columns, (row + 1) * columns),
    );
    const heights = rows.map((row) => Math.max(...row.map(({ height }) => height)));
    const width = columns * (side + gap) + gap;
    const height = heights.reduce((sum, one) => sum + one + gap, gap);
    const data = new Uint8Array(width * height * 3).fill(ground);
    let above = gap;
    for (const [r, row] of rows.entries()) {
      const high = heights[r] as number;
      for (const [c, cell] of row.entries()) {
        const left = gap + c * (side + gap) + ((side - cell.width) >> 1);
        const top = above + ((high - cell.height) >> 1);
        for (let y = 0; y < cell.height; y++) {
          const line = cell.data.subarray(y * cell.width * 3, (y + 1) * cell.width * 3);
          data.set(line, ((top + y) * width + left) * 3);
        }
      }
      above += high + gap;
    }
    return encodePng({ width, height, channels: 3, data });
  }

  /** A page of its own, with names and what the colours are; nothing is fetched. */
  async html(): Promise<string> {
    const cells: string[] = [];
    for (const { image, thumbnail } of this.#cells) {
      const webp = Buffer.from(await encodeWebp(thumbnail)).toString("base64");
      const names = countsOf(image);
      const { width, height } = thumbnail;
      cells.push(
        `<figure><img src="data:image/webp;base64,${webp}" width="${width}" height="${height}" alt="${escaped(names)}">` +
          `<figcaption><b>${escaped(image.file)}</b> ${escaped(names)}</figcaption></figure>`,
      );
    }
    // Objects of one class have a colour each.
    const legend = Array.from(this.#colours.size > 1 ? this.#colours : [], ([name, colour]) => {
      return `<li><i style="background:rgb(${colour.join(",")})"></i>${escaped(name)}</li>`;
    });
    const shown = this.#cells.length === this.#all ? "" : ` of ${this.#all}`;
    return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>Contact sheet</title>
<style>
:root { color-scheme: light dark; font: 14px/1.4 system-ui, sans-serif }
body { margin: 1rem }
main { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(${side}px, 1fr)) }
figure { margin: 0 }
figcaption { overflow-wrap: anywhere }
ul { display: flex; flex-wrap: wrap; gap: .3rem 1rem; list-style: none; padding: 0 }
i { display: inline-block; width: .8em; height: .8em; margin-right: .4em; border-radius: 2px }
</style>
<h1>${count(this.#cells.length, "picture")}${shown}</h1>
<ul>${legend.join("")}</ul>
<main>
${cells.join("\n")}
</main>
</html>
`;
  }
}

/** `2 cat, 1 dog`; what has no mask apart. */
function countsOf({ objects }: LabelledImage): string {
  const counts = new Map<string, number>();
  for (const object of objects) {
    const name = `${object.category ?? "object"}${hasMask(object) ? "" : " without a mask"}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return Array.from(counts, ([name, number]) => `${number} ${name}`).join(", ");
}

async function thumbnailOf(image: LabelledImage, item: Item, colours: ReadonlyMap<string, Rgb>): Promise<RawImage> {
  const picture = await item.read();
  const head = await item.head();
  const stored = head !== undefined && labelPixels(image, head.size, head.orientation) === "stored";
  const size = fittedSize(picture, side);
  const objects = image.objects.filter(hasMask).flatMap((given) => {
    const object = stored ? turnObject(given, image, head.orientation) : given;
    const rle = shapeMask(object.shape, picture);
    if (rle === undefined) return [];
    const colour = colours.size > 1 ? colours.get(object.category ?? "") : undefined;
    return [{ mask: smallMask(decodeRle(rle), size), area: rleArea(rle), ...(colour && { colour }) }];
  });
  // The parts of a thing lie above it, whatever the order that they were found in.
  objects.sort((a, b) => b.area - a.area);
  return overlay(smallImage(picture, size), objects, { outline: 2 });
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
