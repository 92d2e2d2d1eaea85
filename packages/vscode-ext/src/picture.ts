/** Pictures as they cross from one process to another. */
import type { RawImage } from "@masklet/core";
import type { WirePicture } from "./protocol.ts";

/** Pixels in a buffer of exactly their size, without alpha, which no model sees. */
export function wirePicture({ width, height, channels, data }: RawImage): WirePicture {
  if (channels === 3) return { width, height, channels, data: Uint8Array.from(data).buffer };
  const rgb = new Uint8Array(width * height * 3);
  for (let i = 0, j = 0; j < rgb.length; i += 4, j += 3) {
    rgb[j] = data[i] as number;
    rgb[j + 1] = data[i + 1] as number;
    rgb[j + 2] = data[i + 2] as number;
  }
  return { width, height, channels: 3, data: rgb.buffer };
}
