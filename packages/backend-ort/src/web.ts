import {
  createRemoveBackground,
  createSegment,
  type RemoveBackground,
  type Segment,
  type WebImageSource,
  type WebModelSource,
} from "@masklet/core/web";
import { createOrtBackend } from "./web-backend.ts";

export type { OnnxModel, OnnxValue } from "./onnx-model.ts";
export type { Profile, ProfiledNode } from "./profile.ts";
export type { OrtBackend, OrtExecutable, OrtRuntime, OrtTuning } from "./runtime.ts";
export { availableDevices, createOrtBackend, type OrtWebDevice, type OrtWebOptions } from "./web-backend.ts";

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
