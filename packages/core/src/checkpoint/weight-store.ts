import { type AbortSignalLike, abortable } from "../abort.ts";
import { CheckpointError } from "../errors.ts";
import type { DType } from "../tensor/dtype.ts";
import { float32, type HostTensor } from "../tensor/tensor.ts";
import type { ByteSource } from "./byte-source.ts";
import { toFloat32 } from "./convert.ts";
import { crc32 } from "./crc32.ts";

/** One tensor of a checkpoint: little-endian, C order, contiguous at `offset` of `source`. */
export interface WeightEntry {
  /** Official SAM 2 key. */
  readonly name: string;
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly source: ByteSource;
  readonly offset: number;
  readonly byteLength: number;
  /** CRC-32 of its bytes, where the file carries one. */
  readonly crc32?: number;
}

/** A checkpoint's tensors under their official SAM 2 names. Nothing is read until it is asked for. */
export interface WeightStore {
  /** How errors call it. */
  readonly name: string;
  readonly entries: ReadonlyMap<string, WeightEntry>;
  /**
   * The tensor's values as float32, whatever the checkpoint stores; they may share memory with the source and must not
   * be written to. Rejects with a `CheckpointError` if there is no such tensor, or its bytes fail their checksum.
   */
  read(name: string, options?: { readonly signal?: AbortSignalLike }): Promise<HostTensor<"float32">>;
  /** As `ByteSource.sha256`, of the checkpoint that it was opened from. */
  sha256?(): Promise<string | undefined>;
  /** Frees what its sources hold. */
  close(): Promise<void>;
}

/** A store over `entries`; `close` closes every source they refer to. */
export function weightStore(name: string, entries: Iterable<WeightEntry>): WeightStore {
  const byName = new Map(Array.from(entries, (entry) => [entry.name, entry]));
  return {
    name,
    entries: byName,
    read: async (key, options) => {
      const entry = byName.get(key);
      if (entry === undefined) {
        throw new CheckpointError("no-such-tensor", `${name}: there is no tensor ${key}`, {
          details: { file: name, tensor: key },
        });
      }
      return float32(entry.dims, toFloat32(entry.dtype, await readEntry(entry, options)));
    },
    close: async () => {
      const sources = new Set(Array.from(byName.values(), ({ source }) => source));
      await Promise.all(Array.from(sources, (source) => source.close?.()));
    },
  };
}

/**
 * Reads every tensor that carries a checksum and throws a `CheckpointError` with code "checksum-mismatch" for the first
 * that is damaged: for those who use the bytes of a checkpoint without `WeightStore.read`, which checks by itself.
 */
export async function verifyChecksums(store: WeightStore, options: ReadOptions = {}): Promise<void> {
  for (const entry of store.entries.values()) if (entry.crc32 !== undefined) await readEntry(entry, options);
}

interface ReadOptions {
  readonly signal?: AbortSignalLike;
}

async function readEntry(entry: WeightEntry, options: ReadOptions = {}): Promise<Uint8Array> {
  const { name, source, offset, byteLength } = entry;
  options.signal?.throwIfAborted();
  const bytes = await abortable(source.read(offset, byteLength, options), options.signal);
  if (entry.crc32 !== undefined && crc32(bytes) !== entry.crc32) throw checksumMismatch(source, `tensor ${name}`);
  return bytes;
}

/** The error for bytes that are not those that were written. */
export function checksumMismatch({ name: file }: ByteSource, what: string): CheckpointError {
  return new CheckpointError("checksum-mismatch", `${file}: ${what} does not match its checksum; the file is damaged`, {
    details: { file, what },
  });
}
