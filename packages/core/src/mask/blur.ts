import { type Mask, maskBox } from "./mask.ts";

/** A rectangle of pixels that may reach over the edge of its image. */
export interface Area {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** What lies within `reach` pixels of the mask's box and in the image; `undefined` for a mask without pixels. */
export function areaAround(mask: Mask, reach: number): Area | undefined {
  const { x: boxX, y: boxY, width: boxWidth, height: boxHeight } = maskBox(mask);
  if (boxWidth === 0) return undefined;
  const [x, y] = [Math.max(0, boxX - reach), Math.max(0, boxY - reach)];
  const right = Math.min(mask.width, boxX + boxWidth + reach);
  const bottom = Math.min(mask.height, boxY + boxHeight + reach);
  return { x, y, width: right - x, height: bottom - y };
}

/**
 * A mask under a Gaussian, within `area` of the image: [area.height, area.width], 0 to 1. The kernel is cut at `radius`
 * pixels and sums to 1; beyond the image its border pixels go on, so an object cut by the border is not softened there.
 */
export function blurMask({ width, height, data }: Mask, area: Area, sigma: number, radius: number): Float32Array {
  const reach = Math.ceil(radius);
  const kernel = Float64Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-0.5 * ((i - reach) / sigma) ** 2));
  const total = kernel.reduce((sum, weight) => sum + weight, 0);
  for (let i = 0; i < kernel.length; i++) kernel[i] = (kernel[i] as number) / total;

  // Rows first, for every row the columns pass will look at.
  const between = new Float32Array((area.height + 2 * reach) * area.width);
  const padded = new Uint8Array(area.width + 2 * reach);
  let previous = -1;
  for (let r = 0; r < area.height + 2 * reach; r++) {
    const row = clamp(area.y + r - reach, height);
    const at = r * area.width;
    if (row === previous) {
      between.copyWithin(at, at - area.width, at);
      continue;
    }
    previous = row;
    for (let i = 0; i < padded.length; i++)
      padded[i] = data[row * width + clamp(area.x + i - reach, width)] === 0 ? 0 : 1;
    let ones = 0;
    for (let i = 0; i < 2 * reach; i++) ones += padded[i] as number;
    for (let x = 0; x < area.width; x++) {
      ones += padded[x + 2 * reach] as number;
      if (ones === kernel.length) between[at + x] = 1;
      else if (ones > 0) {
        let sum = 0;
        for (let k = 0; k < kernel.length; k++) if (padded[x + k] === 1) sum += kernel[k] as number;
        between[at + x] = sum;
      }
      ones -= padded[x] as number;
    }
  }

  const out = new Float32Array(area.width * area.height);
  for (let y = 0; y < area.height; y++) {
    const at = y * area.width;
    for (let k = 0; k < kernel.length; k++) {
      const weight = kernel[k] as number;
      const row = (y + k) * area.width;
      for (let x = 0; x < area.width; x++)
        out[at + x] = (out[at + x] as number) + (between[row + x] as number) * weight;
    }
  }
  return out;
}

function clamp(i: number, size: number): number {
  return i < 0 ? 0 : i < size ? i : size - 1;
}
