import type { ByteSource } from "@masklet/core";
import {
  cachedSource,
  createRemoveBackground,
  createSegment,
  type RemoveBackground,
  type Segment,
  type WebImageSource,
  type WebModelSource,
} from "@masklet/core/web";
import { type DetectorOptions, type OrtDetector, openDetectorModel } from "./detect/detector.ts";
import { type OnnxSubjectFinder, openSubjectModel, type SubjectFinderOptions } from "./subject-finder.ts";
import { createOrtBackend } from "./web-backend.ts";

export type { DetectorOptions, OrtDetector } from "./detect/detector.ts";
export { type DetectorLayout, detectorLayouts } from "./detect/layout.ts";
export type { OnnxModel, OnnxValue } from "./onnx-model.ts";
export type { Profile, ProfiledNode } from "./profile.ts";
export type { OrtBackend, OrtExecutable, OrtRuntime, OrtTuning } from "./runtime.ts";
export type { OnnxSubjectFinder, SubjectFinderOptions } from "./subject-finder.ts";
export { type SubjectModel, type SubjectModelKind, subjectModelKinds, subjectModels } from "./subject-models.ts";
export {
  availableDevices,
  createOrtBackend,
  type OrtWebDevice,
  type OrtWebOptions,
} from "./web-backend.ts";

/**
 * One object of an image in one call, on the GPU where there is an adapter, else wasm unless another `backend` is
 * given. Images are what `imageFrom` of `@masklet/core/web` opens: an element, a Blob, an address, pixels. Files are
 * Blobs.
 *
 *     const found = await segment(document.querySelector("img"), { points: [[581, 532]] });
 *     await found.cutout();
 */
export const segment: Segment<WebImageSource, Blob, WebModelSource> = /* @__PURE__ */ createSegment({
  createBackend: () => createOrtBackend(),
  nano: async () => (await import("@masklet/model-nano")).nanoModel,
});

/**
 * What an image is about, cut out in one call: by colour on a flat background, else with the model that `segment` keeps,
 * whose options it shares.
 *
 *     const { cutout, sure } = await removeBackground(document.querySelector("img"));
 */
export const removeBackground: RemoveBackground<WebImageSource, Blob, WebModelSource> =
  /* @__PURE__ */ createRemoveBackground(segment);

/**
 * A detector's ONNX file, which any exporter may have written, as a `Detector`. `source` is its address, and the file is kept
 * in Cache Storage; a Blob or file, bytes or a `ByteSource`. A model whose shapes are not written is run once on black to see
 * them.
 *
 * Rejects with a `DetectorError` for a model whose layout is not clear, with a `PromptError` for an option, as
 * `cachedSource` of `@masklet/core/web` and `OrtBackend.openModel`.
 */
export async function openDetector(source: OnnxSource, options: DetectorOptions): Promise<OrtDetector> {
  return openDetectorModel(() => opened(source, options), options);
}

/**
 * Opens a published model that finds what pictures are about: `finder` of `removeBackground`. `source` is the address of
 * its ONNX file, which is kept in Cache Storage; a Blob or file, bytes or a `ByteSource`.
 *
 * Rejects as `cachedSource` of `@masklet/core/web` and `OrtBackend.openModel`; with a `BackendError` "model-ambiguous"
 * where the file does not say which model it is (`details.choices`: name it with `kind`), "unsupported" for a file that
 * takes no picture or gives no mask.
 */
export async function openSubjectFinder(source: OnnxSource, options: SubjectFinderOptions): Promise<OnnxSubjectFinder> {
  return openSubjectModel(() => opened(source, options), options);
}

/** Where an ONNX file is: its address, the file itself, its bytes, or a `ByteSource`. */
export type OnnxSource = string | URL | Blob | ByteSource | Uint8Array;

async function opened(
  source: OnnxSource,
  { signal }: Pick<SubjectFinderOptions, "signal">,
): Promise<ByteSource | Uint8Array> {
  if (source instanceof Blob) return new Uint8Array(await source.arrayBuffer());
  const named = typeof source === "string" || source instanceof URL;
  return named ? cachedSource(source, signal === undefined ? {} : { signal }) : source;
}
