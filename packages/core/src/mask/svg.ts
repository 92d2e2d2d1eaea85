/** Masks as SVG: one path each, holes and all, filled with the even-odd rule. */
import { MaskError } from "../errors.ts";
import type { Rgb } from "../image/image.ts";
import { checkMaskFits, type Mask } from "./mask.ts";
import { paletteColour } from "./palette.ts";
import { maskRegions, type PolygonOptions, type Region, type Ring } from "./polygon.ts";

/**
 * The path data (`d`) of regions, for `fill-rule="evenodd"`, in pixels of the image. Corners are whole numbers and
 * steps relative, which keeps it short. "" for no regions.
 */
export function svgPath(regions: readonly Region[]): string {
  return regions.map(({ outline, holes }) => [outline, ...holes].map(ringPath).join("")).join("");
}

function ringPath(ring: Ring): string {
  let [x, y] = ring as unknown as readonly [number, number];
  let path = `M${x} ${y}`;
  for (let i = 2; i < ring.length; i += 2) {
    const dx = (ring[i] as number) - x;
    const dy = (ring[i + 1] as number) - y;
    x += dx;
    y += dy;
    path += dy === 0 ? `h${dx}` : dx === 0 ? `v${dy}` : `l${dx} ${dy}`;
  }
  return `${path}z`;
}

/** One object of an SVG. */
export interface SvgObject {
  readonly mask: Mask;
  /** Becomes the path's `id`. */
  readonly id?: string;
  /** Fill; the palette's next if not given. */
  readonly colour?: Rgb;
}

/**
 * A whole SVG document of the objects' common size, a path for each. At tolerance 0 drawing it at its own size gives
 * every mask back exactly. Throws a `MaskError` for masks that are none, differ in size, or if there are none at all
 * (`no-objects`).
 */
export function svgDocument(objects: readonly SvgObject[], options?: PolygonOptions): string {
  const first = objects[0]?.mask;
  if (first === undefined) throw new MaskError("no-objects", "svgDocument: needs at least one object");
  const { width, height } = first;
  const paths = objects.map(({ mask, id, colour }, i) => {
    checkMaskFits("svgDocument", mask, first);
    const fill = `#${(colour ?? paletteColour(i)).map((c) => c.toString(16).padStart(2, "0")).join("")}`;
    const name = id === undefined ? "" : ` id="${escapeXml(id)}"`;
    return `  <path${name} fill="${fill}" fill-rule="evenodd" d="${svgPath(maskRegions(mask, options))}"/>\n`;
  });
  const size = `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size}>\n${paths.join("")}</svg>\n`;
}

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => entities[character] as string);
}
