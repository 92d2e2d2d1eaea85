/** Edges moved and rounded: Serra's dilation and erosion by a disk, and the median that a Gaussian at half its height is. */
import { checkInteger, checkOption } from "../options.ts";
import { areaAround, blurMask } from "./blur.ts";
import { dilate } from "./dilate.ts";
import { checkMask, type Mask } from "./mask.ts";

/**
 * The mask with its edge moved outwards by `pixels`, inwards where they are negative: dilated or eroded by a disk. An
 * object goes on beyond the image's border, which therefore does not wear it away. Throws a `MaskError` for what is no
 * mask, a `PromptError` "bad-option" for pixels that are no integer from -4096 to 4096.
 */
export function growMask(mask: Mask, pixels: number): Mask {
  checkMask("growMask", mask);
  checkInteger("growMask", { pixels }, -4096, 4096);
  const { width, height, data } = mask;
  if (pixels >= 0) return { width, height, data: ones(dilate(data, width, pixels)) };
  const outside = data.map((pixel) => (pixel === 0 ? 1 : 0));
  return { width, height, data: dilate(outside, width, -pixels).map((pixel) => 1 - pixel) };
}

/**
 * The mask with corners, notches and frayed edges rounded off: the pixels that are mostly object under a Gaussian of sigma
 * `radius`. Parts and gaps that are thin beside it go. Throws a `MaskError` for what is no mask, a `PromptError`
 * "bad-option" for a radius that is not above 0, to 1024.
 */
export function smoothMask(mask: Mask, radius: number): Mask {
  checkMask("smoothMask", mask);
  checkOption("smoothMask", { radius }, "above 0, to 1024", radius > 0 && radius <= 1024);
  const { width, height } = mask;
  const data = new Uint8Array(width * height);
  const area = areaAround(mask, Math.ceil(3 * radius));
  if (area !== undefined) {
    const soft = blurMask(mask, area, radius, 3 * radius);
    for (let y = 0; y < area.height; y++) {
      for (let x = 0; x < area.width; x++) {
        if ((soft[y * area.width + x] as number) > 0.5) data[(area.y + y) * width + area.x + x] = 1;
      }
    }
  }
  return { width, height, data };
}

function ones(data: Uint8Array): Uint8Array {
  return data.map((pixel) => (pixel === 0 ? 0 : 1));
}
