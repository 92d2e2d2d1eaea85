/** The code in Markdown files of the repository. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./host.mjs";

export interface Block {
  readonly language: string;
  /** What follows the language on the opening line. */
  readonly mark: string;
  readonly line: number;
  readonly text: string;
}

/** A file of the repository, with the line ends of Unix. */
export const source = (page: string): string => readFileSync(join(root, page), "utf8").replaceAll("\r\n", "\n");

export function blocks(page: string): readonly Block[] {
  const text = source(page);
  return Array.from(
    text.matchAll(/^```(\w+) ?(.*)\n([\s\S]*?)^```$/gm),
    ({ index, 1: language = "", 2: mark = "", 3: body = "" }) => ({
      language,
      mark,
      line: text.slice(0, index).split("\n").length + 1,
      text: body,
    }),
  );
}
