import { MaskError } from "../errors.ts";
import type { RawImage, Size } from "../image/image.ts";
import { checkAwaited } from "../options.ts";

/** A binary mask, row by row from the top left: `data` is [height, width], 0 outside the object and 1 inside. */
export interface Mask extends Size {
  readonly data: Uint8Array;
}

/** `x` and `y` are its left and top edge, in pixels. COCO's `bbox` is `[x, y, width, height]`. */
export interface Box extends Size {
  readonly x: number;
  readonly y: number;
}

/** Of what has no pixels. */
export const emptyBox: Box = { x: 0, y: 0, width: 0, height: 0 };

/**
 * Throws a `MaskError` unless `mask` is one: `mask-size` for sizes that are no positive integers, `mask-data-length`
 * for data of another length. `where` opens the message.
 */
export function checkMask(where: string, mask: Mask): void {
  checkAwaited(where, "the mask", mask);
  const { width, height, data } = mask;
  if (!(Number.isSafeInteger(width) && Number.isSafeInteger(height) && width > 0 && height > 0)) {
    throw new MaskError("mask-size", `${where}: width and height must be positive integers, got ${width}x${height}`, {
      details: { width, height },
    });
  }
  if (data.length !== width * height) {
    throw new MaskError(
      "mask-data-length",
      `${where}: a ${width}x${height} mask has ${width * height} pixels, data has ${data.length}`,
      { details: { width, height, expected: width * height, length: data.length } },
    );
  }
}

/** The mask with pixels of its own, which the caller's later changes do not reach. Throws as `checkMask`. */
export function copyMask(where: string, mask: Mask): Mask {
  checkMask(where, mask);
  return { ...mask, data: mask.data.slice() };
}

/** Throws a `MaskError` (`mask-size-mismatch`) unless `mask` is a mask of exactly `size`. */
export function checkMaskFits(where: string, mask: Mask, size: Size): void {
  checkMask(where, mask);
  if (mask.width !== size.width || mask.height !== size.height) {
    throw new MaskError(
      "mask-size-mismatch",
      `${where}: the mask is ${mask.width}x${mask.height}, the image ${size.width}x${size.height}`,
      { details: { mask: [mask.width, mask.height], image: [size.width, size.height] } },
    );
  }
}

/** Pixels inside the object. */
export function maskArea({ data }: Mask): number {
  let area = 0;
  for (let i = 0; i < data.length; i++) area += data[i] === 0 ? 0 : 1;
  return area;
}

/** The smallest box around the object; all 0 if there is none. */
export function maskBox({ width, height, data }: Mask): Box {
  let left = width;
  let right = -1;
  let top = -1;
  let bottom = -1;
  for (let y = 0; y < height; y++) {
    const start = y * width;
    const end = start + width;
    let first = start;
    while (first < end && data[first] === 0) first++;
    if (first === end) continue;
    let last = end - 1;
    while (data[last] === 0) last--;
    if (top < 0) top = y;
    bottom = y;
    left = Math.min(left, first - start);
    right = Math.max(right, last - start);
  }
  return right < 0 ? emptyBox : { x: left, y: top, width: right - left + 1, height: bottom - top + 1 };
}

/** The mask as floats: one value outside the object, another inside. */
export function maskFloats({ data }: Mask, outside: number, inside: number): Float32Array {
  const floats = new Float32Array(data.length).fill(outside);
  for (let i = 0; i < data.length; i++) if (data[i] !== 0) floats[i] = inside;
  return floats;
}

/** The mask as a black and white RGB image, 0 or 255. */
export function maskImage(mask: Mask): RawImage {
  checkMask("maskImage", mask);
  const { width, height, data } = mask;
  const rgb = new Uint8Array(data.length * 3);
  for (let i = 0; i < data.length; i++) if (data[i] !== 0) rgb.fill(255, i * 3, i * 3 + 3);
  return { width, height, channels: 3, data: rgb };
}

/** IoU of two masks of one size; 1 where both are empty. */
export function maskIou(a: Mask, b: Mask): number {
  checkMaskFits("maskIou", b, a);
  let both = 0;
  let either = 0;
  for (let i = 0; i < a.data.length; i++) {
    const [inA, inB] = [a.data[i] !== 0, b.data[i] !== 0];
    if (inA || inB) either++;
    if (inA && inB) both++;
  }
  return either === 0 ? 1 : both / either;
}
