import type { ByteSource } from "../checkpoint/byte-source.ts";
import { presetNamed } from "../model/published.ts";
import { blobSource } from "./blob-source.ts";
import { type CachedSourceOptions, cachedSource, hubUrl } from "./cache.ts";

/** What a page may load a model from. */
export type WebModelSource = string | URL | Blob | Uint8Array | ByteSource;

/** A published model's name and an address by `cachedSource`; a Blob is read in parts. */
export async function openSource(
  source: WebModelSource,
  options: CachedSourceOptions = {},
): Promise<ByteSource | Uint8Array> {
  if (source instanceof Blob) return blobSource(source);
  if (typeof source !== "string") return source instanceof URL ? cachedSource(source, options) : source;
  const preset = presetNamed(source);
  return cachedSource(preset === undefined ? source : hubUrl(preset), options);
}
