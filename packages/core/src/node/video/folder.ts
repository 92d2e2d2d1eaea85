import { open, readdir } from "node:fs/promises";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { AbortSignalLike } from "../../abort.ts";
import { FrameError, VideoError } from "../../errors.ts";
import type { ImageLimits, ImageWarning } from "../../image/image.ts";
import { checkKeys, type Keys } from "../../options.ts";
import { compareFrameNames } from "../../video/frame-names.ts";
import type { FrameSource } from "../../video/frame-source.ts";
import { systemReason } from "../files.ts";
import { readImage } from "../image.ts";

export interface FolderOptions extends ImageLimits {
  /** For the opening. */
  readonly signal?: AbortSignalLike;
  /** As `readImage`'s, for every frame. */
  readonly onWarning?: (warning: ImageWarning) => void;
}

/** The frames of a folder. */
export interface FolderFrames extends FrameSource {
  readonly count: number;
  /** The files' names, in the order of the frames. */
  readonly names: readonly string[];
  /** Files of the folder that look like images, by their ending or their first bytes, and are none of its frames. */
  readonly leftOut: readonly string[];
}

const extensions: ReadonlySet<string> = new Set([
  ...[".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".pjpeg", ".pjp"],
  ...[".png", ".webp", ".avif", ".tif", ".tiff", ".gif", ".bmp", ".dib"],
]);

/** Of images that are not read. */
const otherExtensions: ReadonlySet<string> = new Set([
  ...[".apng", ".arw", ".cr2", ".cr3", ".dcm", ".dng", ".exr", ".hdr", ".heic", ".heif", ".hif", ".ico"],
  ...[".j2k", ".jp2", ".jpx", ".jxl", ".jxr", ".nef", ".orf", ".pbm", ".pgm", ".pnm", ".ppm", ".psd", ".raf", ".raw"],
  ...[".rw2", ".svg", ".tga", ".xcf"],
]);

/** How the bytes of images begin: JPEG, PNG, GIF, TIFF, RIFF (WebP) and BMP. */
const magic = /^(\xff\xd8\xff|\x89PNG|GIF8|II\*\0|MM\0\*|RIFF....WEBP|BM.{8})/s;

/**
 * The images of a folder as frames, in any order; each is decoded when it is asked for, as `readImage` does (EXIF
 * orientation applied), and not kept. They are ordered by the numbers in their names (2 before 10, `00002.jpg` as well
 * as `shot-2.png`), which may have decimals (`1.25` before `1.3`) and be negative (`-1` before `0`); other files and hidden
 * ones are left out, and `leftOut` names those that look like images. Reference: sam2/utils/misc.py, which takes JPEG only.
 *
 * Rejects with a `VideoError`: "not-found" (no such folder), "no-frames" (no image in it), "ambiguous-frames" (two files
 * that differ in nothing but how the number or the ending is written), or as `readImage` for the first frame. A frame of
 * another size than the first rejects with a `FrameError` "frame-size" when it is read.
 */
export async function framesFromFolder(folder: string | URL, options: FolderOptions = {}): Promise<FolderFrames> {
  checkKeys("framesFromFolder", options, folderKeys);
  const { maxPixels, signal, onWarning } = options;
  signal?.throwIfAborted();
  const path = folder instanceof URL ? fileURLToPath(folder) : folder;
  const found = await readdir(path, { withFileTypes: true }).catch((cause: unknown) => {
    throw new VideoError("not-found", `${path} is no folder that can be read: ${systemReason(cause)}`, {
      cause,
      details: { path },
    });
  });
  const files = found.filter((entry) => !entry.isDirectory() && !entry.name.startsWith(".")).map(({ name }) => name);
  const compare = (a: string, b: string): number => compareFrameNames(stem(a), stem(b));
  const names = files.filter(isImageName).sort(compare);
  const [first] = names;
  if (first === undefined) {
    throw new VideoError("no-frames", `${path} has no image (${[...extensions].join(", ")})`, {
      details: { path },
    });
  }
  const twice = names.findIndex((name, i) => i > 0 && compare(names[i - 1] as string, name) === 0);
  if (twice > 0) {
    const [one, other] = names.slice(twice - 1) as [string, string];
    throw new VideoError(
      "ambiguous-frames",
      `${path}: ${one} and ${other} have the same number; keep one of them in the folder`,
      { details: { path, names: [one, other] } },
    );
  }
  const read = (name: string, stop: AbortSignalLike | undefined) =>
    readImage(join(path, name), {
      ...(maxPixels === undefined ? {} : { maxPixels }),
      ...(stop === undefined ? {} : { signal: stop }),
      ...(onWarning && { onWarning }),
    });
  const { width, height } = await read(first, signal);
  return {
    size: { width, height },
    count: names.length,
    names,
    leftOut: await imagesAmong(path, files.filter((name) => !isImageName(name)).sort(compare)),
    frame: async (index, options = {}) => {
      const name = names[index];
      if (name === undefined) return undefined;
      const image = await read(name, options.signal);
      if (image.width === width && image.height === height) return image;
      const got = `${image.width}x${image.height}`;
      throw new FrameError("frame-size", `frame ${index} (${name}) is ${got}, ${first} is ${width}x${height}`, {
        details: { frame: index, name, width: image.width, height: image.height, expected: [width, height] },
      });
    },
  };
}

/** Whether a file is taken for an image by its name's ending, in any case. */
export function isImageName(name: string): boolean {
  return extensions.has(extname(name).toLowerCase());
}

/** Those that look like images. */
async function imagesAmong(folder: string, names: readonly string[]): Promise<readonly string[]> {
  const images: string[] = [];
  let looked = 0;
  for (const name of names) {
    const known = otherExtensions.has(extname(name).toLowerCase());
    if (known || (looked++ < mostLookedInto && magic.test(await beginning(join(folder, name))))) images.push(name);
  }
  return images;
}

const mostLookedInto = 256;

/** The first bytes of a file, a character each; none of what cannot be read. */
async function beginning(path: string): Promise<string> {
  try {
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(12), 0, 12, 0);
      return buffer.toString("latin1", 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch {
    return "";
  }
}

function stem(name: string): string {
  return name.slice(0, -extname(name).length || undefined);
}

const folderKeys: Keys<FolderOptions> = { maxPixels: true, signal: true, onWarning: true };
