/** Pictures as Figma has them, and as it takes them. */
import { encodeChunks, type RawImage } from "@masklet/core";
import { imageFrom } from "@masklet/core/web";
import type { Size } from "../geometry.ts";
import { PluginError } from "../protocol.ts";

/** Figma's limit for each side of an image. */
export const longest = 4096;

/** What a file of Figma counts colours in. */
export type Colours = "srgb" | "display-p3";

/**
 * The pixels of stored bytes, at the size and orientation in which Figma draws them: `width` and `height` are what Figma
 * says; in sRGB unless `colours` says otherwise. Of an animation the first frame. Rejects with a `PluginError` for what
 * this browser does not decode.
 */
export async function decodePicture(
  bytes: Uint8Array,
  { colours = "srgb", ...size }: Size & { readonly colours?: Colours },
): Promise<RawImage> {
  const is = ({ width, height }: Size): boolean => width === size.width && height === size.height;
  const read = colours === "srgb" ? readPixels : readWidePixels;
  try {
    const turned = await read(new Blob([bytes.slice()]));
    if (is(turned)) return turned;
    // Where Figma did not turn what a camera marked as turned. Browsers have no way to ask for that any more.
    const stored = await read(new Blob([withoutExif(bytes)]));
    if (is(stored)) return stored;
  } catch (error) {
    throw new PluginError("image-missing", "This image cannot be read here. Flatten the layer and try again.", error);
  }
  throw new PluginError(
    "image-missing",
    `Figma says that the image is ${size.width} x ${size.height}, its file says another size.`,
  );
}

/** How many pictures a GIF has; 1 for other files, and for a GIF that ends too early. */
export function frameCount(bytes: Uint8Array): number {
  const at = (i: number): number => bytes[i] ?? 0;
  if (at(0) !== 0x47 || at(1) !== 0x49 || at(2) !== 0x46) return 1; // "GIF"
  const colourTable = (flags: number): number => ((flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1));
  let [i, frames] = [13 + colourTable(at(10)), 0];
  while (i < bytes.length && at(i) !== 0x3b) {
    if (at(i) === 0x2c) {
      frames++;
      i += 11 + colourTable(at(i + 9)); // the descriptor, and the code size
    } else if (at(i) === 0x21) i += 2;
    else break;
    while (i < bytes.length && at(i) !== 0) i += at(i) + 1;
    i++;
  }
  return Math.max(1, frames);
}

const readPixels = (blob: Blob): Promise<RawImage> => imageFrom(blob, { maxPixels: Number.POSITIVE_INFINITY });

/** As `readPixels`, in Display P3, which core does not count in. */
async function readWidePixels(blob: Blob): Promise<RawImage> {
  const picture = await createImageBitmap(blob);
  const { width, height } = picture;
  const colours = { colorSpace: "display-p3" } as const;
  const context = new OffscreenCanvas(width, height).getContext("2d", colours);
  if (context === null) throw new RangeError(`there is no canvas of ${width} x ${height}`);
  context.drawImage(picture, 0, 0);
  picture.close();
  const { data } = context.getImageData(0, 0, width, height, colours);
  return { width, height, channels: 4, data };
}

/**
 * Whether a picture is drawn and no photograph: in drawings neighbours are often of one colour, in photographs the sensor's
 * noise makes them differ (0.57 of the neighbours are equal in the drawn scene of the examples, 0.12 to 0.21 in photographs).
 */
export function isDrawing({ width, height, channels, data }: RawImage): boolean {
  let [same, all] = [0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 1; x < width; x++) {
      const at = (y * width + x) * channels;
      if (channels === 4 && data[at + 3] === 0) continue;
      all++;
      const before = at - channels;
      if (data[at] === data[before] && data[at + 1] === data[before + 1] && data[at + 2] === data[before + 2]) same++;
    }
  }
  return same > 0.4 * all;
}

