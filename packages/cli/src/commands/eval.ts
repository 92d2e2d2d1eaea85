/** `masklet eval`: how good tracked masks are, as DAVIS and SA-V measure it, and how good labels are, as COCO does. */
import { readdir, readFile, stat } from "node:fs/promises";
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
import { type AveragePrecision, evaluateDataset, type LabelScores, type LabelsEvaluation } from "@masklet/labels";
import { type ExitCode, type Host, print } from "../host.ts";
import { openLabels, readOptions, readSettings } from "../labels/read.ts";
import { type Cell, renderTable, right } from "../table.ts";
import { commonOptions, count, type Help, numberOption, parsing, renderHelp, UsageError } from "../usage.ts";

const frameOptions = {
  "all-frames": { type: "boolean", help: "Count the first and the last frame too." },
} as const;

const labelOptions = {
  "min-score": {
    type: "string",
    value: "N",
    help: "Predictions with a lower score count for average precision alone. Default 0.",
  },
  from: {
    type: "string",
    value: "FORMAT",
    help: "What the predictions are, where it cannot be told: coco, yolo and so on.",
  },
  "labels-from": { type: "string", value: "FORMAT", help: "What LABELS are, where it cannot be told." },
  images: readOptions.images,
} as const;

const otherOptions = {
  json: { type: "boolean", help: "Print it as JSON, from 0 to 1." },
  ...commonOptions,
} as const;

const options = { ...frameOptions, ...labelOptions, ...otherOptions } as const;

const help: Help = {
  usage: "masklet eval PREDICTIONS LABELS [options]",
  about: `Compare masks with the true ones.

Labels of images, in any format, files or folders: COCO's average precision and recall of masks and of boxes, equal to
pycocotools'; and of each true object with the predicted one that fits it best IoU, boundary IoU, and J and F as DAVIS has
them; panoptic quality. Images are the same by name, categories by name.

Tracked masks: region similarity J, contour accuracy F and their mean, in percent, as DAVIS and SA-V do. Both are folders of
PNG files with the same names: one for each frame, whose pixels are object ids (palette or 8-bit grey), or a folder for each
object, with a mask for each frame; one may be of one kind and the other of the other. A folder that masklet track wrote is
taken as it is: its objects where they were written, else its masks. What only PREDICTIONS has does not count.`,
  sections: { "Of tracked masks": frameOptions, "Of labels": labelOptions, Others: otherOptions },
  examples: [
    "masklet eval results.json instances_val2017.json",
    "masklet eval runs/predict data.yaml --images datasets/coco/images --min-score 0.25 --json",
    "masklet eval out clip.labels",
    "masklet eval predictions/sav_000001 labels/sav_000001 --json",
  ],
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
  const kinds = [await isLabels(predictions), await isLabels(labels)];
  if (kinds[0] !== kinds[1]) {
    const [label, mask] = kinds[0] ? [predictions, labels] : [labels, predictions];
    throw new UsageError(`${label} has labels, and ${mask} a folder of masks for each frame: give two of a kind`);
  }
  const frames = !kinds[0];
  const [given] = Object.keys(frames ? labelOptions : frameOptions).filter((name) => name in values);
  if (given !== undefined) throw new UsageError(`--${given} is for ${frames ? "labels" : "tracked masks"}`);
  if (!frames) return evaluateImages(predictions, labels, values, host);
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

/** Folders that belong to formats of labels, whose PNG files are not a video's. */
const labelFolders =
  /^(segmentation(object|class)|annotations|gtfine|gtcoarse|instances|images|labels|train|val|test)$/i;

/** Whether a path has labels of images, in a file or a folder, and not PNG files of frames. */
async function isLabels(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() !== true) return found !== undefined;
  const { files, folders } = await listing(path);
  if (files.length > 0 || folders.includes("masks")) return false;
  if (folders.some((folder) => labelFolders.test(folder))) return true;
  for (const folder of folders) if ((await listing(join(path, folder))).files.length > 0) return false;
  return true;
}

type LabelValues = { readonly [K in keyof typeof labelOptions]?: string | undefined } & {
  readonly json?: boolean | undefined;
};

