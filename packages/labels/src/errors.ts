import { MaskletError } from "@masklet/core";

export type LabelErrorCode =
  | "annotation-invalid"
  | "cannot-write"
  | "file-missing"
  | "format-ambiguous"
  | "format-unknown"
  | "format-unsupported"
  | "image-size-unknown"
  | "json-malformed"
  | "label-option"
  | "no-such-annotation"
  | "png-malformed"
  | "png-unsupported"
  | "text-malformed"
  | "xml-malformed"
  | "yaml-malformed";

/**
 * A label file that cannot be read, or labels that cannot be written as they are. `details.file` names the file where
 * there is one, `details.at` the byte, line or field.
 */
export class LabelError extends MaskletError<LabelErrorCode> {
  override readonly name: string = "LabelError";
}
