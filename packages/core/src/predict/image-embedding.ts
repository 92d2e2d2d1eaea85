/**
 * An encoded image as a safetensors file: what another predictor, process or page needs to prompt it without the
 * encoder. `image` is [version, width, height, fingerprint of the weights] as int32, the rest are the encoder's outputs.
 */
import { bytesSource } from "../checkpoint/byte-source.ts";
import { toFloat32 } from "../checkpoint/convert.ts";
import { crc32 } from "../checkpoint/crc32.ts";
import { readSafetensors, writeSafetensors } from "../checkpoint/safetensors.ts";
import { CheckpointError } from "../errors.ts";
import type { Size } from "../image/image.ts";
import { encoderOf } from "../model/image-encoder.ts";
import { checkKeys, checkOption, type Keys } from "../options.ts";
import type { Sam2 } from "../sam2.ts";
import { elementCount, float32, type HostTensor, int32 } from "../tensor/tensor.ts";

const VERSION = 1;
const HEADER = "image";

/** An encoded image on the host. */
export interface HostFeatures {
  readonly size: Size;
  /** [1, ...] each, by the encoder's names. */
  readonly features: Readonly<Record<string, HostTensor<"float32">>>;
}

export async function writeEmbedding(model: Sam2, { size, features }: HostFeatures): Promise<Uint8Array> {
  const facts = Int32Array.of(VERSION, size.width, size.height, await fingerprint(model));
  const tensors = new Map<string, HostTensor>([[HEADER, int32([facts.length], facts)], ...Object.entries(features)]);
  return writeSafetensors(tensors, { format: "masklet-image" });
}

/**
 * Rejects with a `CheckpointError`: "embedding-malformed", "embedding-mismatch" for what other weights encoded, or as
 * `readSafetensors` for what is no such file at all.
 */
export async function readEmbedding(model: Sam2, bytes: Uint8Array): Promise<HostFeatures> {
  const entries = new Map((await readSafetensors(bytesSource(bytes, "embedding"))).map((entry) => [entry.name, entry]));
  const contents = (name: string, dtype: "float32" | "int32", dims: readonly number[]): Uint8Array => {
    const entry = entries.get(name);
    if (entry === undefined || entry.dtype !== dtype || entry.dims.join() !== dims.join()) {
      throw malformed(`has no ${name} of ${dtype} [${dims}]`);
    }
    return new Uint8Array(bytes.subarray(entry.offset, entry.offset + entry.byteLength)); // a Buffer's slice is no copy
  };
  const facts = new Int32Array(contents(HEADER, "int32", [4]).buffer);
  const [version, width = 0, height = 0, weights] = facts;
  if (version !== VERSION) throw malformed(`is of version ${version}, not ${VERSION}`);
  if (weights !== (await fingerprint(model))) {
    throw new CheckpointError(
      "embedding-mismatch",
      `embedding: it was encoded with other weights than ${model.source}`,
      {
        details: { model: model.source },
      },
    );
  }
  if (width < 1 || height < 1) throw malformed(`is of an image of ${width}x${height}`);
  const { outputs } = (await model.executable("imageEncoder")).signature;
  const features: Record<string, HostTensor<"float32">> = {};
  for (const [name, { dims }] of Object.entries(outputs)) {
    const one = dims.map((dim) => (typeof dim === "number" ? dim : 1));
    features[name] = float32(one, toFloat32("float32", contents(name, "float32", one)));
  }
  return { size: { width, height }, features };
}

/** A cache's file for an image of this size; `undefined` where it cannot stand for the image. */
export async function readCached(
  model: Sam2,
  file: Uint8Array,
  { width, height }: Size,
): Promise<HostFeatures | undefined> {
  try {
    const found = await readEmbedding(model, file);
    return found.size.width === width && found.size.height === height ? found : undefined;
  } catch (error) {
    if (error instanceof CheckpointError) return undefined;
    throw error;
  }
}

