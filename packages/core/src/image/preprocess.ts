import { float32, type HostTensor } from "../tensor/tensor.ts";
import type { RawImage } from "./image.ts";
import { resizeBicubic, resizeImageAntialiased } from "./resize.ts";

/** Mean and standard deviation of ImageNet's colours, in [0, 1]: what SAM 2's encoder was trained on. */
export const imageNet: {
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
} = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/**
 * An image as the image encoder takes it: resized to `size` x `size` without keeping the aspect ratio (antialiased
 * bilinear, on floats), scaled to [0, 1], ImageNet's mean taken off and divided by its deviation; alpha is dropped.
 * -> float32 [1, size, size, 3]. Reference: sam2/utils/transforms.py. Throws an `ImageError` for what is no image.
 */
export function preprocessImage(image: RawImage, size: number): HostTensor<"float32"> {
  const data = resizeImageAntialiased(image, { width: size, height: size });
  return float32([1, size, size, 3], normalise(data, data));
}

/**
 * A video frame as the image encoder takes it: as `preprocessImage`, but resized as 8-bit pixels with Pillow's bicubic.
 * -> float32 [1, size, size, 3]. Reference: sam2/utils/misc.py, frames of a folder.
 */
export function preprocessFrame(image: RawImage, size: number): HostTensor<"float32"> {
  const { data } = resizeBicubic(image, { width: size, height: size });
  return float32([1, size, size, 3], normalise(data, new Float32Array(data.length)));
}

/** (rgb / 255 - mean) / std, as one multiplication and addition; `out` may be `rgb` itself. */
function normalise(rgb: ArrayLike<number>, out: Float32Array): Float32Array {
  const [redScale, greenScale, blueScale] = imageNet.std.map((std) => 1 / (255 * std)) as [number, number, number];
  const [red, green, blue] = imageNet.mean.map((mean, c) => mean / (imageNet.std[c] as number)) as [
    number,
    number,
    number,
  ];
  for (let i = 0; i < out.length; i += 3) {
    out[i] = (rgb[i] as number) * redScale - red;
    out[i + 1] = (rgb[i + 1] as number) * greenScale - green;
    out[i + 2] = (rgb[i + 2] as number) * blueScale - blue;
  }
  return out;
}
