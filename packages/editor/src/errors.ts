import { MaskletError } from "@masklet/core";

export type EditorErrorCode =
  | "conflict"
  | "document-malformed"
  | "editor-option"
  | "no-class"
  | "no-engine"
  | "no-object"
  | "nothing-found"
  | "nothing-selected"
  | "nothing-to-track"
  | "out-of-image"
  | "step-malformed";

/** A command that the session cannot carry out, or a saved session that cannot be read. Nothing has changed then. */
export class EditorError extends MaskletError<EditorErrorCode> {
  override readonly name: string = "EditorError";
}
