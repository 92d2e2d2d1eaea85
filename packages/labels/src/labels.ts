/** All formats under one roof: told apart, read, written, converted. */
import { decodeUtf8 } from "@masklet/core";
import { checkChoice, checkKeys, type Keys } from "@masklet/core/backend";
import { LabelError } from "./errors.ts";
import { type Finding, isPicture, type LabelFiles, ReadContext, type ReadOptions } from "./files.ts";
import { readCityscapes, readMots, writeCityscapes, writeMots } from "./formats/class-instances.ts";
import { type CocoOptions, readCoco, readCocoResults, writeCoco, writeCocoResults } from "./formats/coco.ts";
import { type PanopticOptions, readCocoPanoptic, writeCocoPanoptic } from "./formats/coco-panoptic.ts";
import { type CvatOptions, readCvat, writeCvatImages, writeCvatVideo } from "./formats/cvat.ts";
import { davisPath, readDavis, writeDavis } from "./formats/davis.ts";
import type { Written } from "./formats/format.ts";
import { type LabelStudioOptions, readLabelStudio, writeLabelStudio } from "./formats/label-studio.ts";
import { isFlat } from "./formats/label-studio-flat.ts";
import { type LabelMeOptions, readLabelMe, writeLabelMe } from "./formats/labelme.ts";
import { readLabelMeXml } from "./formats/labelme-xml.ts";
import { readSa1b, readSav, writeSa1b, writeSav } from "./formats/sa.ts";
import { readVoc, writeVoc } from "./formats/voc.ts";
import { readYolo, writeYolo, type YoloOptions } from "./formats/yolo.ts";
import { JsonReader } from "./json/json.ts";
import type { Dataset } from "./model.ts";
import { csvHeader } from "./text/csv.ts";

/** Formats by name. `cvat` and `yolo` are read whatever their kind; what is written says which. */
export const readFormats = [
  "cityscapes",
  "coco",
  "coco-panoptic",
  "coco-results",
  "cvat",
  "davis",
  "label-studio",
  "labelme",
  "labelme-xml",
  "mots",
  "sa1b",
  "sav",
  "voc",
  "yolo",
] as const;
export type ReadFormat = (typeof readFormats)[number];

/** What a format is written with. */
export interface WriteOptions {
  readonly cityscapes: Record<never, never>;
  readonly coco: CocoOptions;
  readonly "coco-panoptic": PanopticOptions;
  readonly "coco-results": CocoOptions;
  readonly "cvat-images": CvatOptions;
  readonly "cvat-video": CvatOptions;
  readonly davis: Record<never, never>;
  readonly "label-studio": LabelStudioOptions;
  readonly labelme: LabelMeOptions;
  readonly mots: Record<never, never>;
  readonly sa1b: Record<never, never>;
  readonly sav: Record<never, never>;
  readonly voc: Record<never, never>;
  readonly yolo: YoloOptions;
}
export type WriteFormat = keyof WriteOptions;

/** Every option of every format. */
export const writeKeys: { readonly [K in WriteFormat]: Keys<WriteOptions[K]> } = {
  cityscapes: {},
  coco: { path: true, segmentation: true, compressed: true, minIou: true },
  "coco-panoptic": { path: true },
  "coco-results": { path: true, segmentation: true, compressed: true, minIou: true },
  "cvat-images": { path: true, shapes: true, minIou: true },
  "cvat-video": { path: true, shapes: true, minIou: true },
  davis: {},
  "label-studio": { path: true, shapes: true, address: true, minIou: true },
  labelme: { shapes: true, minIou: true },
  mots: {},
  sa1b: {},
  sav: {},
  voc: {},
  yolo: { task: true, parts: true, minIou: true },
};

/** Labels that were found: their format, and the files that hold them. */
export interface FoundLabels {
  readonly format: ReadFormat;
  readonly paths: readonly string[];
}

/** Names of JSON's members at the top, by which formats are told apart. */
async function membersOf(path: string, files: LabelFiles): Promise<ReadonlySet<string> | undefined> {
  const reader = new JsonReader(await files.read(path), path);
  const root = reader.root();
  const first = reader.bytes[root.start];
  if (first === 0x7b) return new Set(reader.members(root).map(({ name }) => name));
  if (first !== 0x5b) return undefined;
  const element = reader.elements(root)[0];
  if (element === undefined) return new Set(["[]"]);
  if (reader.bytes[element.start] !== 0x7b) return undefined;
  return new Set(["[]", ...reader.members(element).map(({ name }) => `[].${name}`)]);
}

