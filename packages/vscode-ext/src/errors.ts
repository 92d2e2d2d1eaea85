import { MaskletError } from "@masklet/core";

export type ExtensionErrorCode =
  /** The engine's process ended before it answered. */
  | "engine-lost"
  /** The engine does not hold the picture any more. */
  | "picture-unknown"
  /** Objects that the format cannot hold without a class. */
  | "no-class"
  /** Labels that are shown, and cannot be written. */
  | "labels-read-only"
  /** The same object was changed here and in the file. */
  | "labels-conflict"
  /** Labels that are of another video. */
  | "labels-misfit"
  /** Drafts that were accepted or rejected meanwhile. */
  | "draft-unknown"
  /** A folder that is in no git repository, or no git. */
  | "no-commit"
  /** A path that is not in the folders that are open. */
  | "not-found"
  | "cancelled"
  /** What came from a page or a process is none of its messages. */
  | "message-malformed";

/** What goes wrong in the extension itself. */
export class ExtensionError extends MaskletError<ExtensionErrorCode> {
  override readonly name: string = "ExtensionError";
}

/** What an error says, whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
