import type { AbortSignalLike } from "../abort.ts";
import { CheckpointError } from "../errors.ts";
import { sha256Of } from "./sha256.ts";

/** Bytes that can be read in ranges: a file, a download, memory. */
export interface ByteSource {
  /** How errors call it: a path, a URL, "bytes". */
  readonly name: string;
  /** Total size in bytes. */
  readonly size: number;
  /** Exactly `length` bytes from `offset`; the view may share memory with the source and must not be written to. */
  read(offset: number, length: number, options?: { readonly signal?: AbortSignalLike }): Promise<Uint8Array>;
  /** Where the file lies on this machine, if it does: a native runtime can map it by itself. */
  readonly path?: string;
  /** All bytes, where they are in memory already. */
  readonly bytes?: Uint8Array;
  /** The SHA-256 of all of it, lower-case hexadecimal; `undefined` where the host cannot tell. */
  sha256?(): Promise<string | undefined>;
  /** Frees what the source holds (a file handle). */
  close?(): Promise<void>;
}

/** A source over bytes in memory, which are not copied. `name` is how errors call it. */
export function bytesSource(bytes: Uint8Array, name = "bytes"): ByteSource {
  const source: ByteSource = {
    name,
    size: bytes.byteLength,
    bytes,
    read: async (offset, length, options) => {
      options?.signal?.throwIfAborted();
      checkRange(source, offset, length);
      return bytes.subarray(offset, offset + length);
    },
    // Memory that was handed over to a worker since has no bytes, which have a hash too.
    sha256: async () => (bytes.length === source.size ? sha256Of(bytes) : undefined),
  };
  return source;
}

/** Throws a `CheckpointError` with code "truncated" unless `length` bytes from `offset` lie inside the source. */
export function checkRange({ name, size }: Pick<ByteSource, "name" | "size">, offset: number, length: number): void {
  if (isSize(offset) && isSize(length) && offset + length <= size) return;
  throw new CheckpointError(
    "truncated",
    `${name}: ${length} bytes from ${offset} are needed, but the file ends at ${size}`,
    { details: { file: name, offset, length, size } },
  );
}

/** Whether `value` can be a size or an offset: an exact integer from 0. */
export function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && typeof value === "number" && value >= 0;
}
