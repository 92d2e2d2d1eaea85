/** The image encoder's run: pictures in, features on the device out (reference: `set_image` of sam2_image_predictor.py). */
import type { AbortSignalLike } from "../abort.ts";
import { disposeAll } from "../backend/device-tensors.ts";
import type { RawImage, Size } from "../image/image.ts";
import { preprocessImage } from "../image/preprocess.ts";
import type { Sam2 } from "../sam2.ts";
import { type DeviceTensor, float32, type HostTensor } from "../tensor/tensor.ts";
import type { Features } from "./decode.ts";
import { type HostFeatures, splitFeatures } from "./image-embedding.ts";

/** One encoded image. */
export interface Encoded {
  readonly size: Size;
  readonly features: Features;
}

/** One run of the encoder. Rejects with the signal's reason, or as the backend does; nothing stays on the device then. */
export async function encodeImages(
  model: Sam2,
  images: readonly RawImage[],
  signal: AbortSignalLike | undefined,
): Promise<readonly Encoded[]> {
  const encoder = await model.executable("imageEncoder");
  const { imageSize } = model.config;
  const sizes = images.map(({ width, height }) => ({ width, height }));
  const [first, ...others] = images.map((image) => preprocessImage(image, imageSize));
  if (first === undefined) return [];
  if (others.length === 0) {
    const features = (await encoder.run({ image: first }, signal && { signal })) as Encoded["features"];
    return sizes.map((size) => ({ size, features }));
  }
  const pixels = new Float32Array(images.length * first.data.length);
  for (const [i, { data }] of [first, ...others].entries()) pixels.set(data, i * data.length);
  const image = float32([images.length, ...first.dims.slice(1)], pixels);
  const outputs = await encoder.run({ image }, signal && { signal });
  try {
    // A device's tensor cannot be cut: through the host, and back.
    const read: Record<string, HostTensor> = {};
    for (const [name, tensor] of Object.entries(outputs)) read[name] = await tensor.read();
    return await collect(undefined, async (encoded) => {
      for (const [i, features] of splitFeatures(read, images.length).entries()) {
        encoded.push(uploadFeatures(model, { size: sizes[i] as Size, features }));
      }
    });
  } finally {
    disposeAll(outputs);
  }
}

/** Features that were read, on the device again. */
export function uploadFeatures(model: Sam2, { size, features }: HostFeatures): Encoded {
  const uploaded: Record<string, DeviceTensor> = {};
  try {
    for (const [name, tensor] of Object.entries(features)) uploaded[name] = model.upload(tensor);
  } catch (error) {
    disposeAll(uploaded);
    throw error;
  }
  return { size, features: uploaded as Encoded["features"] };
}

/** What `fill` has collected, or nothing at all. */
export async function collect(
  signal: AbortSignalLike | undefined,
  fill: (encoded: Encoded[]) => Promise<void>,
): Promise<readonly Encoded[]> {
  const encoded: Encoded[] = [];
  try {
    await fill(encoded);
    signal?.throwIfAborted();
    return encoded;
  } catch (error) {
    release(encoded);
    throw error;
  }
}

export function release(images: readonly Encoded[]): void {
  for (const { features } of images) disposeAll(features);
}