function jsonFormat(names: ReadonlySet<string>): ReadFormat | undefined {
  const has = (...wanted: string[]): boolean => wanted.every((name) => names.has(name));
  if (has("shapes", "imagePath")) return "labelme";
  if (has("image", "annotations")) return "sa1b";
  if (has("masklet", "masklet_id")) return "sav";
  if (has("images", "annotations", "categories")) return "coco";
  if (has("[].image_id", "[].category_id")) return "coco-results";
  if (isFlat(Array.from(names, (name) => name.replace("[].", "")))) return "label-studio";
  if (has("[].data") && (has("[].annotations") || has("[].predictions"))) return "label-studio";
  return undefined;
}

/** A panoptic file's annotations hold segments. */
async function isPanoptic(path: string, files: LabelFiles): Promise<boolean> {
  const reader = new JsonReader(await files.read(path), path);
  const annotations = reader.members(reader.root()).find(({ name }) => name === "annotations");
  if (annotations === undefined || reader.bytes[annotations.start] !== 0x5b) return false;
  const [first] = reader.elements(annotations);
  return (
    first !== undefined &&
    reader.bytes[first.start] === 0x7b &&
    reader.members(first).some(({ name }) => name === "segments_info")
  );
}

/** What Datumaro's command makes of a format that is not read. */
const byDatumaro = (format: string): string =>
  `Datumaro makes COCO of it: datum convert -if ${format} -i DIR -f coco_instances -o OUT`;
const noShapes = "it says what a picture shows, not where: annotate the pictures, and no labels are needed for it";

