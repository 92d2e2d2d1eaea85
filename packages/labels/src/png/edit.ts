/** Label maps edited where they stand: palette, bit depth, transparency and texts stay, and no pixel changes but those asked for. */

import { decodeRle, encodeChunks, type Rle, type Size } from "@masklet/core";
import { checkKeys, type Keys } from "@masklet/core/backend";
import { zlibSync } from "fflate";
import { LabelError } from "../errors.ts";
import { concat, decodePng } from "./png.ts";

export interface LabelMapEdits {
  /** New masks by value; `undefined` takes the object away. Of masks that overlap, the later lies in front. */
  readonly masks: ReadonlyMap<number, Rle | undefined>;
  /** What takes the place of a value's pixels that are no longer in its mask; 0 if not given. */
  readonly background?: number;
  /** Values whose pixels no mask takes: 255, the void, where depth has it, if not given. */
  readonly keep?: ReadonlySet<number>;
}

/**
 * A palette or grey PNG with some of its values' pixels changed. Without a change the bytes are the same; else the pixels alone
 * are written anew, without interlace. Throws a `LabelError`: as `decodePng`, "png-unsupported" for colours, "cannot-write" for a
 * value that its bits or its palette do not hold, or a mask of another size.
 */
export function editLabelMap(file: Uint8Array, edits: LabelMapEdits, name = "bytes"): Uint8Array {
  checkKeys("editLabelMap", edits, editKeys);
  const { width, height, kind, depth, samples, palette } = decodePng(file, name);
  if (kind !== "palette" && kind !== "grey") {
    throw new LabelError("png-unsupported", `${name}: ${kind} of ${depth} bits is no label map`, {
      details: { file: name },
    });
  }
  const { masks, background = 0, keep = new Set(depth === 8 ? [255] : []) } = edits;
  for (const value of [background, ...masks.keys()]) {
    const values = palette === undefined ? 2 ** depth : palette.length / 3;
    if (Number.isInteger(value) && value >= 0 && value < values) continue;
    throw new LabelError("cannot-write", `${name}: has ${values} values to a pixel, and ${value} is none of them`, {
      details: { file: name, value },
    });
  }
  const changed = samples.slice();
  for (let i = 0; i < samples.length; i++) if (masks.has(samples[i] as number)) changed[i] = background;
  for (const [value, rle] of masks) {
    if (rle === undefined) continue;
    if (rle.size[0] !== height || rle.size[1] !== width) {
      const sizes = `${rle.size[1]}x${rle.size[0]}, the map ${width}x${height}`;
      throw new LabelError("cannot-write", `${name}: the mask of ${value} is ${sizes}`, {
        details: { file: name, value },
      });
    }
    const { data } = decodeRle(rle);
    for (let i = 0; i < data.length; i++) {
      if (data[i] !== 0 && !keep.has(samples[i] as number)) changed[i] = value;
    }
  }
  if (changed.every((value, i) => value === samples[i])) return file;
  return withPixels(file, { width, height }, depth, changed);
}

const signature = 8;
/** Length, type and checksum. */
const around = 12;

/** The file with other pixels: its chunks in their order, the first IDAT changed and the others gone. */
function withPixels(file: Uint8Array, size: Size, depth: number, samples: Uint8Array | Uint16Array): Uint8Array {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const parts: Uint8Array[] = [file.subarray(0, signature)];
  let pixels: Uint8Array | undefined = chunkOf("IDAT", zlibSync(packed(size, depth, samples), { level: 9 }));
  for (let at = signature; at + around <= file.length; ) {
    const end = at + around + view.getUint32(at);
    const type = String.fromCharCode(...file.subarray(at + 4, at + 8));
    if (type === "IHDR") {
      const header = file.slice(at + 8, end - 4);
      header[12] = 0; // no interlace
      parts.push(chunkOf("IHDR", header));
    } else if (type !== "IDAT") parts.push(file.subarray(at, end));
    else if (pixels !== undefined) {
      parts.push(pixels);
      pixels = undefined;
    }
    at = end;
  }
  return concat(parts);
}

function chunkOf(type: "IHDR" | "IDAT", content: Uint8Array): Uint8Array {
  return encodeChunks([[type, content]]).subarray(signature);
}

/** Rows of samples of 1 to 16 bits, the first in the highest bits, each after the number of its filter: none. */
function packed({ width, height }: Size, depth: number, samples: Uint8Array | Uint16Array): Uint8Array {
  const stride = Math.ceil((width * depth) / 8);
  const raw = new Uint8Array(height * (stride + 1));
  for (let y = 0, from = 0; y < height; y++) {
    const row = y * (stride + 1) + 1;
    for (let x = 0; x < width; x++, from++) {
      const value = samples[from] as number;
      if (depth === 16) {
        raw[row + 2 * x] = value >> 8;
        raw[row + 2 * x + 1] = value;
      } else {
        const bit = x * depth;
        raw[row + (bit >> 3)] = (raw[row + (bit >> 3)] as number) | (value << (8 - depth - (bit & 7)));
      }
    }
  }
  return raw;
}

const editKeys: Keys<LabelMapEdits> = { masks: true, background: true, keep: true };
