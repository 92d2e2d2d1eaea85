/**
 * PNG with its samples as they are: palette indices, ids of 16 bits, colours. Picture libraries and browsers turn them
 * into colours of 8 bits on the way. Compression is fflate's, so that there is no host and nothing to wait for.
 */
import { encodeChunks, ImageError, isPng, openPng, type PngSamples } from "@masklet/core";
import { unzlibSync, zlibSync } from "fflate";
import { LabelError } from "../errors.ts";

/** Samples of a PNG: `channels` to a pixel, row by row. */
export interface Png extends Omit<PngSamples, "data" | "transparent"> {
  readonly samples: Uint8Array | Uint16Array;
}

const colourTypes = { grey: 0, rgb: 2, palette: 3, "grey-alpha": 4, rgba: 6 } as const;

/**
 * The samples of a PNG. Throws a `LabelError`: "png-unsupported" for what is no PNG (JPEG does not keep ids),
 * "png-malformed" for one that is broken.
 */
export function decodePng(file: Uint8Array, name = "bytes"): Png {
  if (!isPng(file)) {
    throw new LabelError("png-unsupported", `${name}: is no PNG, and no other kind of picture keeps ids exactly`, {
      details: { file: name },
    });
  }
  try {
    const { compressed, length, unpack } = openPng(file, { name, maxPixels: 2 ** 28 });
    // Nothing is compressed farther than 1032 to 1: a header that promises more is not believed.
    if (length > compressed.length * 1032 + 64) throw new RangeError("has less in it than its header says");
    const { width, height, kind, channels, depth, data, palette } = unpack(
      unzlibSync(compressed, { out: new Uint8Array(length) }),
    );
    return { width, height, kind, channels, depth, samples: data, ...(palette && { palette: palette.slice() }) };
  } catch (cause) {
    const problem = cause instanceof ImageError ? cause.message : `${name}: ${(cause as Error).message}`;
    throw new LabelError("png-malformed", problem, { cause, details: { file: name } });
  }
}

/** A PNG of 8 or 16 bits, without interlace. */
export function encodePng({ width, height, kind, channels, depth, samples, palette }: Png): Uint8Array {
  if (depth < 8) throw new LabelError("png-unsupported", `encodePng: writes 8 or 16 bits, got ${depth}`);
  const bytes = depth >> 3;
  const stride = width * channels * bytes;
  const raw = new Uint8Array(height * (stride + 1));
  for (let y = 0, from = 0; y < height; y++) {
    let to = y * (stride + 1) + 1; // after the filter's number, none
    for (let i = 0; i < width * channels; i++, from++) {
      const value = samples[from] as number;
      if (bytes === 2) raw[to++] = value >> 8;
      raw[to++] = value;
    }
  }
  const header = new Uint8Array(13);
  const fields = new DataView(header.buffer);
  fields.setUint32(0, width);
  fields.setUint32(4, height);
  header.set([depth, colourTypes[kind]], 8);
  return encodeChunks([
    ["IHDR", header],
    ...(palette === undefined ? [] : ([["PLTE", palette]] as const)),
    ["IDAT", zlibSync(raw, { level: 6 })],
    ["IEND", new Uint8Array(0)],
  ]);
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
