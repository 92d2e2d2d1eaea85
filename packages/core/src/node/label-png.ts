import { promisify } from "node:util";
import { crc32, deflate, inflate } from "node:zlib";
import type { LabelMap } from "../eval/masklets.ts";
import type { Zlib } from "../image/png.ts";
import type { MaskLabels } from "../mask/arrange.ts";
import { decodeLabelPng as decode, encodeLabelPng as encode } from "../mask/label-png.ts";

/** Node's own. */
export const zlib: Zlib = {
  deflate: promisify<Uint8Array, Uint8Array>(deflate),
  inflate: (data, maxOutputLength) => promisify(inflate)(data, { maxOutputLength }),
  crc32,
};

/**
 * A label map as an 8-bit palette PNG; as 16 bits of grey where a label is above 255. Rejects with an `ImageError`:
 * "image-size", "image-data-length".
 */
export function encodeLabelPng(map: LabelMap | MaskLabels): Promise<Uint8Array> {
  return encode(map, zlib);
}

/**
 * The label map of a PNG: palette indices as they are, or grey levels of up to 8 bits. `name` is how errors call it. Rejects with an
 * `ImageError`: "image-format" for what is no PNG or one of another kind, "image-corrupt", "image-too-large".
 */
export function decodeLabelPng(bytes: Uint8Array, name = "bytes"): Promise<LabelMap> {
  return decode(bytes, zlib, name);
}
