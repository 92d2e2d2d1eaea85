import type { ByteSource } from "../checkpoint/byte-source.ts";
import type { PresetName } from "../model/config.ts";
import { presetNamed, published } from "../model/published.ts";
import { blobSource } from "./blob-source.ts";
import { type CachedSourceOptions, cachedSource, hubUrl } from "./cache.ts";

/** What a page may load a model from. */
export type WebModelSource = string | URL | Blob | Uint8Array | ByteSource;

/** A published model's name, held to its SHA-256 where that is known, and an address by `cachedSource`; a Blob is read in parts. */
export async function openSource(
  source: WebModelSource,
  options: CachedSourceOptions = {},
): Promise<ByteSource | Uint8Array> {
  if (source instanceof Blob) return blobSource(source);
  if (typeof source !== "string") return source instanceof URL ? cachedSource(source, options) : source;
  const preset = presetNamed(source);
  if (preset === undefined) return cachedSource(source, options);
  const { url, sha256 } = presetFile(preset);
  return cachedSource(url, { ...options, ...(sha256 !== undefined && { sha256 }) });
}

/** What is fetched for a published model: the authors' own file, because the hashes of other formats are not known. */
export function presetFile(name: PresetName): { readonly url: string; readonly sha256: string | undefined } {
  const { repository, file, commit, sha256 } = published[name];
  return { url: hubUrl(repository, file, commit), sha256 };
}
