/**
 * YOLO as Ultralytics reads it: a text file to a picture, a row to an object, coordinates by the picture's size; classes
 * in data.yaml, in Darknet's obj.data or in classes.txt. Rings are single, and mean what OpenCV's `fillPoly` paints.
 */
import type { Box, Region, Ring, Size } from "@masklet/core";
import { stringify } from "yaml";
import { LabelError } from "../errors.ts";
import { baseName, folderOf, isPicture, type LabelFile, normalPath, type ReadContext, stem } from "../files.ts";
import { boxRing, fillRegions } from "../geometry/fill.ts";
import { shapeBox, topology } from "../geometry/object.ts";
import { rleIntersection, rleIou, runsArea } from "../geometry/rle.ts";
import { bridgedRings, bridgeParts, outlinesOf, simplifyRings } from "../geometry/trace.ts";
import { isList, isObject } from "../json/fields.ts";
import { countUnkept, Losses } from "../loss.ts";
import type { Dataset, JsonObject, LabelledImage, LabelObject } from "../model.ts";
import { parseYaml } from "../text/yaml.ts";
import { CategoryNames, categoryNumber, decimal, numbersByName, objectName, textFile, type Written } from "./format.ts";

interface Layout {
  /** The file that says what the classes are. */
  readonly path: string;
  readonly classes: readonly string[];
  /** Keypoints of a pose dataset, and numbers of each. */
  readonly keypoints?: readonly [count: number, numbers: number];
  /** Lists of pictures, and folders. */
  readonly sources: readonly string[];
}

/** Text files that are no labels. */
const otherText =
  /^(train|val|valid|validation|test|classes|labels|readme.*|requirements|notes|label_colors|labelmap)\.txt$/i;

/**
 * What the classes of a data.yaml are called, in the order of their numbers. Throws a `LabelError`: "yaml-malformed", or
 * "annotation-invalid" where there are no names. `file` is how errors call it.
 */
export function yoloClassNames(yaml: string, file = "data.yaml"): readonly string[] {
  const root = parseYaml(yaml, file);
  return classNames(isObject(root) ? root : {}, file);
}

/**
 * The splits of a data.yaml, each with its folders and lists of pictures as the file has them, behind its `path`. Throws a
 * `LabelError` "yaml-malformed".
 */
export function yoloSplits(yaml: string, file = "data.yaml"): ReadonlyMap<string, readonly string[]> {
  const root = parseYaml(yaml, file);
  return new Map(isObject(root) ? splitsOf(root) : []);
}

function splitsOf(root: JsonObject): readonly (readonly [split: string, sources: readonly string[]])[] {
  return ["train", "val", "validation", "test"].flatMap((split) => {
    const value = root[split];
    const sources = isList(value) ? value.map(String) : typeof value === "string" ? [value] : [];
    return sources.length === 0 ? [] : [[split, sources] as const];
  });
}

function classNames({ names }: JsonObject, path: string): readonly string[] {
  const classes = isList(names)
    ? names.map(String)
    : isObject(names)
      ? Array.from({ length: Object.keys(names).length }, (_, i) => String(names[String(i)] ?? `class ${i}`))
      : undefined;
  if (classes === undefined) {
    throw new LabelError("annotation-invalid", `${path}: names must be a list, or names by number`);
  }
  if (isObject(names) && classes.some((_, i) => names[String(i)] === undefined)) {
    throw new LabelError("annotation-invalid", `${path}: names must be numbered from 0 without gaps`);
  }
  return classes;
}

