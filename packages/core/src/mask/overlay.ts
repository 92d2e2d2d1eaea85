import { MaskError } from "../errors.ts";
import { checkImage, type RawImage, type Rgb } from "../image/image.ts";
import { checkKeys, type Keys } from "../options.ts";
import { areaAround, blurMask } from "./blur.ts";
import { drawLabel } from "./label.ts";
import { checkMaskFits, type Mask } from "./mask.ts";
import { paletteColour } from "./palette.ts";

/** One object of an overlay. */
export interface OverlayObject {
  readonly mask: Mask;
  /** The palette's next if not given. */
  readonly colour?: Rgb;
  /** A word in the middle of it, its id for instance; none if not given. */
  readonly label?: string;
}

/** How objects are painted. */
export interface OverlayOptions {
  /** Share of the object's colour inside, 0 to 1; 0.4 if not given. */
  readonly fill?: number;
  /** Width of the outline in pixels, centred on the edge; if not given, 1/250 of the picture's shorter side, at least 2. */
  readonly outline?: number;
}

/**
 * The image with its objects tinted and outlined, later ones on top, and their labels above all; the same size and
 * channels. Edges are antialiased.
 * Throws an `ImageError` for what is no image, a `MaskError` for a mask of another size or an option out of range
 * (`overlay-option`).
 */
export function overlay(image: RawImage, objects: readonly OverlayObject[], options: OverlayOptions = {}): RawImage {
  checkKeys("overlay", options, overlayKeys);
  checkImage("overlay", image, { maxPixels: Number.POSITIVE_INFINITY });
  const { width, height, channels } = image;
  const { fill = 0.4, outline = Math.max(2, Math.min(width, height) / 250) } = options;
  if (!(fill >= 0 && fill <= 1)) throw optionError("fill", "0 to 1", fill);
  if (!(outline >= 0 && outline <= 256)) throw optionError("outline", "0 to 256 pixels", outline);

  const data = Uint8Array.from(image.data);
  for (const [i, { mask, colour = paletteColour(i) }] of objects.entries()) {
    checkMaskFits("overlay", mask, image);
    // Under a Gaussian an edge becomes a ramp that tells how far it is; it also rounds off the pixels' steps.
    const sigma = Math.max(1, outline / 2);
    const reach = Math.ceil(outline / 2 + 2 * sigma);
    const area = areaAround(mask, reach);
    if (area === undefined) continue;
    const soft = blurMask(mask, area, sigma, 3 * sigma);
    const paint = coverTable(sigma, fill, outline);
    for (let y = 0; y < area.height; y++) {
      for (let x = 0; x < area.width; x++) {
        const cover = paint[Math.round((soft[y * area.width + x] as number) * (paint.length - 1))] as number;
        if (cover === 0) continue;
        const at = ((area.y + y) * width + area.x + x) * channels;
        for (let c = 0; c < 3; c++) {
          const below = data[at + c] as number;
          data[at + c] = Math.round(below + ((colour[c] as number) - below) * cover);
        }
        if (channels === 4) data[at + 3] = Math.max(data[at + 3] as number, Math.round(cover * 255));
      }
    }
  }
  for (const [i, { mask, label, colour = paletteColour(i) }] of objects.entries()) {
    if (label !== undefined) drawLabel({ width, height, channels, data }, label, mask, colour);
  }
  return { width, height, channels, data };
}

/** Share of colour for each value, 0 to 1, of the blurred mask. */
function coverTable(sigma: number, fill: number, outline: number): Float32Array {
  const table = new Float32Array(1025);
  for (let i = 0; i < table.length; i++) {
    const inside = sigma * normalQuantile(i / (table.length - 1)); // signed distance to the edge, in pixels
    const interior = fill * ramp(inside);
    const line = outline === 0 ? 0 : Math.min(1, outline) * ramp(Math.max(outline, 1) / 2 - Math.abs(inside));
    table[i] = interior + (1 - interior) * line;
  }
  return table;
}

/** 0 outside to 1 inside over one pixel: the share of a pixel that a straight edge covers. */
function ramp(distance: number): number {
  return Math.min(1, Math.max(0, distance + 0.5));
}

/** How many deviations from the mean a normal variable stays below with this probability, within 5e-4 (Abramowitz and Stegun 26.2.23). */
function normalQuantile(probability: number): number {
  const tail = Math.min(probability, 1 - probability);
  if (tail === 0) return probability === 0 ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  const t = Math.sqrt(-2 * Math.log(tail));
  const z = t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
  return probability < 0.5 ? -z : z;
}

function optionError(option: string, expected: string, value: number): MaskError {
  return new MaskError("overlay-option", `overlay: ${option} must be ${expected}, got ${value}`, {
    details: { option, value },
  });
}

const overlayKeys: Keys<OverlayOptions> = { fill: true, outline: true };
