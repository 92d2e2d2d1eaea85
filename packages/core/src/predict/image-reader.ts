import type { AbortSignalLike } from "../abort.ts";
import type { ImageLimits, RawImage } from "../image/image.ts";

/** Opens an image that is no pixels yet: a path, an address, an element. Rejects with an `ImageError`. */
export type ImageReader<Source> = (
  source: Source,
  options: ImageLimits & { readonly signal?: AbortSignalLike },
) => Promise<RawImage>;

/** Tells pixels from what a reader opens: of all that has a width and a height, they alone have channels. */
export function isPixels<Source>(image: RawImage | Source): image is RawImage {
  return typeof image === "object" && image !== null && "channels" in image;
}