/** A JPEG without what a camera noted; every other file as it is. */
function withoutExif(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const kept: Uint8Array[] = [bytes.subarray(0, 2)];
  let at = bytes[0] === 0xff && bytes[1] === 0xd8 ? 2 : bytes.length;
  if (at === bytes.length) return bytes.slice();
  // Segments of a marker and a length; the picture itself begins after SOS.
  while (bytes[at] === 0xff && bytes[at + 1] !== 0xda && at + 3 < bytes.length) {
    const end = at + 2 + (((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number));
    const isExif = bytes[at + 1] === 0xe1 && bytes[at + 4] === 0x45 && bytes[at + 5] === 0x78; // "Ex"
    if (!isExif) kept.push(bytes.subarray(at, end));
    at = end;
  }
  kept.push(bytes.subarray(at));
  const out = new Uint8Array(kept.reduce((sum, { length }) => sum + length, 0));
  let to = 0;
  for (const part of kept) {
    out.set(part, to);
    to += part.length;
  }
  return out;
}

/** A picture as a PNG with straight alpha: a canvas would lose the colours of what is nearly transparent. */
export function encodePng(image: RawImage, colours: Colours = "srgb"): Promise<Uint8Array> {
  const { width, height, channels, data } = fitted(image);
  return png(channels === 4 ? 6 : 2, { width, height }, channels, data, colours);
}

/** The alpha of a picture alone: black, with it. Half of the samples, and nothing of the picture in it. */
export function encodeAlpha(image: RawImage): Promise<Uint8Array> {
  const { width, height, data } = fitted(image);
  const samples = new Uint8Array(2 * width * height);
  for (let i = 0; i < width * height; i++) samples[2 * i + 1] = data[4 * i + 3] as number;
  return png(4, { width, height }, 2, samples);
}

async function png(
  colourType: number,
  { width, height }: Size,
  channels: number,
  data: Uint8Array | Uint8ClampedArray,
  colours: Colours = "srgb",
): Promise<Uint8Array> {
  const stride = width * channels;
  const rows = new Uint8Array(height * (stride + 1));
  for (let y = 0; y < height; y++) {
    // Each sample less the one above it: flat areas pack to nothing.
    rows[y * (stride + 1)] = y === 0 ? 0 : 2;
    for (let i = 0; i < stride; i++) {
      const at = y * stride + i;
      rows[y * (stride + 1) + 1 + i] = (data[at] as number) - (y === 0 ? 0 : (data[at - stride] as number));
    }
  }
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint8(8, 8);
  header.setUint8(9, colourType);
  const packed = new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate"));
  return encodeChunks([
    ["IHDR", new Uint8Array(header.buffer)],
    // Coding-independent code points: P3's primaries, sRGB's curve, RGB, full range.
    ...(colours === "srgb" ? [] : [["cICP", Uint8Array.of(12, 13, 0, 1)] as const]),
    ["IDAT", new Uint8Array(await new Response(packed).arrayBuffer())],
    ["IEND", new Uint8Array()],
  ]);
}

/** Within Figma's limit: averaged down where it is larger. */
export function fitted(image: RawImage): RawImage {
  const factor = Math.max(image.width, image.height) / longest;
  if (factor <= 1) return image;
  const { channels, data } = image;
  const width = Math.round(image.width / factor);
  const height = Math.round(image.height / factor);
  const out = new Uint8Array(width * height * channels);
  for (let y = 0; y < height; y++) {
    const y0 = Math.floor((y * image.height) / height);
    const y1 = Math.max(y0 + 1, Math.floor(((y + 1) * image.height) / height));
    for (let x = 0; x < width; x++) {
      const x0 = Math.floor((x * image.width) / width);
      const x1 = Math.max(x0 + 1, Math.floor(((x + 1) * image.width) / width));
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let v = y0; v < y1; v++)
          for (let u = x0; u < x1; u++) sum += data[(v * image.width + u) * channels + c] as number;
        out[(y * width + x) * channels + c] = Math.round(sum / ((y1 - y0) * (x1 - x0)));
      }
    }
  }
  return { width, height, channels, data: out };
}
