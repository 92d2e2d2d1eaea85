import { abortable } from "../abort.ts";
import { type ByteSource, checkRange } from "../checkpoint/byte-source.ts";
import { sha256Of } from "../checkpoint/sha256.ts";
import { CheckpointError } from "../errors.ts";

/** Browsers hash only what lies in memory whole. */
const maxHashedBytes = 2 ** 28;

/** Reads ranges of a Blob, or of a file that the user chose. `known` is its SHA-256, where that has been checked. */
export function blobSource(
  blob: Blob,
  name: string = blob instanceof File ? blob.name : "blob",
  known?: string,
): ByteSource {
  const source: ByteSource = {
    name,
    size: blob.size,
    read: async (offset, length, options) => {
      options?.signal?.throwIfAborted();
      checkRange(source, offset, length);
      const bytes = blob.slice(offset, offset + length).arrayBuffer();
      const read = bytes.catch((cause: unknown) => {
        throw new CheckpointError("read-failed", `${name}: the browser cannot read the file`, {
          cause,
          details: { file: name },
        });
      });
      return new Uint8Array(await abortable(read, options?.signal));
    },
    sha256: async () => {
      if (known !== undefined) return known;
      return blob.size > maxHashedBytes ? undefined : sha256Of(new Uint8Array(await blob.arrayBuffer()));
    },
  };
  return source;
}
