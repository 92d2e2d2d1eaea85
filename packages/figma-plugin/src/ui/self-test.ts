/**
 * Asks a real Figma what can only be assumed from outside: draws images whose pixels tell their own place, and compares
 * what Figma shows with the maps that results rely on.
 */
import type { RawImage } from "@masklet/core";
import { type ImageGeometry, imageToLayer, invert, transformPoint } from "../geometry.ts";
import { messageOf } from "./batch.ts";
import type { Channel } from "./channel.ts";
import { decodePicture, encodePng } from "./pictures.ts";

const image = { width: 50, height: 40 };
const layer = { width: 150, height: 90 };
/** Steps of colour from one pixel to the next. */
const step = 5;

/** Red counts the columns, green the rows. */
function coded(): RawImage {
  const { width, height } = image;
  const data = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) data.set([x * step, y * step, 128], 3 * (y * width + x));
  }
  return { ...image, channels: 3, data };
}

const cases: readonly ImageGeometry[] = [
  { scaleMode: "CROP" },
  {
    scaleMode: "CROP",
    imageTransform: [
      [0.5, 0, 0.25],
      [0, 0.6, 0.1],
    ],
  },
  {
    scaleMode: "CROP",
    imageTransform: [
      [0.6, 0.2, 0.1],
      [-0.2, 0.6, 0.3],
    ],
  },
  ...(["FILL", "FIT"] as const).flatMap((scaleMode) => [0, 90, 180, 270].map((rotation) => ({ scaleMode, rotation }))),
  ...[0, 90, 180, 270].map((rotation) => ({ scaleMode: "TILE", rotation, scalingFactor: 3 }) as const),
];

/** A report in plain text. Does not reject: what fails is in it. */
export async function selfTest(channel: Channel): Promise<string> {
  const lines: string[] = ["Masklet Cutout self-test", navigator.userAgent];
  const say = async (what: string, ask: () => Promise<string>): Promise<void> => {
    const answer = await ask().catch((error: unknown) => `failed: ${messageOf(error)}`);
    lines.push(`${what}: ${answer}`);
  };
  lines.push(`origin ${self.origin}; secure ${isSecureContext}; WebGPU ${"gpu" in navigator}`);
  const stored = await channel.call("store", { bytes: await encodePng(coded()) }).catch(() => undefined);
  for (const geometry of cases) {
    await say(JSON.stringify(geometry), async () => {
      const { bytes } = await channel.call("specimen", { hash: stored?.hash ?? "", geometry, ...layer });
      return compare(await decodePicture(bytes, layer), geometry);
    });
  }
  await say("vector path from 10 20", async () => {
    const { data, x, y } = await channel.call("vector", { data: "M 10 20 L 110 20 L 110 70 Z" });
    return `becomes ${data} at ${x} ${y}`;
  });
  await say("40 MB to the main thread", async () => {
    const began = performance.now();
    const answer = await channel.call("store", { bytes: new Uint8Array(40_000_000) }).catch(messageOf);
    return `${JSON.stringify(answer)} after ${Math.round(performance.now() - began)} ms`;
  });
  return lines.join("\n");
}

function compare(shown: RawImage, geometry: ImageGeometry): string {
  const off = farthest(shown, geometry);
  if (off <= 1) return `as assumed, within ${off.toFixed(2)} pixels`;
  const { rotation = 0 } = geometry;
  const other = farthest(shown, { ...geometry, rotation: -rotation });
  return other <= 1 ? "TURNED THE OTHER WAY" : `OFF BY ${off.toFixed(1)} PIXELS`;
}

/** How far, in pixels of the image, Figma shows another one than the map says; infinite where it shows none. */
function farthest({ width, channels, data }: RawImage, geometry: ImageGeometry): number {
  const toImage = invert(imageToLayer(geometry, layer, image));
  let most = 0;
  for (let y = 4; y < layer.height; y += 9) {
    for (let x = 4; x < layer.width; x += 9) {
      const [u, v] = transformPoint(toImage, x + 0.5, y + 0.5);
      // Away from the image's edge, where neighbours are mixed in.
      if (u < 1.5 || v < 1.5 || u > image.width - 1.5 || v > image.height - 1.5) continue;
      const at = (y * width + x) * channels;
      if (channels === 4 && data[at + 3] !== 255) return Number.POSITIVE_INFINITY;
      const du = (data[at] as number) / step + 0.5 - u;
      const dv = (data[at + 1] as number) / step + 0.5 - v;
      most = Math.max(most, Math.abs(du), Math.abs(dv));
    }
  }
  return most;
}
