import { abortable } from "../abort.ts";
import { type ByteSource, checkRange } from "../checkpoint/byte-source.ts";
import { sha256Of } from "../checkpoint/sha256.ts";
import { CheckpointError } from "../errors.ts";

/** Browsers hash only what lies in memory whole. */
const maxHashedBytes = 2 ** 28;

/**
 * Files up to this size are read at once and stay in memory: each read asks another process of the browser, and the few
 * hundred tensors of a small model took 230 ms where all of it took 9.
 */
const maxWholeBytes = 2 ** 24;

/** Reads ranges of a Blob, or of a file that the user chose. `known` is its SHA-256, where that has been checked. */
export function blobSource(
  blob: Blob,
  name: string = blob instanceof File ? blob.name : "blob",
  known?: string,
): ByteSource {
  const part = async (from: number, to: number): Promise<Uint8Array> => {
    try {
      return new Uint8Array(await blob.slice(from, to).arrayBuffer());
    } catch (cause) {
      const problem = `${name}: the browser cannot read the file`;
      throw new CheckpointError("read-failed", problem, { cause, details: { file: name } });
    }
  };
  let whole: Promise<Uint8Array> | undefined;
  const all = (): Promise<Uint8Array> => {
    whole ??= part(0, blob.size).catch((error: unknown) => {
      whole = undefined; // the next read tries again
      throw error;
    });
    return whole;
  };
  const source: ByteSource = {
    name,
    size: blob.size,
    read: async (offset, length, options) => {
      options?.signal?.throwIfAborted();
      checkRange(source, offset, length);
      const end = offset + length;
      const read = blob.size > maxWholeBytes ? part(offset, end) : all().then((bytes) => bytes.subarray(offset, end));
      return abortable(read, options?.signal);
    },
    sha256: async () => {
      if (known !== undefined) return known;
      return blob.size > maxHashedBytes ? undefined : sha256Of(new Uint8Array(await blob.arrayBuffer()));
    },
  };
  return source;
}