function malformed(problem: string): CheckpointError {
  return new CheckpointError("embedding-malformed", `embedding: the file ${problem}`);
}

const fingerprints = new WeakMap<Sam2, Promise<number>>();

/** Of the weights behind the features, by some that training changes and that are small. */
function fingerprint(model: Sam2): Promise<number> {
  const known = fingerprints.get(model) ?? computed();
  fingerprints.set(model, known);
  return known;
  async function computed(): Promise<number> {
    const names = encoderOf(model.config).fingerprint;
    const parts = await Promise.all(names.map(async (name) => (await model.weight(name)).data));
    const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    return crc32(new Uint8Array(all.buffer)) | 0;
  }
}

/**
 * Encoded images by a key of the caller's, as `saveImage` writes them. A file that is malformed, of an image of another
 * size or of other weights counts as none: the image is encoded anew and the file replaced. What `get` or `set` throws,
 * `setImage` rejects with.
 */
export interface EmbeddingCache {
  get(key: string): Uint8Array | undefined | Promise<Uint8Array | undefined>;
  set(key: string, file: Uint8Array): void | Promise<void>;
}

export interface MemoryEmbeddingCacheOptions {
  /** Bytes that are kept; the files used longest ago go first. Default 256 MiB: 16 images of a full-size model. */
  readonly maxBytes?: number;
}

/** Encoded images in memory: a folder's images, a page's, a server's users'. */
export class MemoryEmbeddingCache implements EmbeddingCache {
  readonly #maxBytes: number;
  readonly #files = new Map<string, Uint8Array>();
  #bytes = 0;

  /** Throws a `PromptError` "bad-option". */
  constructor(options: MemoryEmbeddingCacheOptions = {}) {
    checkKeys("MemoryEmbeddingCache", options, cacheKeys);
    const { maxBytes = 2 ** 28 } = options;
    checkOption("MemoryEmbeddingCache", { maxBytes }, "a number from 0", maxBytes >= 0);
    this.#maxBytes = maxBytes;
  }

  /** Bytes that it holds. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The keys, used longest ago first. */
  get keys(): readonly string[] {
    return [...this.#files.keys()];
  }

  get(key: string): Uint8Array | undefined {
    const file = this.#files.get(key);
    if (file === undefined) return undefined;
    this.#files.delete(key);
    this.#files.set(key, file); // used last
    return file;
  }

  /** Keeps a file, unless it alone is larger than all that may be kept. */
  set(key: string, file: Uint8Array): void {
    this.delete(key);
    if (file.byteLength > this.#maxBytes) return;
    this.#files.set(key, file);
    this.#bytes += file.byteLength;
    for (const oldest of this.#files.keys()) {
      if (this.#bytes <= this.#maxBytes) break;
      this.delete(oldest);
    }
  }

  delete(key: string): void {
    this.#bytes -= this.#files.get(key)?.byteLength ?? 0;
    this.#files.delete(key);
  }
}

/** For `setImage`: an image with this key is encoded once, however often it is set while the cache keeps it. */
export interface CachedImageOptions {
  readonly cache?: EmbeddingCache;
  /** What tells the image from others: a file's path and date, a hash of its bytes. */
  readonly key?: string;
}

/** Cuts a batch's outputs into one image's each. */
export function splitFeatures(
  batch: Readonly<Record<string, HostTensor>>,
  images: number,
): readonly Readonly<Record<string, HostTensor<"float32">>>[] {
  return Array.from({ length: images }, (_, i) =>
    Object.fromEntries(
      Object.entries(batch).map(([name, { dims, data }]) => {
        const one = [1, ...dims.slice(1)];
        const size = elementCount(one);
        return [name, float32(one, (data as Float32Array).slice(i * size, (i + 1) * size))];
      }),
    ),
  );
}

const cacheKeys: Keys<MemoryEmbeddingCacheOptions> = { maxBytes: true };
