import type { Backend } from "../backend/backend.ts";
import { httpError } from "../checkpoint/http-error.ts";
import { DownloadError } from "../errors.ts";
import { type PresetName, parseConfig } from "../model/config.ts";
import { presetsByQuality } from "../model/preset-rank.ts";
import { published } from "../model/published.ts";
import { checkChoice } from "../options.ts";
import { type Segment, segmentOn } from "../predict/segment.ts";
import { type RemoveBackground, removeBackgroundOn } from "../subject/one-call.ts";
import { encodeBlob, imageFrom, type WebImageSource } from "./image.ts";
import { loadSam2 } from "./load.ts";
import { presetFile, type WebModelSource } from "./source.ts";

/** What a `segment` is made of. */
export interface CreateSegmentOptions {
  /** The backend where a call names none: made when it is first needed, and once. */
  readonly createBackend: () => Promise<Backend>;
  /** Where nano is: `async () => (await import("@masklet/model-nano")).nanoModel`. */
  readonly nano: () => Promise<{ readonly checkpoint: URL; readonly config: URL }>;
}

/**
 * Makes a `segment` that computes on a backend of its own, as `@masklet/backend-ort` and `@masklet/backend-tfjs` export
 * it. Images are what `imageFrom` opens, files are Blobs; "auto" is the best of the published models in the page's Cache Storage,
 * else nano.
 */
export function createSegment({
  createBackend,
  nano,
}: CreateSegmentOptions): Segment<WebImageSource, Blob, WebModelSource> {
  return segmentOn({
    createBackend,
    readImage: imageFrom,
    encodePng: (image) => encodeBlob(image),
    find: async (model) => {
      const source = model === "auto" ? ((await autoModel()) ?? "nano") : model;
      if (source !== "nano") {
        const key = source instanceof URL ? source.href : source;
        return { key, rough: false, load: (options) => loadSam2(source, options) };
      }
      return {
        key: source,
        rough: true,
        load: async (options) => {
          const { checkpoint, config } = await nano();
          const [bytes, sizes] = [await fetched(checkpoint), await fetched(config)];
          const parsed = parseConfig(JSON.parse(new TextDecoder().decode(sizes)));
          return loadSam2(bytes, { ...options, config: parsed });
        },
      };
    },
  });
}

/** The model for "auto": the best of the published models that this page has in Cache Storage. `undefined`: nano. Nothing is downloaded. */
export async function autoModel(): Promise<PresetName | undefined> {
  const [best] = await cachedModels();
  return best;
}

/** The published models that this page has in Cache Storage, where `loadSam2` keeps them, the best first. */
export async function cachedModels(): Promise<readonly PresetName[]> {
  const cache = await modelCache();
  const found: PresetName[] = [];
  if (cache === undefined) return found;
  for (const name of presetsByQuality()) {
    if ((await cache.match(presetFile(name).url, { ignoreVary: true })) !== undefined) found.push(name);
  }
  return found;
}

/**
 * Removes a published model from the page's Cache Storage. Resolves to whether it was there. Rejects with a `PromptError`
 * "bad-option" for another name.
 */
export async function forgetModel(name: PresetName): Promise<boolean> {
  checkChoice("forgetModel", { name }, Object.keys(published));
  return (await (await modelCache())?.delete(presetFile(name).url, { ignoreVary: true })) ?? false;
}

/** Where `loadSam2` keeps models, if there are any: a page that is not secure has no Cache Storage. */
async function modelCache(): Promise<Cache | undefined> {
  const exists = await globalThis.caches?.has("masklet").catch(() => false);
  return exists ? caches.open("masklet") : undefined;
}

async function fetched(url: URL): Promise<Uint8Array> {
  const response = await fetch(url).catch((cause: unknown) => {
    throw new DownloadError("connection-failed", `${url}: the connection failed`, {
      cause,
      details: { url: url.href },
    });
  });
  if (!response.ok) throw httpError(url.href, response, Date.now());
  return new Uint8Array(await response.arrayBuffer());
}

/** Makes a `removeBackground` that shares its models with a backend's `segment`, as both packages of backends export it. */
export function createRemoveBackground(
  segment: Segment<WebImageSource, Blob, WebModelSource>,
): RemoveBackground<WebImageSource, Blob, WebModelSource> {
  return removeBackgroundOn({ segment, readImage: imageFrom, encodePng: (image) => encodeBlob(image) });
}
