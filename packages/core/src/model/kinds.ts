import type { EncoderConfig, EncoderKind, MemoryConfig, MemoryKind } from "./config.ts";
import { full } from "./full-memory.ts";
import { hiera } from "./hiera.ts";
import type { ImageEncoder } from "./image-encoder.ts";
import { perceiver } from "./perceiver-memory.ts";
import { pooled } from "./pooled-memory.ts";
import { repvit } from "./repvit.ts";
import type { VideoMemory } from "./video-memory.ts";
import { vit } from "./vit.ts";

/** Every kind of image encoder: one that is left out does not compile. */
export const encoders: { readonly [K in EncoderKind]: ImageEncoder<EncoderConfig<K>> } = {
  hiera,
  repvit,
  vit,
};

/** Every kind of memory, likewise. */
export const memories: { readonly [K in MemoryKind]: VideoMemory<MemoryConfig<K>> } = {
  full,
  perceiver,
  pooled,
};
