import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Backend } from "../backend/backend.ts";
import type { ByteSource } from "../checkpoint/byte-source.ts";
import { type Segment, segmentOn } from "../predict/segment.ts";
import { type RemoveBackground, removeBackgroundOn } from "../subject/one-call.ts";
import { autoModel, nanoName } from "./auto-model.ts";
import { encodePng, type ImageSource, readImage } from "./image.ts";
import { loadSam2 } from "./load.ts";

/** What `segment` takes as its `model`, besides one that is loaded. */
export type SegmentModelSource = string | URL | ByteSource | Uint8Array;

/** What a `segment` is made of. */
export interface CreateSegmentOptions {
  /** The backend where a call names none: made when it is first needed, and once. */
  readonly createBackend: () => Promise<Backend>;
  /** Where nano is: `async () => (await import("@masklet/model-nano")).nanoModel`. */
  readonly nano: () => Promise<{ readonly checkpoint: URL }>;
}

/**
 * Makes a `segment` that computes on a backend of its own, as `@masklet/backend-ort` and `@masklet/backend-tfjs` export
 * it. Images are what `readImage` opens, files are bytes; models are found with the process's environment.
 */
export function createSegment({
  createBackend,
  nano,
}: CreateSegmentOptions): Segment<ImageSource, Uint8Array, SegmentModelSource> {
  return segmentOn({
    createBackend,
    readImage,
    encodePng,
    find: async (model) => {
      const found = model === "auto" ? await autoModel({ env: process.env }) : undefined;
      const rough = model === nanoName || (model === "auto" && found === undefined);
      const source = rough ? fileURLToPath((await nano()).checkpoint) : (found?.checkpoint ?? model);
      const key = source instanceof URL ? source.href : source;
      return { key, rough, load: (options) => loadSam2(source, options) };
    },
  });
}

/** Makes a `removeBackground` that shares its models with a backend's `segment`, as both packages of backends export it. */
export function createRemoveBackground(
  segment: Segment<ImageSource, Uint8Array, SegmentModelSource>,
): RemoveBackground<ImageSource, Uint8Array, SegmentModelSource> {
  return removeBackgroundOn({ segment, readImage, encodePng });
}
