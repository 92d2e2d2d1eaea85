import { FrameError, VideoError } from "../errors.ts";
import { checkKeys } from "../options.ts";
import { compareFrameNames } from "../video/frame-names.ts";
import type { FrameSource } from "../video/frame-source.ts";
import { type ImageFromOptions, imageFrom, imageFromKeys } from "./image.ts";

/** Frames in files of their own. */
export interface FileFrames extends FrameSource {
  readonly count: number;
  /** The files' names, in the order of the frames. */
  readonly names: readonly string[];
}

/**
 * Images as frames, in any order: what `<input type="file" multiple webkitdirectory>` gives, for instance. Each is decoded
 * when it is asked for, as `imageFrom` does, and not kept. They are ordered by the numbers in their names (2 before 10,
 * `00002.jpg` as well as `shot-2.png`), which may have decimals and be negative; files that are no images by their type and hidden ones are left out.
 *
 * Rejects with a `VideoError`: "no-frames" (no image among them), "ambiguous-frames" (two that differ in nothing but how
 * the number or the ending is written), or as `imageFrom` for the first frame. A frame of another size than the first
 * rejects with a `FrameError` "frame-size" when it is read.
 */
export async function framesFromFiles(files: Iterable<File>, options: ImageFromOptions = {}): Promise<FileFrames> {
  checkKeys("framesFromFiles", options, imageFromKeys);
  const sorted = [...files]
    .filter(({ name, type }) => !name.startsWith(".") && (type === "" || type.startsWith("image/")))
    .sort((a, b) => compareFrameNames(stem(a), stem(b)));
  const [first] = sorted;
  if (first === undefined) throw new VideoError("no-frames", "framesFromFiles: there is no image among the files");
  for (const [i, file] of sorted.entries()) {
    const before = sorted[i - 1];
    if (before === undefined || compareFrameNames(stem(before), stem(file)) !== 0) continue;
    throw new VideoError(
      "ambiguous-frames",
      `framesFromFiles: ${before.name} and ${file.name} have the same number; give one of them`,
      { details: { names: [before.name, file.name] } },
    );
  }
  const { signal: _, ...limits } = options;
  const { width, height } = await imageFrom(first, options);
  return {
    size: { width, height },
    count: sorted.length,
    names: sorted.map(({ name }) => name),
    frame: async (index, { signal } = {}) => {
      const file = sorted[index];
      if (file === undefined) return undefined;
      const image = await imageFrom(file, { ...limits, ...(signal && { signal }) });
      if (image.width === width && image.height === height) return image;
      const got = `${image.width}x${image.height}`;
      throw new FrameError(
        "frame-size",
        `frame ${index} (${file.name}) is ${got}, ${first.name} is ${width}x${height}`,
        {
          details: {
            frame: index,
            name: file.name,
            width: image.width,
            height: image.height,
            expected: { width, height },
          },
        },
      );
    },
  };
}

const stem = ({ name }: File): string => name.replace(/\.[^.]*$/, "");