/** Labels of images. */
async function evaluateImages(
  predictions: string,
  labels: string,
  { from, "labels-from": labelsFrom, images, "min-score": text, json = false }: LabelValues,
  host: Host,
): Promise<ExitCode> {
  const minScore = numberOption("--min-score", text, { min: 0, max: 1 }) ?? 0;
  const truth = await openLabels(labels, readSettings({ from: labelsFrom, images }), host.signal);
  const ours = await openLabels(predictions, { ...readSettings({ from, images }), instances: labels }, host.signal);
  const found = evaluateDataset(ours.dataset, truth.dataset, { minScore });
  if (json) await print(host, `${JSON.stringify(found)}\n`);
  else {
    for (const line of remarks(found)) host.stderr.write(`masklet eval: ${line}\n`);
    await print(host, labelsText(found));
  }
  return 0;
}

/** What did not count, and why. */
function remarks({
  predicted,
  unknownImages,
  unknownCategories,
  withoutMask,
  withoutScore,
}: LabelsEvaluation): readonly string[] {
  const all = (names: readonly string[], noun: string): string =>
    `${names.length} predicted ${noun} (${names.slice(0, 3).join(", ")}${names.length > 3 ? ", ..." : ""})`;
  return [
    ...(unknownImages.length > 0 ? [`LABELS does not have ${all(unknownImages, "images")}: they do not count`] : []),
    ...(unknownCategories.length > 0
      ? [`LABELS does not have ${all(unknownCategories, "categories")}: they do not count`]
      : []),
    ...(withoutMask > 0 ? [`${count(withoutMask, "object")} without a mask count for boxes alone`] : []),
    ...(withoutScore > 0 && withoutScore < predicted
      ? [`${withoutScore} of ${predicted} predictions have no score and count as sure`]
      : []),
    ...(withoutScore > 0 && withoutScore === predicted
      ? ["no prediction has a score: average precision ranks them in their order"]
      : []),
  ];
}

const share = (value: number | undefined): Cell =>
  right(value === undefined || value < 0 ? "-" : (100 * value).toFixed(1));

function labelsText(found: LabelsEvaluation): string {
  const { images, objects, predicted, masks, boxes, pairs, panoptic, categories } = found;
  const columns = ["AP", "AP50", "AP75", "AP small", "medium", "large", "AR1", "AR10", "AR100"];
  const precision = (name: string, ap: AveragePrecision | undefined): readonly (readonly Cell[])[] => {
    if (ap === undefined) return [];
    const { ap: all, ap50, ap75, apSmall, apMedium, apLarge, ar1, ar10, ar100 } = ap;
    return [[name, ...[all, ap50, ap75, apSmall, apMedium, apLarge, ar1, ar10, ar100].map(share)]];
  };
  const scores = ({ pairs: one, panoptic: quality }: LabelScores): readonly Cell[] =>
    [one?.iou, one?.boundaryIou, one?.f, one?.jAndF, quality?.pq, quality?.sq, quality?.rq].map(share);
  const kinds = categories.map((one): readonly Cell[] => [
    one.name ?? "(none)",
    right(String(one.objects)),
    right(String(one.predicted)),
    ...[one.masks?.ap, one.masks?.ap50, one.boxes?.ap].map(share),
    ...scores(one),
  ]);
  const measures = ["IoU", "boundary", "F", "J&F", "PQ", "SQ", "RQ"].map(right);
  const all: readonly Cell[] = ["all", right(String(objects)), right(String(predicted))];
  return [
    `${count(images, "image")}, ${count(objects, "object")}, ${predicted} predicted; in percent\n`,
    renderTable([["", ...columns.map(right)], ...precision("masks", masks), ...precision("boxes", boxes)]),
    renderTable([
      ["category", right("objects"), right("predicted"), right("AP"), right("AP50"), right("box AP"), ...measures],
      ...kinds,
      [
        ...all,
        ...[masks?.ap, masks?.ap50, boxes?.ap].map(share),
        ...scores({ objects, predicted, masks, boxes, pairs, panoptic }),
      ],
    ]),
  ].join("\n");
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
