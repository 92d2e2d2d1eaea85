import type { LabelMap } from "../eval/masklets.ts";
import type { Zlib } from "../image/png.ts";
import type { MaskLabels } from "../mask/arrange.ts";
import { decodeLabelPng as decode, encodeLabelPng as encode } from "../mask/label-png.ts";

/** The page's own. */
export const zlib: Zlib = {
  deflate: (data) => through(data, new CompressionStream("deflate"), Number.POSITIVE_INFINITY),
  inflate: (data, maxLength) => through(data, new DecompressionStream("deflate"), maxLength),
};

/** What a stream makes of `data`; rejects as soon as that is longer than `maxLength`. */
async function through(
  data: Uint8Array,
  stream: CompressionStream | DecompressionStream,
  maxLength: number,
): Promise<Uint8Array> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  const reader = new Blob([data.slice()]).stream().pipeThrough(stream).getReader(); // Safari iterates over no stream
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return new Uint8Array(await new Blob(chunks).arrayBuffer());
    length += value.length;
    if (length > maxLength) {
      await reader.cancel();
      throw new RangeError(`more than ${maxLength} bytes`);
    }
    chunks.push(value);
  }
}

/**
 * A label map as an 8-bit palette PNG; as 16 bits of grey where a label is above 255. Rejects with an `ImageError`:
 * "image-size", "image-data-length".
 */
export function encodeLabelPng(map: LabelMap | MaskLabels): Promise<Uint8Array> {
  return encode(map, zlib);
}

/**
 * The label map of a PNG, the indices of its palette as they are, which no `<img>` or canvas tells; or grey levels of up to 8 bits. `name`
 * is how errors call it. Rejects with an `ImageError`: "image-format" for what is no PNG or one of another kind,
 * "image-corrupt", "image-too-large".
 */
export function decodeLabelPng(bytes: Uint8Array, name = "bytes"): Promise<LabelMap> {
  return decode(bytes, zlib, name);
}
