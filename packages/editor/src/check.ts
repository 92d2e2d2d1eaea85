import { EditorError } from "./errors.ts";

/** Throws an `EditorError` "editor-option" for a number that is not from `least` to `most`. */
export function checkNumber(
  where: string,
  options: Readonly<Record<string, number>>,
  least: number,
  most: number,
  isWhole = true,
): void {
  for (const [option, got] of Object.entries(options)) {
    if (got >= least && got <= most && (!isWhole || Number.isSafeInteger(got))) continue;
    const expected =
      most < least ? "of something that is there" : `${isWhole ? "an integer" : "a number"} from ${least} to ${most}`;
    throw new EditorError("editor-option", `${where}: ${option} must be ${expected}, got ${got}`, {
      details: { option, expected, got },
    });
  }
}
