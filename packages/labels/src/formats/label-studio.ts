/** Label Studio's JSON (and its flat exports): tasks with annotations, whose regions are in percent of the picture, and brushes. */
import { encodeUtf8, type Rle, type Size } from "@masklet/core";
import { LabelError } from "../errors.ts";
import { baseName, normalPath, type ReadContext } from "../files.ts";
import { boxRing, fillRegions } from "../geometry/fill.ts";
import { shapeMask, topology } from "../geometry/object.ts";
import { rleIou, runsArea } from "../geometry/rle.ts";
import { outlinesOf } from "../geometry/trace.ts";
import { Fields, invalid, isList, isObject, numbersOf } from "../json/fields.ts";
import { parseJson, printJson } from "../json/json.ts";
import { countUnkept, Losses } from "../loss.ts";
import type { Dataset, JsonObject, JsonValue, LabelledImage, LabelObject, Shape } from "../model.ts";
import { CategoryNames, objectName, type Written } from "./format.ts";
import { decodeBrush, encodeBrush } from "./label-studio-brush.ts";
import { flatRows, isFlat, tasksOfFlat } from "./label-studio-flat.ts";

/** Where the names of labels stand in a region's value. */
const labelKeys = ["brushlabels", "rectanglelabels", "polygonlabels", "ellipselabels", "keypointlabels", "labels"];

/** Reads an export of Label Studio. Of several annotations of a task one is read: the ground truth, or the first not cancelled. */
export async function readLabelStudio(path: string, context: ReadContext): Promise<Dataset> {
  const records = /\.[ct]sv$/i.test(path) ? await flatRows(path, context) : parseJson(await context.read(path), path);
  if (!isList(records)) throw invalid(path, "a list of tasks", records);
  const [head] = records;
  const flat = isObject(head) && isFlat(Object.keys(head));
  const tasks = flat ? tasksOfFlat(records) : records;
  const names = new CategoryNames();
  const images: LabelledImage[] = [];
  for (const [i, value] of tasks.entries()) {
    const task = new Fields(value, `[${i}]`);
    const address = addressOf(task);
    const file = pictureOf(address);
    const { chosen, results } = resultsOf(task, path, context);
    const others = results.filter((one) => !(isObject(one) && "original_width" in one)).length;
    if (others > 0) {
      context.warn(
        path,
        `[${i}].result`,
        `has ${others} results without a shape (choices, texts, relations): left out`,
      );
    }
    let size: Size | undefined;
    let shown: JsonValue | undefined;
    const regions: LabelObject[] = [];
    for (const [k, group] of [...groupById(results).values()].entries()) {
      context.attempt(path, `[${i}].result, region ${k}`, () => {
        const first = group[0] as Fields;
        // A task may show several pictures, and only one of them is read.
        shown ??= first.get("to_name");
        const page = first.get("item_index") ?? 0;
        if (first.get("to_name") !== shown) {
          throw invalid(`${first.where}.to_name`, `${shown}, the picture of the regions before`, first.get("to_name"));
        }
        if (page !== 0) throw invalid(`${first.where}.item_index`, "0: of several pictures the first is read", page);
        const own = { width: first.length("original_width"), height: first.length("original_height") };
        size ??= own;
        if (own.width !== size.width || own.height !== size.height) {
          throw invalid(
            `${first.where}.original_width`,
            `that of the regions before, ${size.width}x${size.height}`,
            `${own.width}x${own.height}`,
          );
        }
        if ((first.get("image_rotation") ?? 0) !== 0) {
          throw invalid(
            `${first.where}.image_rotation`,
            "0: turned pictures are not read",
            first.get("image_rotation"),
          );
        }
        const object = readRegion(group, own, names, (message) => context.warn(path, first.where, message));
        if (object === undefined) return;
        const { id: _, ...nameless } = object;
        regions.push(flat ? nameless : object);
      });
    }
    size ??= await context.size(file);
    if (size === undefined) {
      context.warn(
        path,
        `[${i}]`,
        `${file} has no region and is not among the files, so that its size is not known: left out`,
      );
      continue;
    }
    const extra: JsonObject = { data: task.get("data") ?? {} };
    images.push({
      file,
      ...size,
      ...(task.has("id") ? { id: task.id("id") } : {}),
      objects: regions,
      labelled: chosen,
      extra,
    });
  }
  return { categories: names.list, images };
}

