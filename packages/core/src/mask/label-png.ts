/**
 * Label maps as PNG: the pixel is the object's id, the palette is DAVIS's, so that a viewer shows the ids as colours and
 * a program reads them as they are.
 */
import { ImageError } from "../errors.ts";
import type { LabelMap } from "../eval/masklets.ts";
import { checkSize } from "../image/image.ts";
import { decodePng, encodeChunks, type Zlib } from "../image/png.ts";
import type { MaskLabels } from "./arrange.ts";

const GREY = 0;
const PALETTE = 3;

/** The palette of DAVIS and PASCAL VOC: each id's bits, three at a time from the lowest, are the highest bits of red, green and blue. */
export function davisPalette(): Uint8Array {
  const palette = new Uint8Array(256 * 3);
  for (let id = 0; id < 256; id++) {
    for (let bit = 0; bit < 8; bit++) {
      for (let channel = 0; channel < 3; channel++) {
        const at = 3 * id + channel;
        palette[at] = (palette[at] as number) | (((id >> (3 * bit + channel)) & 1) << (7 - bit));
      }
    }
  }
  return palette;
}

/**
 * A label map as an 8-bit palette PNG; as 16 bits of grey where a label is above 255. Rejects with an `ImageError`:
 * "image-size", "image-data-length".
 */
export async function encodeLabelPng({ width, height, data }: LabelMap | MaskLabels, zlib: Zlib): Promise<Uint8Array> {
  checkSize("encodeLabelPng", { width, height });
  if (data.length !== width * height) {
    throw new ImageError(
      "image-data-length",
      `encodeLabelPng: ${width}x${height} takes ${width * height} labels, got ${data.length}`,
      {
        details: { width, height, length: data.length },
      },
    );
  }
  const isDeep = data.some((label) => label > 255);
  const bytes = isDeep ? 2 : 1;
  const stride = bytes * width + 1; // each row after its filter's number, none
  const rows = new Uint8Array(height * stride);
  for (let y = 0; y < height; y++) {
    const row = data.subarray(y * width, (y + 1) * width);
    if (!isDeep) rows.set(row, y * stride + 1);
    else for (const [x, label] of row.entries()) rows.set([label >> 8, label & 255], y * stride + 1 + 2 * x);
  }
  const header = new Uint8Array(13);
  const fields = new DataView(header.buffer);
  fields.setUint32(0, width);
  fields.setUint32(4, height);
  header.set([8 * bytes, isDeep ? GREY : PALETTE, 0, 0, 0], 8);
  return encodeChunks(
    [
      ["IHDR", header],
      ...(isDeep ? [] : ([["PLTE", davisPalette()]] as const)),
      ["IDAT", await zlib.deflate(rows)],
      ["IEND", new Uint8Array(0)],
    ],
    zlib,
  );
}

/**
 * The label map of a PNG: palette indices as they are, or grey levels of up to 8 bits. `name` is how errors call it.
 * Rejects with an `ImageError`: "image-format" for what is no PNG or one of another kind, "image-corrupt",
 * "image-too-large".
 */
export async function decodeLabelPng(file: Uint8Array, zlib: Zlib, name = "bytes"): Promise<LabelMap> {
  const { width, height, kind, depth, data } = await decodePng(file, zlib, { name });
  if ((kind !== "palette" && kind !== "grey") || data instanceof Uint16Array) {
    throw new ImageError(
      "image-format",
      `${name}: is no label map: it needs a palette or at most 8 bits of grey, got ${kind} of ${depth} bits`,
      { details: { file: name, kind, depth } },
    );
  }
  return { width, height, data };
}