async function readLayout(context: ReadContext, given?: string): Promise<Layout> {
  const { paths } = context.files;
  const yamls = given === undefined ? paths.filter((path) => /\.ya?ml$/i.test(path)) : [given];
  for (const path of yamls) {
    const root = parseYaml(await context.text(path), path);
    if (!isObject(root) || root["names"] === undefined) continue;
    const { nc, kpt_shape: shape } = root;
    const classes = classNames(root, path);
    if (typeof nc === "number" && nc !== classes.length) {
      context.error(path, "nc", `is ${nc}, but there are ${classes.length} names`);
    }
    const keypoints = isList(shape) ? (shape.map(Number) as unknown as readonly [number, number]) : undefined;
    const sources = splitsOf(root).flatMap(([, own]) => own);
    return { path, classes, sources, ...(keypoints === undefined ? {} : { keypoints }) };
  }
  const darknet = paths.find((path) => baseName(path) === "obj.data");
  if (darknet !== undefined) {
    const fields = new Map(
      (await context.text(darknet)).split(/\r?\n/).map((line) => {
        const at = line.indexOf("=");
        return [line.slice(0, at).trim(), line.slice(at + 1).trim()] as const;
      }),
    );
    const here = (path: string): string => folderOf(darknet) + normalPath(path).replace(/^data\//, "");
    const namesPath = here(fields.get("names") ?? "obj.names");
    const classes = (await context.text(namesPath)).split(/\r?\n/).filter((line) => line !== "");
    const sources = ["train", "valid", "test"].flatMap((split) => fields.get(split) ?? []);
    return { path: darknet, classes, sources: sources.map((one) => normalPath(one).replace(/^data\//, "")) };
  }
  const list = paths.find((path) => /(^|\/)(classes|obj)\.(txt|names)$/.test(path));
  if (list === undefined) {
    throw new LabelError(
      "file-missing",
      "YOLO: data.yaml, obj.data or classes.txt, which names the classes, is not there",
    );
  }
  return { path: list, classes: (await context.text(list)).split(/\r?\n/).filter((line) => line !== ""), sources: [] };
}

/** The label file of a picture by the rule of trainers: the last `images` folder becomes `labels`. */
export function yoloLabelPath(picture: string): string {
  const at = `/${picture}`.lastIndexOf("/images/");
  const swapped = at < 0 ? picture : `${picture.slice(0, at)}labels/${picture.slice(at + "images/".length)}`;
  return `${stem(swapped)}.txt`;
}

function picturePath(label: string): string {
  const at = `/${label}`.lastIndexOf("/labels/");
  return stem(at < 0 ? label : `${label.slice(0, at)}images/${label.slice(at + "labels/".length)}`);
}

/** Reads a YOLO dataset. Sizes of pictures come from their files, or from `imageSize` of the options. */
export async function readYolo(context: ReadContext, yaml?: string): Promise<Dataset> {
  const layout = await readLayout(context, yaml);
  const names = new CategoryNames();
  for (const name of layout.classes) {
    if (!names.add({ name })) context.warn(layout.path, name, "two classes have this name");
  }
  const { paths } = context.files;
  const labels = paths.filter(
    (path) => /\.txt$/i.test(path) && !otherText.test(baseName(path)) && path !== layout.path,
  );
  // Pictures: those that lists name, those among the files, and those whose labels are there.
  const pictures = new Map<string, string | undefined>(); // by label file
  for (const source of layout.sources.filter((one) => /\.txt$/i.test(one))) {
    const list = [folderOf(layout.path) + normalPath(source), normalPath(source)].find((one) => context.has(one));
    if (list === undefined) continue;
    for (const line of (await context.text(list)).split(/\r?\n/)) {
      if (line.trim() === "") continue;
      const picture = normalPath(line.trim());
      const candidates = [folderOf(list) + picture, picture, folderOf(list) + picture.replace(/^data\//, "")];
      const found =
        candidates.map(normalPath).find((one) => context.has(yoloLabelPath(one))) ??
        normalPath(candidates[0] as string);
      pictures.set(yoloLabelPath(found), found);
    }
  }
  for (const path of paths)
    if (isPicture(path) && !pictures.has(yoloLabelPath(path))) pictures.set(yoloLabelPath(path), path);
  for (const path of labels) if (!pictures.has(path)) pictures.set(path, undefined);
  const images: LabelledImage[] = [];
  for (const [label, picture] of [...pictures].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const labelled = context.has(label);
    const file = picture ?? context.findPicture(`${picturePath(label)}.jpg`) ?? `${picturePath(label)}.jpg`;
    const text = labelled ? await context.text(label) : "";
    const size = await context.size(file);
    if (size === undefined) {
      if (text.trim() !== "") {
        throw new LabelError(
          "image-size-unknown",
          `${label}: coordinates are by the size of ${file}, which is not among the files`,
        );
      }
      context.warn(label, file, "its picture is not among the files, so that its size is not known: left out");
      continue;
    }
    images.push({ file, ...size, objects: readRows(text, label, size, layout, context), labelled });
  }
  return { categories: names.list, images };
}

function readRows(text: string, path: string, size: Size, layout: Layout, context: ReadContext): LabelObject[] {
  const rows = text.split(/\r?\n/).map((line) => line.trim().split(/\s+/));
  // One row of more than six fields makes trainers take all rows of the file as outlines.
  const outlines = layout.keypoints === undefined && rows.some(({ length }) => length > 6);
  const objects: LabelObject[] = [];
  const seen = new Set<string>();
  let next = 0;
  for (const [i, fields] of rows.entries()) {
    if (fields.length === 1 && fields[0] === "") continue;
    const place = next++;
    const at = `line ${i + 1}`;
    context.attempt(path, at, () => {
      const row = fields.join(" ");
      if (seen.has(row)) context.warn(path, at, "is there twice: trainers drop it");
      seen.add(row);
      const [number, ...values] = fields.map((field) =>
        /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(field) ? Number(field) : Number.NaN,
      );
      const category = layout.classes[number as number];
      if (!values.every(Number.isFinite)) throw new LabelError("annotation-invalid", "holds what is no number");
      if (category === undefined) {
        throw new LabelError("annotation-invalid", `class ${fields[0]}: there are ${layout.classes.length}`);
      }
      if (values.length < 4) throw new LabelError("annotation-invalid", `has ${fields.length} fields: a box has 5`);
      const coordinates = layout.keypoints === undefined && values.length > 5 ? values : values.slice(0, 4);
      if (coordinates.some((value) => value < -0.01 || value > 1.01)) {
        context.warn(path, at, "leaves the picture: trainers drop the whole file");
      }
      objects.push({
        ...readRow(values, outlines, size, layout, () =>
          context.warn(path, at, "is a box among outlines: trainers take it for two points"),
        ),
        category,
        places: [place],
      });
    });
  }
  return objects;
}

function readRow(
  values: readonly number[],
  outlines: boolean,
  { width, height }: Size,
  { keypoints }: Layout,
  mixed: () => void,
): LabelObject {
  const pixel = (value: number, i: number): number => clean(value * (i % 2 === 0 ? width : height));
  if (values.length > 5 && keypoints === undefined) {
    const scored = values.length % 2 === 1;
    const outline = (scored ? values.slice(0, -1) : values).map(pixel);
    return {
      shape: { kind: "polygons", regions: [{ outline, holes: [] }], fill: "centres" },
      ...(scored ? { score: values.at(-1) as number } : {}),
    };
  }
  const [cx, cy, w, h] = values as [number, number, number, number];
  const [x, y] = [(cx - w / 2) * width, (cy - h / 2) * height].map(clean) as [number, number];
  const box: Box = { x, y, width: clean(w * width), height: clean(h * height) };
  if (outlines) {
    mixed();
    return { shape: { kind: "polygons", regions: [{ outline: boxRing(box), holes: [] }], fill: "centres" } };
  }
  const object: LabelObject = { shape: { kind: "box", box, fill: "cracks" } };
  if (keypoints === undefined) return values.length === 5 ? { ...object, score: values[4] as number } : object;
  const [count, numbers] = keypoints;
  const points: number[] = [];
  for (let k = 0; k < count; k++) {
    const from = 4 + k * numbers;
    const [px, py, visible = 2] = values.slice(from, from + numbers);
    if (px === undefined || py === undefined)
      throw new LabelError("annotation-invalid", `has no keypoint ${k + 1} of ${count}`);
    points.push(clean(px * width), clean(py * height), px === 0 && py === 0 ? 0 : visible);
  }
  return { ...object, keypoints: points };
}

/** Without the noise of a division and a multiplication: rows have five or six digits. */
function clean(value: number): number {
  const whole = Math.round(value);
  return Math.abs(value - whole) < 1e-3 ? whole + 0 : value; // + 0: no negative zero
}

export interface YoloOptions {
  /** `segment`, the default: outlines; `detect`: boxes alone. */
  readonly task?: "segment" | "detect";
  /**
   * Objects of several parts: joined by `bridge`s, a pixel wide, the default; `split` into a row for each; the `largest`
   * alone.
   */
  readonly parts?: "bridge" | "split" | "largest";
  /** See `TraceOptions`. */
  readonly minIou?: number;
}

/** Writes data.yaml and `labels`, beside the `images` that the pictures are expected in. */
export function writeYolo(dataset: Dataset, options: YoloOptions = {}): Written {
  const { task = "segment" } = options;
  const losses = new Losses();
  countUnkept(dataset, new Set(["category", "unlabelled"]), losses);
  const numbers = numbersByName(dataset.categories, 0);
  const names = Object.fromEntries(dataset.categories.map(({ name }, i) => [i, name]));
  const files: LabelFile[] = [
    textFile(
      "data.yaml",
      stringify({ train: "images", val: "images", nc: dataset.categories.length, names }, { lineWidth: 0 }),
    ),
  ];
  const taken = new Set<string>();
  for (const image of dataset.images) {
    const path = yoloLabelPath(`/${image.file}`.includes("/images/") ? image.file : `images/${image.file}`);
    if (taken.has(path))
      throw new LabelError("cannot-write", `${image.file}: another picture has its labels in ${path} too`);
    taken.add(path);
    if (!image.labelled) continue;
    const rows = image.objects.flatMap((object, i) => {
      const where = objectName(image, i);
      const number = categoryNumber(object, numbers, where);
      const values =
        task === "detect" ? boxRow(object, image, where, losses) : outlineRows(object, image, where, options, losses);
      return values.map((row) => `${number} ${row}`);
    });
    files.push(textFile(path, rows.map((row) => `${row}\n`).join("")));
  }
  return { files, losses: losses.list() };
}

function boxRow({ shape }: LabelObject, image: Size, where: string, losses: Losses): readonly string[] {
  if (shape.kind === "points") {
    losses.add("points", where);
    return [];
  }
  if (shape.kind !== "box") losses.add("mask", where);
  else if ((shape.rotation ?? 0) !== 0) losses.add("rotation", where);
  const box = shapeBox(shape, image);
  const [left, top] = [Math.max(0, box.x), Math.max(0, box.y)];
  const [right, bottom] = [Math.min(image.width, box.x + box.width), Math.min(image.height, box.y + box.height)];
  if (left !== box.x || top !== box.y || right !== box.x + box.width || bottom !== box.y + box.height) {
    losses.add("not-in-image", where);
  }
  if (right < left || bottom < top) return [];
  const { width, height } = image;
  const values = [
    (left + right) / 2 / width,
    (top + bottom) / 2 / height,
    (right - left) / width,
    (bottom - top) / height,
  ];
  return [values.map((value) => decimal(value, 6)).join(" ")];
}

function outlineRows(
  { shape }: LabelObject,
  image: Size,
  where: string,
  { parts = "bridge", minIou = 1 }: YoloOptions,
  losses: Losses,
): readonly string[] {
  if (shape.kind === "points") {
    losses.add("points", where);
    return [];
  }
  if (shape.kind === "box") {
    const { x, y, width, height } = shape.box;
    // Trainers take all rows as outlines where one is: a box is one of four corners. The last pixels belong to it.
    const box =
      shape.fill === "centres" ? shape.box : { x, y, width: Math.max(0, width - 1), height: Math.max(0, height - 1) };
    return [rowOf(boxRing(box, shape.rotation), image, where, losses)];
  }
  const { regions, source, rle } = outlinesOf(shape, image, { fill: "centres", minIou });
  if (source === "kept" && regions.length === 1) return [rowOf((regions[0] as Region).outline, image, where, losses)];
  if (runsArea(rle) === 0) {
    losses.add("not-in-image", where);
    return [];
  }
  if (source === "retraced") losses.add("outline-retraced", where);
  let rings = bridgedRings(rle);
  if (minIou < 1 && topology(rle).holes === 0) {
    const simple = simplifyRings(rings, image, "centres", minIou);
    if (rleIou(fillRegions(simple, image, "centres"), rle) < 1) losses.add("simplified", where);
    rings = simple.map(({ outline }) => outline);
  }
  if (rings.length > 1 && parts === "bridge") {
    rings = [bridgeParts(rings)];
    const filled = fillRegions([{ outline: rings[0] as Ring, holes: [] }], image, "centres");
    if (rleIntersection(filled, rle) < runsArea(filled)) losses.add("parts-bridged", where);
  } else if (rings.length > 1 && parts === "split") losses.add("parts-split", where);
  else if (rings.length > 1) {
    losses.add("parts-dropped", where);
    const area = (ring: Ring): number => runsArea(fillRegions([{ outline: ring, holes: [] }], image, "centres"));
    rings = [rings.reduce((a, b) => (area(b) > area(a) ? b : a))];
  }
  return rings.map((ring) => rowOf(ring, image, where, losses));
}

/** A ring as fractions. Three corners at least: fewer fields are taken for a box. */
function rowOf(ring: Ring, { width, height }: Size, where: string, losses: Losses): string {
  const corners = [...ring];
  for (let i = 0; corners.length < 6; i++) corners.push(ring[i % ring.length] as number);
  let cut = false;
  const values = corners.map((value, i) => {
    const length = i % 2 === 0 ? width : height;
    cut ||= value < 0 || value > length;
    return fraction(Math.min(Math.max(value, 0), length), length);
  });
  if (cut) losses.add("not-in-image", where);
  return values.join(" ");
}

/**
 * A pixel as a fraction of six digits from which both rounding and cutting off, in float32 as trainers count, give the
 * pixel back.
 */
function fraction(value: number, length: number): string {
  let scaled = Math.round((value / length) * 1e6);
  if (Number.isInteger(value)) {
    while (Math.fround(Math.fround(scaled / 1e6) * length) < value) scaled++;
  }
  return decimal(Math.min(scaled, 1e6) / 1e6, 6);
}
