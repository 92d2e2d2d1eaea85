/** A dataset as files on the disk, and what that costs. */
import { basename, dirname, extname, join } from "node:path";
import { writeFileAtomic } from "@masklet/core/node";
import {
  type Dataset,
  LabelError,
  type LabelFile,
  type Loss,
  lossMeanings,
  type WriteFormat,
  type WriteOptions,
  type Written,
  writeFormats,
  writeLabels,
} from "@masklet/labels";
import { fileKey, isUnfinished, listed, prepareFolder, removeMatching } from "../folder.ts";
import { type Cell, renderTable, right } from "../table.ts";
import { choiceOption, count, numberOption, type OneOption, UsageError } from "../usage.ts";

/** The options of every command that writes labels. */
export const writeOptions: Readonly<Record<"min-iou" | "task" | "parts" | "segmentation", OneOption<"string">>> = {
  "min-iou": {
    type: "string",
    value: "N",
    help: "Outlines may miss their mask by this IoU, and have fewer corners. Default 1: exact.",
  },
  task: { type: "string", value: "NAME", help: "YOLO: segment, outlines, the default; or detect, boxes." },
  parts: {
    type: "string",
    value: "NAME",
    help: "YOLO has one ring to an object. Several parts: bridge, joined by a line, the default; split; or largest, that one alone.",
  },
  segmentation: {
    type: "string",
    value: "NAME",
    help: "COCO: auto, as it was, the default; rle; or polygon, which fills holes.",
  },
};

export type WriteValues = { readonly [K in keyof typeof writeOptions]?: string | undefined };

/** A format with its options. */
export interface Target {
  readonly format: WriteFormat;
  readonly options: object;
}

const takesOptions: Readonly<Record<keyof WriteValues, readonly WriteFormat[]>> = {
  "min-iou": ["yolo", "labelme", "coco", "coco-results", "label-studio", "cvat-images", "cvat-video"],
  task: ["yolo"],
  parts: ["yolo"],
  segmentation: ["coco"],
};

/** Throws a `UsageError`, also for options that the format does not have. */
export function writeSettings(option: string, format: string, values: WriteValues): Target {
  const target = choiceOption(option, format, writeFormats);
  for (const [name, formats] of Object.entries(takesOptions)) {
    if (values[name as keyof WriteValues] !== undefined && !formats.includes(target)) {
      throw new UsageError(`--${name} is for ${formats.join(", ")}, not for ${target}`);
    }
  }
  const { "min-iou": minIou, task, parts, segmentation } = values;
  return {
    format: target,
    options: {
      ...(minIou !== undefined && { minIou: numberOption("--min-iou", minIou, { min: 0, max: 1 }) }),
      ...(task !== undefined && { task: choiceOption("--task", task, ["segment", "detect"]) }),
      ...(parts !== undefined && { parts: choiceOption("--parts", parts, ["bridge", "split", "largest"]) }),
      ...(segmentation !== undefined && {
        segmentation: choiceOption("--segmentation", segmentation, ["auto", "rle", "polygon"]),
      }),
    },
  };
}

/** Formats of one file, whose name the user may choose. */
const oneFile: Readonly<Partial<Record<WriteFormat, string>>> = {
  coco: ".json",
  "coco-panoptic": ".json",
  "coco-results": ".json",
  "label-studio": ".json",
  "cvat-images": ".xml",
  "cvat-video": ".xml",
};

/** The folder to write to, and with a file's name as `to` that name. */
export function placeOf(to: string, { format, options }: Target): { readonly folder: string; readonly target: Target } {
  const ending = oneFile[format];
  if (ending === undefined || extname(to).toLowerCase() !== ending) return { folder: to, target: { format, options } };
  const path = basename(to);
  return { folder: dirname(to), target: { format, options: { ...options, path } } };
}

/** As `writeLabels`. */
export function written(dataset: Dataset, { format, options }: Target): Written {
  return writeLabels(dataset, format, options as WriteOptions[typeof format]);
}

/**
 * Throws a `LabelError` "cannot-write" for a name that leads out of the folder, a `UsageError` where files lie that would be
 * replaced, unless they may be.
 */
export async function checkFiles(
  files: readonly LabelFile[],
  folder: string,
  { overwrite, read }: { readonly overwrite: boolean; readonly read: readonly string[] },
): Promise<void> {
  const sources = new Set(await Promise.all(read.map(fileKey)));
  const there = new Map<string, ReadonlySet<string>>();
  for (const { path } of files) {
    if (/^([/\\]|[a-z]:)|(^|[/\\])\.\.([/\\]|$)/i.test(path)) {
      throw new LabelError("cannot-write", `${path}: leads out of the folder of the labels`, {
        details: { file: path },
      });
    }
    const full = join(folder, path);
    if (sources.size > 0 && sources.has(await fileKey(full))) {
      throw new UsageError(`${full} would replace what is read; give another folder`);
    }
    if (overwrite) continue;
    const names = there.get(dirname(full)) ?? new Set(await listed(dirname(full)));
    there.set(dirname(full), names);
    if (names.has(basename(full))) {
      throw new UsageError(`${full} is there already: give another folder, or --overwrite`);
    }
  }
}

/**
 * Writes files, each wholly or not at all, and removes what a run that was killed left of them. Rejects with a `MaskletError`
 * "write-failed", or the signal's reason.
 */
export async function writeFiles(files: readonly LabelFile[], folder: string, signal: AbortSignal): Promise<void> {
  const byFolder = new Map<string, LabelFile[]>();
  for (const file of files) {
    const parent = dirname(join(folder, file.path));
    const own = byFolder.get(parent);
    if (own === undefined) byFolder.set(parent, [file]);
    else own.push(file);
  }
  for (const [parent, own] of byFolder) {
    await prepareFolder(parent);
    const names = own.map(({ path }) => basename(path));
    await removeMatching(parent, (name) => isUnfinished(name) && names.some((one) => isUnfinished(name, one)));
    for (const file of own) {
      signal.throwIfAborted();
      await writeFileAtomic(join(folder, file.path), await file.bytes(), { signal });
    }
  }
}

/** The report of what is lost, for eyes. */
export function lossTable(losses: readonly Loss[]): string {
  if (losses.length === 0) return "nothing is lost\n";
  const rows = losses.map(({ kind, count: number, example }): readonly Cell[] => [
    kind,
    right(String(number)),
    lossMeanings[kind],
    `first: ${example}`,
  ]);
  return `${count(losses.length, "kind")} of loss:\n${renderTable(rows.map((row) => ["", ...row]))}`;
}
