// Apart from the others: Node's types are in its signature, and the packages' types must do without them.
import { type FileHandle, open } from "node:fs/promises";
import { errorCode, makeParents } from "./files.ts";

/** Opens a file that must not be there yet, making its folder where that is missing. Rejects with the system's error. */
export async function openNew(path: string): Promise<FileHandle> {
  try {
    return await open(path, "wx");
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
    await makeParents(path);
    return await open(path, "wx");
  }
}
