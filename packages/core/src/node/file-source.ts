import { open } from "node:fs/promises";
import { resolve } from "node:path";
import { type ByteSource, checkRange } from "../checkpoint/byte-source.ts";
import { CheckpointError } from "../errors.ts";
import { checkpointSha256 } from "./download/manage.ts";

/**
 * A file, read in ranges through one handle until `close()`. Rejects with a `CheckpointError`: "not-found" where there
 * is no such file, "read-failed" where it cannot be read; `cause` is the system's error.
 */
export async function fileSource(path: string): Promise<ByteSource> {
  const handle = await open(path).catch((cause: unknown) => {
    if (isCode(cause, "ENOENT")) {
      throw new CheckpointError("not-found", `${path}: there is no such file`, { cause, details: { file: path } });
    }
    throw readFailed(path, cause);
  });
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw readFailed(path, new Error("it is not a file"));
    const source: ByteSource = {
      name: path,
      size: stat.size,
      path: resolve(path),
      read: async (offset, length, options) => {
        options?.signal?.throwIfAborted();
        checkRange(source, offset, length);
        const bytes = new Uint8Array(length);
        for (let done = 0; done < length; ) {
          const { bytesRead } = await handle
            .read(bytes, done, length - done, offset + done)
            .catch((cause: unknown) => Promise.reject(readFailed(path, cause)));
          options?.signal?.throwIfAborted();
          if (bytesRead === 0) checkRange({ name: path, size: offset + done }, offset, length); // it shrank meanwhile
          done += bytesRead;
        }
        return bytes;
      },
      sha256: () => checkpointSha256(path),
      close: () => handle.close(),
    };
    return source;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

function readFailed(path: string, cause: unknown): CheckpointError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new CheckpointError("read-failed", `${path}: it cannot be read: ${reason}`, {
    cause,
    details: { file: path },
  });
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