/** The picture's address: the field of `data` that looks like one. */
function addressOf(task: Fields): string {
  const data = task.fields("data");
  const strings = Object.entries(data.object).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string",
  );
  const found = strings.find(([name]) => /^(image|img|captioning|ocr|photo|picture)$/i.test(name)) ?? strings[0];
  if (found === undefined) throw invalid(`${task.where}.data`, "an object with the picture's address", "none");
  return found[1];
}

/** The file of an address: without what Label Studio puts before the names of uploads. */
function pictureOf(address: string): string {
  let text = /^\/data\/local-files\/?\?d=(.*)$/.exec(address)?.[1] ?? address;
  try {
    text = decodeURIComponent(text);
  } catch {
    // A name with a percent sign of its own stays as it is.
  }
  const upload = /^(?:.*\/)?data\/upload\/(?:\d+\/)?(.*)$/.exec(text)?.[1];
  if (upload !== undefined) return normalPath(upload.replace(/^[0-9a-f]{8}-/, ""));
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? baseName(text) : normalPath(text.replace(/^\/+/, ""));
}

/** Which of a task's annotations counts: the ground truth, or the first that was not cancelled; -1 for none. */
export function chosenAnnotation(annotations: readonly JsonValue[]): number {
  const valid = (one: JsonValue): one is JsonObject => isObject(one) && one["was_cancelled"] !== true;
  const truth = annotations.findIndex((one) => valid(one) && one["ground_truth"] === true);
  return truth >= 0 ? truth : annotations.findIndex(valid);
}

function resultsOf(
  task: Fields,
  path: string,
  context: ReadContext,
): { chosen: boolean; results: readonly JsonValue[] } {
  const annotations = isList(task.get("annotations")) ? task.list("annotations") : [];
  const chosen = annotations[chosenAnnotation(annotations)];
  const valid = annotations.filter((one) => isObject(one) && one["was_cancelled"] !== true);
  if (valid.length > 1) {
    const which = chosen === valid[0] ? "the first" : "the ground truth";
    context.warn(path, task.where, `has ${valid.length} annotations; ${which} is read`);
  }
  if (chosen === undefined) {
    if (isList(task.get("predictions")) && task.list("predictions").length > 0) {
      context.warn(path, task.where, "has predictions alone, which are not read");
    }
    return { chosen: false, results: [] };
  }
  return { chosen: true, results: new Fields(chosen, `${task.where}.annotations`).list("result") };
}

