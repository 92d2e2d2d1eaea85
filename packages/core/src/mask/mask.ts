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
export function maskBox({ width, data }: Mask): Box {
  const set = setBytes(data);
  if (set === undefined) return emptyBox;
  const [top, bottom] = [Math.floor(set.first / width), Math.floor(set.last / width)];
  let left = width;
  let right = -1;
  // Each row is read from its ends to where the box is already, so that what is inside is not read.
  for (let row = top * width; row <= bottom * width; row += width) {
    let x = 0;
    while (x < left && data[row + x] === 0) x++;
    left = x;
    x = width - 1;
    while (x > right && data[row + x] === 0) x--;
    right = x;
  }
  return { x: left, y: top, width: right - left + 1, height: bottom - top + 1 };
}

/** The first and the last byte that is not 0. Most of a mask is 0, which is passed over four bytes at a time. */
function setBytes(data: Uint8Array): { readonly first: number; readonly last: number } | undefined {
  const { buffer, byteOffset, length } = data;
  // Words begin at multiples of four.
  const ahead = Math.min(length, (4 - (byteOffset % 4)) % 4);
  const count = (length - ahead) >> 2;
  const words = count === 0 ? new Uint32Array() : new Uint32Array(buffer, byteOffset + ahead, count);
  let first = 0;
  while (first < ahead && data[first] === 0) first++;
  if (first === ahead) {
    let word = 0;
    while (word < words.length && words[word] === 0) word++;
    first += 4 * word;
    while (first < length && data[first] === 0) first++;
  }
  if (first === length) return undefined;
  let last = length - 1;
  while (last >= ahead + 4 * words.length && data[last] === 0) last--;
  if (last < ahead + 4 * words.length) {
    let word = words.length - 1;
    while (word >= 0 && words[word] === 0) word--;
    last = ahead + 4 * word + 3;
    while (data[last] === 0) last--;
  }
  return { first, last };
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
