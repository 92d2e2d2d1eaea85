/** Backgrounds in one call: an image in, its subject out, with the models that `segment` keeps. */
import { checkImage, defaultMaxPixels, type RawImage } from "../image/image.ts";
import type { Cutout } from "../mask/cutout.ts";
import { type Mask, maskImage } from "../mask/mask.ts";
import { checkAwaited, checkKeys, type Keys } from "../options.ts";
import { type ImageReader, isPixels } from "../predict/image-reader.ts";
import { type LoadedFacts, type ModelOptions, modelKeys, type Segment, type SegmentModel } from "../predict/segment.ts";
import {
  type BackgroundOptions,
  BackgroundRemover,
  backgroundKeys,
  type Foreground,
  flatForeground,
} from "./remove-background.ts";
import type { SubjectDoubt } from "./subject.ts";

/** What `removeBackground` made of an image. `Encoded` is what files come as: bytes in Node, a Blob in a page. */
export class BackgroundRemoval<Encoded> implements Foreground {
  /** The image's pixels. */
  readonly image: RawImage;
  readonly cutout: Cutout;
  readonly mask: Mask;
  readonly method: Foreground["method"];
  readonly predictedIou?: number;
  readonly sure: boolean;
  readonly unsure: readonly SubjectDoubt[];
  /** Which model found it; nothing where a flat background or a soft mask needed none. */
  readonly model?: SegmentModel;
  /** Whether nano was asked: as `SegmentResult.rough`. A flat background needs no model. */
  readonly rough: boolean;
  readonly #encodePng: (image: RawImage) => Promise<Encoded>;

  /** Made by `removeBackground`. */
  constructor(
    image: RawImage,
    { cutout, mask, method, predictedIou, sure, unsure }: Foreground,
    facts: LoadedFacts | undefined,
    encodePng: (image: RawImage) => Promise<Encoded>,
  ) {
    this.image = image;
    this.cutout = cutout;
    this.mask = mask;
    this.method = method;
    if (predictedIou !== undefined) this.predictedIou = predictedIou;
    this.sure = sure;
    this.unsure = unsure;
    this.rough = facts?.rough ?? false;
    if (facts !== undefined) {
      const { name, source, sha256 } = facts;
      this.model = { name, source, sha256 };
    }
    this.#encodePng = encodePng;
  }

  /** The cutout as a PNG file. */
  async png(): Promise<Encoded> {
    return this.#encodePng(this.cutout);
  }

  /** The mask as a PNG file, white on black. */
  async maskPng(): Promise<Encoded> {
    return this.#encodePng(maskImage(this.mask));
  }
}

/** Options of `removeBackground`. */
export interface RemoveBackgroundOptions<Model> extends BackgroundOptions, ModelOptions<Model> {}

/** `removeBackground` of a backend's package: it shares the models of that package's `segment`, whose `dispose` frees them. */
export type RemoveBackground<Source, Encoded, Model> = (
  image: RawImage | Source,
  options?: RemoveBackgroundOptions<Model>,
) => Promise<BackgroundRemoval<Encoded>>;

/** What differs between hosts. */
export interface RemoveBackgroundHost<Source, Encoded, Model> {
  readonly segment: Segment<Source, Encoded, Model>;
  readonly readImage: ImageReader<Source>;
  readonly encodePng: (image: RawImage) => Promise<Encoded>;
}

/** Makes `removeBackground` for a host. */
export function removeBackgroundOn<Source, Encoded, Model>({
  segment,
  readImage,
  encodePng,
}: RemoveBackgroundHost<Source, Encoded, Model>): RemoveBackground<Source, Encoded, Model> {
  return async (image, options = {}) => {
    checkKeys("removeBackground", options, { ...backgroundKeys, ...modelKeys } as Keys<RemoveBackgroundOptions<Model>>);
    checkAwaited("removeBackground", "the image", image);
    const { model, backend, dtype, onProgress, signal, ...background } = options;
    signal?.throwIfAborted();
    const { maxPixels } = background;
    const stop = signal && { signal };
    const pixels = isPixels(image)
      ? image
      : await readImage(image, { ...(maxPixels !== undefined && { maxPixels }), ...stop });
    checkImage("removeBackground", pixels, { maxPixels: maxPixels ?? defaultMaxPixels });
    const finished = (found: Foreground, facts?: LoadedFacts): BackgroundRemoval<Encoded> => {
      return new BackgroundRemoval(pixels, found, facts, encodePng);
    };
    const byColour = background.flat === false ? undefined : flatForeground(pixels, background);
    if (byColour !== undefined) return finished(byColour);
    if (background.finder !== undefined && background.sharpen === false) {
      const none = async (): Promise<never> => Promise.reject(new Error("a soft mask needs no model"));
      return finished(await new BackgroundRemover(none, background).remove(pixels, { ...stop }));
    }
    return segment.withModel(
      async (loaded, facts) => {
        const remover = new BackgroundRemover(loaded, { ...background, flat: false });
        return finished(await remover.remove(pixels, { ...stop }), facts);
      },
      {
        ...(model !== undefined && { model }),
        ...(backend && { backend }),
        ...(dtype && { dtype }),
        ...(onProgress && { onProgress }),
        ...stop,
      },
    );
  };
}