/** Results of one region: its shape, and its labels where these stand apart, have one id. */
function groupById(results: readonly JsonValue[]): ReadonlyMap<string, Fields[]> {
  const groups = new Map<string, Fields[]>();
  for (const [k, one] of results.entries()) {
    const fields = new Fields(one, `result[${k}]`);
    if (!fields.has("original_width")) continue; // choices, texts, relations
    const key = fields.has("id") ? String(fields.id("id")) : `#${k}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [fields]);
    else group.push(fields);
  }
  return groups;
}

function readRegion(
  group: readonly Fields[],
  size: Size,
  names: CategoryNames,
  warn: (message: string) => void,
): LabelObject | undefined {
  let shape: Shape | undefined;
  let label: string | undefined;
  for (const fields of group) {
    const value = fields.fields("value");
    for (const key of labelKeys) {
      const labels = value.get(key);
      if (!isList(labels) || labels.length === 0) continue;
      if (labels.length > 1) warn(`has ${labels.length} labels; the first is read`);
      label ??= String(labels[0]);
    }
    shape ??= readShape(value, size, warn);
  }
  if (shape === undefined) return undefined;
  const first = group[0] as Fields;
  return {
    shape,
    ...(label === undefined ? {} : { category: names.use(label) }),
    ...(first.has("id") ? { id: first.id("id") } : {}),
    ...(first.has("score") ? { score: first.number("score") } : {}),
  };
}

function readShape(value: Fields, { width, height }: Size, warn: (message: string) => void): Shape | undefined {
  const across = (name: string): number => (value.number(name) / 100) * width;
  const down = (name: string): number => (value.number(name) / 100) * height;
  if (value.has("rle")) return { kind: "mask", rle: decodeBrush(value.numbers("rle"), { width, height }) };
  if (value.has("points")) {
    const outline = value.list("points").flatMap((point, i) => {
      const [x, y] = numbersOf(point, `${value.where}.points[${i}]`);
      if (x === undefined || y === undefined) throw invalid(`${value.where}.points[${i}]`, "x and y", point);
      return [clean((x / 100) * width), clean((y / 100) * height)];
    });
    if (outline.length < 6) throw invalid(`${value.where}.points`, "three corners or more", `${outline.length / 2}`);
    return { kind: "polygons", regions: [{ outline, holes: [] }], fill: "cocoapi" };
  }
  if (value.has("radiusX")) {
    warn("is an ellipse: read as a polygon of 64 corners");
    const [x, y, rx, ry] = [across("x"), down("y"), across("radiusX"), down("radiusY")];
    const turn = ((value.has("rotation") ? value.number("rotation") : 0) * Math.PI) / 180;
    const outline = Array.from({ length: 64 }, (_, i) => {
      const [u, v] = [rx * Math.cos((i * Math.PI) / 32), ry * Math.sin((i * Math.PI) / 32)];
      return [x + u * Math.cos(turn) - v * Math.sin(turn), y + u * Math.sin(turn) + v * Math.cos(turn)];
    }).flat();
    return { kind: "polygons", regions: [{ outline, holes: [] }], fill: "cocoapi" };
  }
  if (value.has("height")) {
    const box = {
      x: clean(across("x")),
      y: clean(down("y")),
      width: clean(across("width")),
      height: clean(down("height")),
    };
    const rotation = value.has("rotation") ? value.number("rotation") : 0;
    if (rotation === 0) return { kind: "box", box, fill: "cracks" };
    // Label Studio turns around the left top corner, the model around the centre.
    const [cos, sin] = [Math.cos((rotation * Math.PI) / 180), Math.sin((rotation * Math.PI) / 180)];
    const [dx, dy] = [box.width / 2, box.height / 2];
    const x = box.x + dx * cos - dy * sin - dx;
    const y = box.y + dx * sin + dy * cos - dy;
    return { kind: "box", box: { ...box, x, y }, fill: "cracks", rotation };
  }
  if (value.has("x")) return { kind: "points", points: [clean(across("x")), clean(down("y"))], line: false };
  return undefined;
}

/** Without the noise of percent. */
function clean(value: number): number {
  const whole = Math.round(value);
  return Math.abs(value - whole) < 1e-6 ? whole : value;
}

export interface LabelStudioOptions {
  /** Name of the file; `tasks.json` if not given. */
  readonly path?: string;
  /** `auto`, the default: masks as brushes, polygons of one part as they are. `polygon`: outlines; holes are filled. */
  readonly shapes?: "auto" | "polygon";
  /** What stands before a picture's name in its address; `/data/local-files/?d=` if not given. */
  readonly address?: string;
  /** See `TraceOptions`. */
  readonly minIou?: number;
}

/** Writes tasks with one annotation each, as Label Studio imports them. */
export function writeLabelStudio(dataset: Dataset, options: LabelStudioOptions = {}): Written {
  const { path = "tasks.json", address = "/data/local-files/?d=" } = options;
  const losses = new Losses();
  countUnkept(dataset, new Set(["category", "ids", "score", "unlabelled", "extra-fields"]), losses);
  const tasks = dataset.images.map((image, i): JsonObject => {
    const result = image.objects.flatMap((object, k) => {
      const where = objectName(image, k);
      if (object.category === undefined)
        throw new LabelError("cannot-write", `${where}: has no category, and a region needs a label`);
      return regionsOf(object, image, where, options, losses).map(
        ({ type, value }, part): JsonObject => ({
          id: part === 0 && typeof object.id === "string" ? object.id : `r${i}-${k}${part === 0 ? "" : `-${part}`}`,
          from_name: "tag",
          to_name: "image",
          original_width: image.width,
          original_height: image.height,
          image_rotation: 0,
          origin: "manual",
          type,
          ...(object.score === undefined ? {} : { score: object.score }),
          value: { ...value, [type]: [object.category as string] },
        }),
      );
    });
    const data = isObject(image.extra?.["data"]) ? image.extra["data"] : { image: address + image.file };
    const annotations: JsonObject[] = image.labelled
      ? [{ id: i + 1, was_cancelled: false, ground_truth: false, result }]
      : [];
    return { id: typeof image.id === "number" ? image.id : i + 1, data, annotations, predictions: [] };
  });
  return { files: [{ path, bytes: async () => encodeUtf8(printJson(tasks)) }], losses: losses.list() };
}

function regionsOf(
  { shape }: LabelObject,
  image: Size,
  where: string,
  { shapes = "auto", minIou = 1 }: LabelStudioOptions,
  losses: Losses,
): readonly { readonly type: string; readonly value: JsonObject }[] {
  const percent = (value: number, i: number): number => (value / (i % 2 === 0 ? image.width : image.height)) * 100;
  const pairs = (ring: readonly number[]): JsonValue =>
    Array.from({ length: ring.length / 2 }, (_, k) => [
      percent(ring[2 * k] as number, 0),
      percent(ring[2 * k + 1] as number, 1),
    ]);
  if (shape.kind === "points") {
    if (shape.line || shape.points.length === 0) {
      losses.add("points", where);
      return [];
    }
    return Array.from({ length: shape.points.length / 2 }, (_, k) => {
      const [x, y] = [percent(shape.points[2 * k] as number, 0), percent(shape.points[2 * k + 1] as number, 1)];
      return { type: "keypointlabels", value: { x, y, width: 0.5 } };
    });
  }
  if (shape.kind === "box") {
    const { width, height } = shape.box;
    const [x, y] = boxRing(shape.box, shape.rotation) as [number, number];
    const value = { x: percent(x, 0), y: percent(y, 1), width: percent(width, 0), height: percent(height, 1) };
    return [{ type: "rectanglelabels", value: { ...value, rotation: shape.rotation ?? 0 } }];
  }
  const brush = (rle: Rle) => [{ type: "brushlabels", value: { format: "rle", rle: encodeBrush(rle) } as JsonObject }];
  if (shape.kind === "mask" && shapes === "auto") return brush(shape.rle);
  const { regions, source, rle } = outlinesOf(shape, image, { fill: "cocoapi", minIou });
  const whole = regions.length === 1 || shapes === "polygon";
  if (!whole || (source !== "kept" && shapes === "auto" && topology(rle).holes > 0)) {
    losses.add("outline-retraced", where);
    return brush(shapeMask(shape, image) as Rle);
  }
  if (runsArea(rle) === 0 && regions.length === 0) return brush(rle);
  if (source === "retraced") losses.add("outline-retraced", where);
  if (source !== "kept") {
    if (topology(rle).holes > 0) losses.add("holes-filled", where);
    else if (rleIou(fillRegions(regions, image, "cocoapi"), rle) < 1) losses.add("simplified", where);
  }
  if (regions.length > 1) losses.add("parts-split", where);
  return regions.map(({ outline }) => ({ type: "polygonlabels", value: { points: pairs(outline), closed: true } }));
}
