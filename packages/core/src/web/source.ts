import type { ByteSource } from "../checkpoint/byte-source.ts";
import { official, officialFile } from "../checkpoint/official.ts";
import { presetNamed } from "../model/config.ts";
import { blobSource } from "./blob-source.ts";
import { type CachedSourceOptions, cachedSource, hubUrl } from "./cache.ts";

/** What a page may load a model from. */
export type WebModelSource = string | URL | Blob | Uint8Array | ByteSource;

/** One of Meta's names, whose file must have the known SHA-256, and an address by `cachedSource`; a Blob is read in parts. */
export async function openSource(
  source: WebModelSource,
  options: CachedSourceOptions = {},
): Promise<ByteSource | Uint8Array> {
  if (source instanceof Blob) return blobSource(source);
  if (typeof source !== "string") return source instanceof URL ? cachedSource(source, options) : source;
  const preset = presetNamed(source);
  if (preset === undefined) return cachedSource(source, options);
  // Meta's own `.pt`, because its hash is known, where those of the other formats are not.
  const { sha256, commit } = official[preset];
  return cachedSource(hubUrl(preset, officialFile(preset), commit), { ...options, sha256 });
}
