/** What the processes of `long-use.golden.test.ts` share. */
import process from "node:process";
import type { RawImage, Size } from "@masklet/core";
import type { OrtBackend } from "../src/node.ts";

/** After each hundred frames or images. */
export interface Sample {
  readonly tensors: number;
  /** The least that was resident during these hundred, as garbage comes and goes. */
  readonly resident: number;
  /** What JavaScript holds after a collection: its heap and its buffers. */
  readonly held: number;
  /** Of all so far, those on which the object was found. */
  readonly found: number;
  /** What a stream remembers. */
  readonly bytes?: number;
}

/** Takes samples. */
export class Sampler {
  readonly samples: Sample[] = [];
  readonly #backend: OrtBackend;
  #resident: number = Number.POSITIVE_INFINITY;
  #done = 0;
  #found = 0;

  constructor(backend: OrtBackend) {
    this.#backend = backend;
  }

  /** After each frame or image. */
  add(found: boolean, bytes?: number): void {
    this.#done++;
    if (found) this.#found++;
    this.#resident = Math.min(this.#resident, process.memoryUsage.rss());
    if (this.#done % 100 !== 0) return;
    // Twice, because buffers are freed beside the program after the first.
    globalThis.gc?.();
    globalThis.gc?.();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    this.samples.push({
      tensors: this.#backend.liveTensors,
      resident: this.#resident,
      held: heapUsed + arrayBuffers,
      found: this.#found,
      ...(bytes !== undefined && { bytes }),
    });
    this.#resident = Number.POSITIVE_INFINITY;
  }
}

/** The part of a picture below and right of a place. */
export function part(
  { channels, ...from }: RawImage,
  [left, top]: readonly [left: number, top: number],
  { width, height }: Size,
): RawImage {
  const data = new Uint8Array(width * height * channels);
  for (let y = 0; y < height; y++) {
    const start = channels * ((top + y) * from.width + left);
    data.set(from.data.subarray(start, start + channels * width), channels * y * width);
  }
  return { width, height, channels, data };
}
