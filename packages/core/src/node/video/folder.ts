import { readdir } from "node:fs/promises";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { AbortSignalLike } from "../../abort.ts";
import { FrameError, VideoError } from "../../errors.ts";
import type { ImageLimits } from "../../image/image.ts";
import type { FrameSource } from "../../video/frame-source.ts";
import { systemReason } from "../files.ts";
import { readImage } from "../image.ts";

export interface FolderOptions extends ImageLimits {
  /** For the opening. */
  readonly signal?: AbortSignalLike;
}

/** The frames of a folder. */
export interface FolderFrames extends FrameSource {
  readonly count: number;
  /** The files' names, in the order of the frames. */
  readonly names: readonly string[];
}

const extensions: ReadonlySet<string> = new Set([
  ".jpg",
  ".jpeg",
  ".png",
  ".webp",
  ".avif",
  ".tif",
  ".tiff",
  ".gif",
  ".bmp",
]);

/**
 * The images of a folder as frames, in any order; each is decoded when it is asked for, as `readImage` does (EXIF
 * orientation applied), and not kept. They are ordered by the numbers in their names (2 before 10, `00002.jpg` as well
 * as `shot-2.png`); other files and hidden ones are left out. Reference: sam2/utils/misc.py, which takes JPEG only.
 *
 * Rejects with a `VideoError`: "not-found" (no such folder), "no-frames" (no image in it), "ambiguous-frames" (two files
 * that differ in nothing but how the number or the ending is written), or as `readImage` for the first frame. A frame of
 * another size than the first rejects with a `FrameError` "frame-size" when it is read.
 */
export async function framesFromFolder(
  folder: string | URL,
  { maxPixels, signal }: FolderOptions = {},
): Promise<FolderFrames> {
  signal?.throwIfAborted();
  const path = folder instanceof URL ? fileURLToPath(folder) : folder;
  const found = await readdir(path, { withFileTypes: true }).catch((cause: unknown) => {
    throw new VideoError("not-found", `${path} is no folder that can be read: ${systemReason(cause)}`, {
      cause,
      details: { path },
    });
  });
  const names = found
    .filter((entry) => !entry.isDirectory() && !entry.name.startsWith("."))
    .map(({ name }) => name)
    .filter(isImageName)
    .sort((a, b) => order.compare(stem(a), stem(b)));
  const [first] = names;
  if (first === undefined) {
    throw new VideoError("no-frames", `${path} has no image (${[...extensions].join(", ")})`, {
      details: { path },
    });
  }
  const twice = names.findIndex((name, i) => i > 0 && order.compare(stem(names[i - 1] as string), stem(name)) === 0);
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
    });
  const { width, height } = await read(first, signal);
  return {
    size: { width, height },
    count: names.length,
    names,
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

const order = new Intl.Collator("en", { numeric: true, sensitivity: "variant" });

function stem(name: string): string {
  return name.slice(0, -extname(name).length);
}
