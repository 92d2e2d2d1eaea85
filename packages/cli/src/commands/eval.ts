/** `masklet eval`: how good tracked masks are, as DAVIS and SA-V measure it. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  decodeLabelPng,
  evaluateLabels,
  evaluateMasklet,
  ImageError,
  type LabelMap,
  type Mask,
  type MaskletScore,
} from "@masklet/core/node";
import { type ExitCode, type Host, print } from "../host.ts";
import { type Cell, renderTable } from "../table.ts";
import { commonOptions, type Help, parsing, renderHelp, UsageError } from "../usage.ts";

const options = {
  "all-frames": { type: "boolean", help: "Count the first and the last frame too." },
  json: { type: "boolean", help: "Print it as JSON, from 0 to 1." },
  ...commonOptions,
} as const;

const help: Help = {
  usage: "masklet eval PREDICTIONS LABELS [options]",
  about: `Compare masks with the true ones: region similarity J, contour accuracy F and their mean, in percent, as DAVIS and
SA-V do. Both are folders of PNG files with the same names: one for each frame, whose pixels are object ids (palette or
8-bit grey), or a folder for each object, with a mask for each frame; one may be of one kind and the other of the other. A
folder that masklet track wrote is taken as it is: its objects where they were written, else its masks. What only
PREDICTIONS has does not count.`,
  sections: { Options: options },
  examples: ["masklet eval out clip.labels", "masklet eval predictions/sav_000001 labels/sav_000001 --json"],
};

/** An object's name and how good its masks are. */
type ObjectScore = readonly [object: string, score: MaskletScore];

export async function evaluate(args: readonly string[], host: Host): Promise<ExitCode> {
  const { values, positionals } = parsing(options, args, (given) =>
    parseArgs({ args: given, options, allowPositionals: true }),
  );
  if (values.help === true) {
    await print(host, renderHelp(help));
    return 0;
  }
  const [predictions, labels, ...more] = positionals;
  if (predictions === undefined || labels === undefined || more.length > 0) {
    throw new UsageError(`takes two folders, PREDICTIONS and LABELS, got ${positionals.length}`);
  }
  const settings = { skipFirstAndLast: values["all-frames"] !== true };
  const [ours, theirs] = [await openMasks(predictions), await openMasks(labels)];
  const scores: ObjectScore[] = [];
  if (ours.kind === "maps" && theirs.kind === "maps") {
    const [predicted, truth] = [
      await readMaps(ours.folder, theirs.files, host),
      await readMaps(theirs.folder, theirs.files, host),
    ];
    for (const [id, score] of evaluateLabels(predicted, truth, settings).objects) scores.push([String(id), score]);
  } else {
    for (const object of await objectsOf(theirs, host)) {
      const { files } = theirs.kind === "maps" ? theirs : await listing(join(theirs.folder, object));
      const [predicted, truth] = [
        await readObject(ours, object, files, host),
        await readObject(theirs, object, files, host),
      ];
      scores.push([object, evaluateMasklet(predicted, truth, settings)]);
    }
  }
  if (scores.length === 0)
    throw new UsageError(`LABELS must hold PNG files or a folder for each object, ${labels} does not`);
  await print(host, values.json === true ? asJson(scores) : asTable(scores));
  return 0;
}

/** Masks as they lie in a folder. */
interface Masks {
  /** Label maps, a file for each frame; or a folder for each object. */
  readonly kind: "maps" | "objects";
  readonly folder: string;
  /** The frames of label maps. */
  readonly files: readonly string[];
  /** The objects' folders. */
  readonly folders: readonly string[];
}

/** Of a run of `masklet track` the objects' own masks where they were written, which keep overlaps, else the label maps. */
async function openMasks(folder: string): Promise<Masks> {
  const { files, folders } = await listing(folder);
  if (files.length > 0) return { kind: "maps", folder, files, folders: [] };
  if (folders.includes("masks")) return openMasks(join(folder, folders.includes("objects") ? "objects" : "masks"));
  return { kind: "objects", folder, files, folders };
}

/** Names of objects; a label is called by its number. */
async function objectsOf({ kind, folder, files, folders }: Masks, host: Host): Promise<readonly string[]> {
  if (kind === "objects") return folders;
  const ids = new Set((await readMaps(folder, files, host)).flatMap(({ data }) => [...new Set(data)]));
  return [...ids]
    .filter((id) => id !== 0)
    .sort((a, b) => a - b)
    .map(String);
}

/** One object's masks on the frames that `files` are called after. `7` and `007` are one name. */
async function readObject(
  masks: Masks,
  object: string,
  files: readonly string[],
  host: Host,
): Promise<readonly Mask[]> {
  const same = (name: string): boolean =>
    name === object || (/^\d+$/.test(name + object) && Number(name) === Number(object));
  if (masks.kind === "objects") {
    return (await readMaps(join(masks.folder, masks.folders.find(same) ?? object), files, host)).map(binary);
  }
  return (await readMaps(masks.folder, files, host)).map((map) => ofObject(map, object));
}

function ofObject({ width, height, data }: LabelMap, object: string): Mask {
  const id = Number(object);
  return { width, height, data: data.map((label) => (label === id ? 1 : 0)) };
}

/** The PNG files of a folder, by the number in their names, and its folders. */
async function listing(
  folder: string,
): Promise<{ readonly files: readonly string[]; readonly folders: readonly string[] }> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: Error) => {
    throw new ImageError("image-not-found", `${folder}: cannot be read as a folder`, { cause, details: { folder } });
  });
  const byNumber = (a: string, b: string): number => a.localeCompare(b, "en", { numeric: true });
  const named = (keep: (entry: (typeof entries)[number]) => boolean): readonly string[] =>
    entries
      .filter(keep)
      .map(({ name }) => name)
      .sort(byNumber);
  return {
    files: named((entry) => !entry.isDirectory() && /\.png$/i.test(entry.name)),
    folders: named((entry) => entry.isDirectory()),
  };
}

async function readMaps(folder: string, files: readonly string[], { signal }: Host): Promise<readonly LabelMap[]> {
  const maps: LabelMap[] = [];
  for (const file of files) {
    signal.throwIfAborted();
    const path = join(folder, file);
    const bytes = await readFile(path).catch((cause: Error) => {
      throw new ImageError("image-not-found", `${path}: cannot be read`, { cause, details: { file: path } });
    });
    maps.push(await decodeLabelPng(bytes, path));
  }
  return maps;
}

function binary({ width, height, data }: LabelMap): Mask {
  return { width, height, data: data.map((label) => (label === 0 ? 0 : 1)) };
}

function meanOf(scores: readonly ObjectScore[]): MaskletScore {
  const mean = (key: keyof MaskletScore): number =>
    scores.reduce((sum, [, score]) => sum + score[key], 0) / scores.length;
  return { j: mean("j"), f: mean("f"), jAndF: mean("jAndF") };
}

function asJson(scores: readonly ObjectScore[]): string {
  return `${JSON.stringify({ objects: Object.fromEntries(scores), mean: meanOf(scores) }, undefined, 2)}\n`;
}

function asTable(scores: readonly ObjectScore[]): string {
  const percent = (value: number): Cell => ({ text: (100 * value).toFixed(1), right: true });
  const row = (name: string, { j, f, jAndF }: MaskletScore): readonly Cell[] => [
    name,
    percent(j),
    percent(f),
    percent(jAndF),
  ];
  const heading = (text: string): Cell => ({ text, right: true });
  return renderTable([
    ["object", heading("J"), heading("F"), heading("J&F")],
    ...scores.map(([object, score]) => row(object, score)),
    row("mean", meanOf(scores)),
  ]);
}
