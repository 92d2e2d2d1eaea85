/**
 * A hole filled by the smooth surface between the pixels around it: the solution of Laplace's equation with the border's
 * colours as its values, as in Perez et al. 2003 ("Poisson image editing") with a gradient of 0. Multigrid, from coarse
 * to fine: each level begins with the one below it and is smoothed by Gauss-Seidel sweeps.
 */
import type { RawImage } from "../image/image.ts";
import { areaAround } from "./blur.ts";
import type { Mask } from "./mask.ts";

/** One level: colours [height, width, channels], and where they are to be found. */
interface Level {
  readonly width: number;
  readonly height: number;
  readonly data: Float32Array;
  readonly hole: Uint8Array;
}

/** Sweeps a level. Errors as wide as the level's pixels are gone after a few; wider ones went on the levels below. */
const sweeps = 12;

/** `image` with the pixels of `hole` filled, all others as they are; grey if nothing is left around it. */
export function fillSmoothly(image: RawImage, hole: Mask): RawImage {
  const { width, channels } = image;
  const data = new Uint8Array(image.data);
  const area = areaAround(hole, 1); // all it depends on
  if (area === undefined) return { ...image, data };
  const finest: Level = {
    width: area.width,
    height: area.height,
    data: new Float32Array(area.width * area.height * channels).fill(128),
    hole: new Uint8Array(area.width * area.height),
  };
  for (let y = 0; y < area.height; y++) {
    for (let x = 0; x < area.width; x++) {
      const at = y * area.width + x;
      const from = (area.y + y) * width + area.x + x;
      if (hole.data[from] !== 0) finest.hole[at] = 1;
      else for (let c = 0; c < channels; c++) finest.data[at * channels + c] = data[from * channels + c] as number;
    }
  }
  solve(finest, channels);
  for (let at = 0; at < finest.hole.length; at++) {
    if (finest.hole[at] === 0) continue;
    const to = ((area.y + Math.floor(at / area.width)) * width + area.x + (at % area.width)) * channels;
    for (let c = 0; c < channels; c++) data[to + c] = Math.round(finest.data[at * channels + c] as number);
  }
  return { ...image, data };
}

function solve(level: Level, channels: number): void {
  const { width, height, data, hole } = level;
  if (width > 1 || height > 1) {
    const coarse = halve(level, channels);
    if (coarse.hole.includes(1)) solve(coarse, channels);
    for (let at = 0; at < hole.length; at++) {
      if (hole[at] === 0) continue;
      const from = ((Math.floor(at / width) >> 1) * coarse.width + ((at % width) >> 1)) * channels;
      for (let c = 0; c < channels; c++) data[at * channels + c] = coarse.data[from + c] as number;
    }
  }
  for (let i = 0; i < sweeps; i++) smooth(level, channels);
}

/** Half as large; a pixel is the mean of those of its four that are known, and a hole if none is. */
function halve({ width, height, data, hole }: Level, channels: number): Level {
  const half = { width: (width + 1) >> 1, height: (height + 1) >> 1 };
  const out = new Float32Array(half.width * half.height * channels);
  const known = new Uint8Array(half.width * half.height);
  for (let at = 0; at < hole.length; at++) {
    if (hole[at] !== 0) continue;
    const to = (Math.floor(at / width) >> 1) * half.width + ((at % width) >> 1);
    known[to] = (known[to] as number) + 1;
    for (let c = 0; c < channels; c++) {
      out[to * channels + c] = (out[to * channels + c] as number) + (data[at * channels + c] as number);
    }
  }
  for (let at = 0; at < out.length; at++) {
    const count = known[Math.floor(at / channels)] as number;
    out[at] = count === 0 ? 128 : (out[at] as number) / count;
  }
  return { ...half, data: out, hole: known.map((count) => (count === 0 ? 1 : 0)) };
}

/** Each pixel of the hole becomes the mean of its neighbours; at the image's border, of those it has. */
function smooth({ width, height, data, hole }: Level, channels: number): void {
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      if (hole[at] === 0) continue;
      const neighbours = Number(x > 0) + Number(x < width - 1) + Number(y > 0) + Number(y < height - 1);
      if (neighbours === 0) continue;
      for (let i = at * channels; i < (at + 1) * channels; i++) {
        const sum =
          (x > 0 ? (data[i - channels] as number) : 0) +
          (x < width - 1 ? (data[i + channels] as number) : 0) +
          (y > 0 ? (data[i - width * channels] as number) : 0) +
          (y < height - 1 ? (data[i + width * channels] as number) : 0);
        data[i] = sum / neighbours;
      }
    }
  }
}