/** What is known and not read, so that it can be said by name, and what to do instead. */
const unsupported: readonly { readonly name: string; readonly path: RegExp; readonly instead?: string }[] = [
  {
    name: "Open Images (CSV and masks)",
    path: /(^|\/)(\w+-)?annotations-object-segmentation\.csv$|-annotations-bbox\.csv$/,
  },
  { name: "SA-V's val and test (a folder of PNGs to an object)", path: /(^|\/)Annotations_6fps\// },
  { name: "Pascal VOC's SegmentationClass without SegmentationObject", path: /(^|\/)SegmentationClass\/.*\.png$/i },
  { name: "KITTI (semantic and instance maps)", path: /(^|\/)semantic_rgb\/.*\.png$/i },
  { name: "KITTI (label_2)", path: /(^|\/)label_2\/.*\.txt$/i },
  { name: "MOT sequences (gt.txt)", path: /(^|\/)gt\/gt\.txt$/ },
  { name: "CamVid", path: /(^|\/)\w*annot\/.*\.png$/i },
  { name: "DOTA (labelTxt)", path: /(^|\/)labelTxt\w*\/.*\.txt$/ },
  { name: "WIDER FACE", path: /(^|\/)wider_face_\w+_bbx_gt\.txt$/i },
  {
    name: "Label Studio's brush export (PNG or NumPy; its JSON is read)",
    path: /(^|\/)task-\d+-annotation-\d+-by-.*\.(png|npy)$/,
  },
  {
    name: "MVTec AD (ground_truth, a mask to a picture)",
    path: /(^|\/)ground_truth\/[^/]+\/[^/]+\.png$/i,
    instead: byDatumaro("mvtec"),
  },
  {
    name: "ICDAR (text localization)",
    path: /(^|\/)gt_[^/]*\.txt$/i,
    instead: byDatumaro("icdar_text_localization"),
  },
  {
    name: "ICDAR (text segmentation)",
    path: /(^|\/)[^/]+_GT\.(txt|bmp)$/,
    instead: byDatumaro("icdar_text_segmentation"),
  },
  { name: "ICDAR (word recognition)", path: /(^|\/)word_\d+\.(png|jpe?g)$/i, instead: noShapes },
  { name: "TensorFlow records", path: /\.tfrecords?$/i },
  { name: "Datumaro's binary or Arrow files", path: /\.(datum|arrow)$/i },
];

/** The same of JSON files, by their members. */
const unsupportedJson: readonly { readonly name: string; readonly members: readonly string[] }[] = [
  { name: "Datumaro's JSON", members: ["infos", "categories", "items"] },
  { name: "VGG Image Annotator's JSON", members: ["_via_settings"] },
  { name: "CreateML's JSON", members: ["[].image", "[].annotations"] },
  { name: "FiftyOne's samples.json", members: ["samples"] },
];

/**
 * Which labels are among the files. Several are given in the order of their paths. Throws a `LabelError`
 * "format-unsupported" where only what is known and not read is there, "format-unknown" where nothing is.
 */
export async function findLabels(files: LabelFiles): Promise<readonly FoundLabels[]> {
  const { paths } = files;
  const found: FoundLabels[] = [];
  const matching = (pattern: RegExp): readonly string[] => paths.filter((path) => pattern.test(path));
  const cityscapes = matching(/_gt(Fine|Coarse)_(polygons\.json|instanceIds\.png)$/);
  if (cityscapes.length > 0) found.push({ format: "cityscapes", paths: cityscapes });
  const mots = matching(/(^|\/)instances\/labels\.txt$/);
  if (mots.length > 0) found.push({ format: "mots", paths: mots });
  const vocMaps = matching(/(^|\/)SegmentationObject\/.*\.png$/i);
  if (vocMaps.length > 0) found.push({ format: "voc", paths: vocMaps });
  const davis = paths.filter((path) => davisPath.test(path));
  if (davis.length > 0) found.push({ format: "davis", paths: davis });
  const single = new Map<ReadFormat, string[]>();
  let tooDeep: LabelError | undefined;
  /** Names, with what to do instead. */
  const known = new Map<string, string | undefined>();
  for (const path of matching(/\.json$/i)) {
    if (cityscapes.includes(path)) continue;
    let names: ReadonlySet<string> | undefined;
    try {
      names = await membersOf(path, files);
    } catch (error) {
      if (!(error instanceof LabelError)) throw error;
      tooDeep ??= error;
      continue;
    }
    if (names === undefined) continue;
    let format = jsonFormat(names);
    if (format === undefined) {
      const other = unsupportedJson.find(({ members }) => members.every((name) => names.has(name)));
      if (other !== undefined) known.set(other.name, undefined);
      continue;
    }
    if (format === "coco" && (await isPanoptic(path, files))) format = "coco-panoptic";
    single.set(format, [...(single.get(format) ?? []), path]);
  }
  const xml = await xmlFormats(files);
  if (xml.labelmeXml.length > 0) found.push({ format: "labelme-xml", paths: xml.labelmeXml.sort() });
  if (xml.cvat.length > 0) single.set("cvat", xml.cvat);
  if (xml.voc.length > 0 && vocMaps.length === 0) found.push({ format: "voc", paths: xml.voc });
  for (const [format, own] of single) {
    // One file holds all of these; of the others there is one to a picture or video.
    if (format === "labelme" || format === "sa1b" || format === "sav") found.push({ format, paths: own.sort() });
    else for (const path of own.sort()) found.push({ format, paths: [path] });
  }
  // Text files are labels only where nothing else is, and classes are named.
  const classes = matching(/\.ya?ml$|(^|\/)(obj\.data|obj\.names|classes\.txt)$/i);
  if (found.length === 0 && classes.length > 0 && matching(/\.txt$/i).length > 0) {
    found.push({ format: "yolo", paths: classes });
  }
  if (found.length > 0) return found;
  for (const { name, path, instead } of unsupported) if (paths.some((one) => path.test(one))) known.set(name, instead);
  if (known.size === 0) {
    const tables = await tableFormats(files);
    if (tables.exports.length > 0) return tables.exports.map((path) => ({ format: "label-studio", paths: [path] }));
    for (const [name, instead] of tables.known) known.set(name, instead);
    if (isClassified(paths)) known.set("a classification set (a folder to each class)", noShapes);
  }
  if (known.size > 0) {
    const names = [...known.keys()];
    const instead = [...new Set(known.values())].filter((one) => one !== undefined);
    throw new LabelError(
      "format-unsupported",
      `these labels are ${names.join(", ")}, which is not read${instead.map((one) => `; ${one}`).join("")}`,
      { details: { found: names } },
    );
  }
  if (tooDeep !== undefined) throw tooDeep;
  const [first] = paths;
  const where =
    first === undefined ? "there are no files" : `${first}${paths.length > 1 ? ` and ${paths.length - 1} more` : ""}`;
  throw new LabelError("format-unknown", `no labels of a known format: ${where}`, { details: { files: paths.length } });
}

/** Tables: exports of Label Studio, by their columns, and those that are known and not read. */
async function tableFormats(files: LabelFiles): Promise<{
  readonly exports: readonly string[];
  readonly known: ReadonlyMap<string, string | undefined>;
}> {
  const exports: string[] = [];
  const known = new Map<string, string | undefined>();
  for (const path of files.paths.filter((one) => /\.[ct]sv$/i.test(one)).sort()) {
    const bytes = await files.read(path);
    const end = bytes.indexOf(0x0a);
    const head = decodeUtf8(end < 0 ? bytes : bytes.subarray(0, end));
    if (head === undefined) continue;
    const columns = csvHeader(head).map((name) => name.trim().toLowerCase());
    const has = (pattern: RegExp): boolean => columns.some((name) => pattern.test(name));
    if (isFlat(columns)) exports.push(path);
    else if (has(/^x_?min$|^xmin$|^left$|^bbox$|^x1$/) && has(/^(filename|file|file_name|image|image_id|path)$/)) {
      known.set("a table of boxes (CSV)", "write a COCO file or YOLO's rows of it");
    } else if (
      has(/^(filename|file|file_name|image|image_id|path|id)$/) &&
      has(/^(label|class|category)(_id|_name|es|s)?$/)
    ) {
      known.set("a classification set (a table of classes)", noShapes);
    }
  }
  return { exports, known };
}

/** Whether pictures lie by their classes in the parts of a set, and nothing else does: `train/cat/1.jpg`, `val/dog/2.jpg`. */
function isClassified(paths: readonly string[]): boolean {
  const place = /(?:^|\/)(?:train|training|val|valid|validation|test)\/([^/]+)\/[^/]+$/i;
  const classes = paths.map((path) => (isPicture(path) ? place.exec(path)?.[1] : undefined));
  return !classes.includes(undefined) && new Set(classes).size > 1;
}

async function xmlFormats(files: LabelFiles): Promise<{ cvat: string[]; voc: string[]; labelmeXml: string[] }> {
  const result: { cvat: string[]; voc: string[]; labelmeXml: string[] } = { cvat: [], voc: [], labelmeXml: [] };
  for (const path of files.paths.filter((one) => /\.xml$/i.test(one))) {
    const bytes = await files.read(path);
    const head = String.fromCharCode(...bytes.subarray(0, 4096));
    if (/<annotations[\s>]/.test(head)) result.cvat.push(path);
    else if (/<annotation[\s>]/.test(head)) {
      // MIT's LabelMe says the size so.
      result[/<imagesize>|<sourceImage>/.test(head) ? "labelmeXml" : "voc"].push(path);
    }
  }
  return result;
}

export interface ReadLabelsOptions extends ReadOptions {
  /** Takes the files for this format, whatever they look like. */
  readonly format?: ReadFormat;
  /** Which file holds the labels, where several could. */
  readonly path?: string;
  /**
   * What happens where a part of the labels makes no sense: `throw`, the default, rejects; `collect` leaves it out and
   * lists it among the findings.
   */
  readonly problems?: "throw" | "collect";
}

const readKeys: Keys<ReadLabelsOptions> = { format: true, path: true, problems: true, imageSize: true };

export interface ReadResult {
  readonly format: ReadFormat;
  readonly dataset: Dataset;
  /** What is odd, and with `problems: "collect"` what is wrong. */
  readonly findings: readonly Finding[];
}

/**
 * Reads labels of any format. Rejects with a `LabelError`: "format-unknown", "format-unsupported", "format-ambiguous" where
 * several are there and none was chosen, "annotation-invalid" for a part that makes no sense, and as the file's syntax has it;
 * with a `PromptError` "bad-option" or "unknown-option" for an option that there is not.
 */
export async function readLabels(files: LabelFiles, options: ReadLabelsOptions = {}): Promise<ReadResult> {
  checkKeys("readLabels", options, readKeys);
  const { format: wanted, path, problems = "throw" } = options;
  checkChoice("readLabels", { format: wanted }, readFormats);
  checkChoice("readLabels", { problems }, ["throw", "collect"]);
  const all = await findLabels(files);
  const fitting = all.filter(
    (one) => (wanted === undefined || one.format === wanted) && (path === undefined || one.paths.includes(path)),
  );
  // Results are of the instances beside them, and do not make these ambiguous.
  const candidates =
    path === undefined && wanted === undefined
      ? fitting.filter(({ format }) => format !== "coco-results" || fitting.length === 1)
      : fitting;
  const [found] = candidates;
  if (found === undefined) {
    const there = all.map(({ format }) => format).join(", ");
    throw new LabelError(
      "format-unknown",
      `no ${wanted ?? "labels"}${path === undefined ? "" : ` in ${path}`}: there is ${there}`,
    );
  }
  if (candidates.length > 1) {
    const list = candidates.map(({ format, paths }) => `${format} (${paths[0]})`);
    throw new LabelError(
      "format-ambiguous",
      `several labels are there: ${list.join(", ")}; say which by format or path`,
      {
        details: { found: list },
      },
    );
  }
  const context = new ReadContext(files, options);
  const paths = path === undefined ? found.paths : [path];
  const dataset = await read(found.format, paths, context, all, path);
  const errors = context.findings.filter(({ severity }) => severity === "error");
  const [first] = errors;
  if (problems === "throw" && first !== undefined) {
    const more = errors.length > 1 ? `, and ${errors.length - 1} more` : "";
    throw new LabelError("annotation-invalid", `${first.file}, ${first.at}: ${first.message}${more}`, {
      details: { file: first.file, at: first.at, count: errors.length },
    });
  }
  return { format: found.format, dataset, findings: context.findings };
}

function read(
  format: ReadFormat,
  paths: readonly string[],
  context: ReadContext,
  all: readonly FoundLabels[],
  given: string | undefined,
): Promise<Dataset> {
  const [path] = paths as readonly [string];
  switch (format) {
    case "cityscapes":
      return readCityscapes(context);
    case "coco":
      return readCoco(path, context);
    case "coco-panoptic":
      return readCocoPanoptic(path, context);
    case "coco-results": {
      const instances = all.filter((one) => one.format === "coco");
      return readCocoResults(path, context, instances.length === 1 ? instances[0]?.paths[0] : undefined);
    }
    case "cvat":
      return readCvat(path, context);
    case "davis":
      return readDavis(context);
    case "label-studio":
      return readLabelStudio(path, context);
    case "labelme":
      return readLabelMe(paths, context);
    case "labelme-xml":
      return readLabelMeXml(paths, context);
    case "mots":
      return readMots(context);
    case "sa1b":
      return readSa1b(paths, context);
    case "sav":
      return readSav(paths, context);
    case "voc":
      return readVoc(context);
    case "yolo":
      return readYolo(context, given);
  }
}

const writers: { readonly [K in WriteFormat]: (dataset: Dataset, options?: WriteOptions[K]) => Written } = {
  cityscapes: writeCityscapes,
  coco: writeCoco,
  "coco-panoptic": writeCocoPanoptic,
  "coco-results": writeCocoResults,
  "cvat-images": writeCvatImages,
  "cvat-video": writeCvatVideo,
  davis: writeDavis,
  "label-studio": writeLabelStudio,
  labelme: writeLabelMe,
  mots: writeMots,
  sa1b: writeSa1b,
  sav: writeSav,
  voc: writeVoc,
  yolo: writeYolo,
};

/** Formats that `writeLabels` writes. */
export const writeFormats: readonly WriteFormat[] = Object.keys(writers) as WriteFormat[];

/**
 * Labels in another format, as files that are not written yet, and what they leave out: look at `losses` first, and take
 * the files' bytes then. Throws a `LabelError` "cannot-write" where the format cannot hold the labels at all, a
 * `PromptError` "bad-option" or "unknown-option" for a format or an option that there is not.
 */
export function writeLabels<F extends WriteFormat>(dataset: Dataset, format: F, options?: WriteOptions[F]): Written {
  checkChoice("writeLabels", { format }, writeFormats);
  if (options !== undefined) checkWriteOptions("writeLabels", format, options);
  return writers[format](dataset, options);
}

function checkWriteOptions<F extends WriteFormat>(where: string, format: F, options: WriteOptions[F]): void {
  checkKeys(where, options, writeKeys[format]);
  const { segmentation, shapes, task, parts } = options as Readonly<Record<string, unknown>>;
  checkChoice(where, { segmentation }, ["auto", "polygon", "rle"]);
  checkChoice(where, { shapes }, format === "labelme" ? ["auto", "mask", "polygon"] : ["auto", "polygon"]);
  checkChoice(where, { task }, ["segment", "detect"]);
  checkChoice(where, { parts }, ["bridge", "split", "largest"]);
}
