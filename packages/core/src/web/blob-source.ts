import { abortable } from "../abort.ts";
import { type ByteSource, checkRange } from "../checkpoint/byte-source.ts";
import { CheckpointError } from "../errors.ts";

/** Reads ranges of a Blob, or of a file that the user chose. */
export function blobSource(blob: Blob, name: string = blob instanceof File ? blob.name : "blob"): ByteSource {
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
  };
  return source;
}
