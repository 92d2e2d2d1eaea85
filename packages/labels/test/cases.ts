/** The dataset that other tools wrote, where it lies beside the repository. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import type { Size } from "@masklet/core";
import type { LabelFiles } from "@masklet/labels";

export const cases: string = join(import.meta.dirname, "../../../../shared/cases/labels");
export const haveCases: boolean = existsSync(join(cases, "truth.json"));

/** Files of a folder. */
export function folder(path: string): LabelFiles {
  const paths = readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(path.length + 1)
        .replaceAll(sep, "/"),
    );
  return { paths, read: async (name) => new Uint8Array(readFileSync(join(path, name))) };
}

export interface Truth {
  readonly image: string;
  readonly label: string;
  readonly area: number;
  readonly counts: string;
}

interface TruthFile {
  readonly classes: readonly string[];
  readonly images: readonly ({ readonly file: string } & Size)[];
  readonly objects: readonly Truth[];
}

export const truth: TruthFile = haveCases
  ? JSON.parse(readFileSync(join(cases, "truth.json"), "utf8"))
  : { classes: [], images: [], objects: [] };

/** What the tool itself reads from its files, where it was asked. */
export const readback: Readonly<Record<string, Readonly<Record<string, readonly Partial<Truth>[]>>>> = haveCases
  ? JSON.parse(readFileSync(join(cases, "readback.json"), "utf8"))
  : {};

/** Sizes of the pictures by name, for formats that do not tell them. */
export function imageSize(path: string): Size | undefined {
  const name = path.slice(path.lastIndexOf("/") + 1).replace(/\.\w+$/, "");
  return truth.images.find(({ file }) => file.replace(/\.\w+$/, "") === name);
}
