/**
 * COCO: instances (one JSON of images, categories and annotations) and results (a bare list).
 * Format: https://cocodataset.org/#format-data; masks as pycocotools reads them.
 */
import {
  type Box,
  type CompressedRle,
  compressRle,
  decompressRle,
  encodeUtf8,
  MaskletError,
  type Region,
  type Rle,
  ringArea,
  rleArea,
  type Size,
} from "@masklet/core";
import { LabelError } from "../errors.ts";
import { normalPath, type ReadContext } from "../files.ts";
import { fillRegions } from "../geometry/fill.ts";
import { hasMask, shapeBox, shapeMask, topology } from "../geometry/object.ts";
import { rleIou, runsArea } from "../geometry/rle.ts";
import { outlinesOf } from "../geometry/trace.ts";
import { Fields, invalid, isList, isObject, numbersOf } from "../json/fields.ts";
import { parseJson, printJson } from "../json/json.ts";
import { countUnkept, type Kept, Losses } from "../loss.ts";
import type {
  Category,
  Dataset,
  FillRule,
  Id,
  JsonObject,
  JsonValue,
  LabelledImage,
  LabelObject,
  Shape,
} from "../model.ts";
import { CategoryNames, objectName, usableIds, type Written } from "./format.ts";

const categoryFields = new Set(["id", "name", "supercategory", "keypoints", "skeleton", "isthing", "color"]);
const imageFields = new Set(["id", "file_name", "width", "height"]);
const annotationFields = new Set(
  "id image_id category_id segmentation area bbox iscrowd score keypoints num_keypoints attributes track_id".split(" "),
);

/** Categories of a COCO file; also the panoptic one's. */
export function readCategories(root: Fields, path: string, context: ReadContext): CategoryNames {
  const names = new CategoryNames();
  for (const [i, value] of root.list("categories").entries()) {
    const at = `categories[${i}]`;
    const fields = new Fields(value, at);
    const name = fields.string("name");
    const { keypoints, skeleton, isthing, color } = fields.object;
    const own = names.add({
      name,
      id: fields.id("id"),
      ...(fields.has("supercategory") ? { supercategory: fields.string("supercategory") } : {}),
      ...(isList(keypoints) ? { keypoints: keypoints.map(String) } : {}),
      ...(isList(skeleton) ? { skeleton: skeleton.map((pair) => numbersOf(pair, at) as [number, number]) } : {}),
      ...(typeof isthing === "number" ? { thing: isthing !== 0 } : {}),
      ...(isList(color) && color.length === 3
        ? { colour: numbersOf(color, `${at}.color`) as [number, number, number] }
        : {}),
      ...extraOf(fields, categoryFields),
    });
    if (!own) context.warn(path, at, `another category is called ${name} too: ${names.list.at(-1)?.name} is this one`);
  }
  return names;
}

export function extraOf(fields: Fields, known: ReadonlySet<string>): { readonly extra?: JsonObject } {
  const extra = fields.rest(known);
  return extra === undefined ? {} : { extra };
}

interface Picture {
  readonly image: LabelledImage;
  readonly objects: LabelObject[];
}

/** Pictures of a COCO file by id, in its order. */
export function readImages(root: Fields, path: string, context: ReadContext): Map<Id, Picture> {
  const images = new Map<Id, Picture>();
  for (const [i, value] of root.list("images").entries()) {
    const at = `images[${i}]`;
    context.attempt(path, at, () => {
      const fields = new Fields(value, at);
      const id = fields.id("id");
      if (images.has(id)) {
        context.error(path, at, `image id ${id} is there twice; the first counts`);
        return;
      }
      const objects: LabelObject[] = [];
      const image: LabelledImage = {
        file: normalPath(fields.string("file_name")),
        width: fields.length("width"),
        height: fields.length("height"),
        id,
        objects,
        labelled: true,
        ...extraOf(fields, imageFields),
      };
      images.set(id, { image, objects });
    });
  }
  return images;
}

/** Reads an instances file. Throws a `LabelError` where it is none. */
export async function readCoco(path: string, context: ReadContext): Promise<Dataset> {
  const root = new Fields(parseJson(await context.read(path), path), path);
  const names = readCategories(root, path, context);
  const images = readImages(root, path, context);
  const annotations = root.list("annotations");
  const fill = polygonRule(annotations, (id) => images.get(id)?.image);
  const ids = new Set<Id>();
  for (const [i, value] of annotations.entries()) {
    const at = `annotations[${i}]`;
    context.attempt(path, at, () => {
      const fields = new Fields(value, at);
      const picture = images.get(fields.id("image_id"));
      if (picture === undefined) throw invalid(`${at}.image_id`, "the id of an image", fields.id("image_id"));
      if (fields.has("id")) {
        if (ids.has(fields.id("id"))) {
          context.warn(path, at, `annotation id ${fields.id("id")} is there twice: pycocotools sees the last alone`);
        }
        ids.add(fields.id("id"));
      }
      picture.objects.push(readAnnotation(fields, picture.image, names, fill));
    });
  }
  const extra = root.rest(new Set(["images", "categories", "annotations"]));
  return {
    categories: names.list,
    images: Array.from(images.values(), ({ image }) => image),
    ...(extra === undefined ? {} : { extra }),
  };
}

/** One annotation, or one result. */
export function readAnnotation(fields: Fields, size: Size, names: CategoryNames, fill: FillRule): LabelObject {
  const categoryId = fields.id("category_id");
  const category = names.byId(categoryId);
  if (category === undefined) throw invalid(`${fields.where}.category_id`, "the id of a category", categoryId);
  const box = fields.has("bbox") ? boxOf(fields.numbers("bbox"), `${fields.where}.bbox`) : undefined;
  const { attributes } = fields.object;
  return {
    shape: readShape(fields, size, box, fill),
    category,
    ...(fields.has("id") ? { id: fields.id("id") } : {}),
    ...(box === undefined ? {} : { box }),
    ...(typeof fields.get("area") === "number" ? { area: fields.number("area") } : {}),
    ...(fields.get("iscrowd") === 1 || fields.get("iscrowd") === true ? { crowd: true } : {}),
    ...(fields.has("score") ? { score: fields.number("score") } : {}),
    ...(fields.has("keypoints") ? { keypoints: fields.numbers("keypoints") } : {}),
    ...(fields.has("track_id") ? { track: fields.id("track_id") } : {}),
    ...(isObject(attributes) ? { attributes } : {}),
    ...extraOf(fields, annotationFields),
  };
}

function boxOf(numbers: readonly number[], where: string): Box {
  const [x, y, width, height] = numbers;
  if (numbers.length !== 4 || (width as number) < 0 || (height as number) < 0) {
    throw invalid(where, "x, y, width, height", `[${numbers}]`);
  }
  return { x: x as number, y: y as number, width: width as number, height: height as number };
}

function readShape(fields: Fields, size: Size, box: Box | undefined, fill: FillRule): Shape {
  const segmentation = fields.get("segmentation");
  if (isObject(segmentation)) return { kind: "mask", rle: readRle(fields.fields("segmentation"), size) };
  if (isList(segmentation) && segmentation.length > 0) {
    const regions = segmentation.map((ring, i) => {
      const where = `${fields.where}.segmentation[${i}]`;
      const outline = numbersOf(ring, where);
      if (outline.length < 6 || outline.length % 2 !== 0) {
        throw invalid(where, "a polygon of three corners or more", `${outline.length} numbers`);
      }
      return { outline, holes: [] };
    });
    return { kind: "polygons", regions, fill };
  }
  if (fields.has("keypoints") && box === undefined) return { kind: "points", points: [], line: false };
  if (box === undefined) throw invalid(`${fields.where}.segmentation`, "polygons or run lengths", segmentation);
  return { kind: "box", box, fill: "cracks" };
}

/** COCO's run lengths of either kind, of an image of this size. */
export function readRle(fields: Fields, size?: Size): Rle {
  const [height, width] = fields.numbers("size");
  if (size !== undefined && (height !== size.height || width !== size.width)) {
    throw invalid(`${fields.where}.size`, `the image's, [${size.height}, ${size.width}]`, `[${height}, ${width}]`);
  }
  const counts = fields.get("counts");
  // Some writers put Python's way to show bytes into the string.
  const text =
    typeof counts === "string" ? (/^b'(.*)'$/s.exec(counts)?.[1]?.replaceAll("\\\\", "\\") ?? counts) : undefined;
  const given = { size: [height, width], counts: text ?? fields.numbers("counts") } as Rle | CompressedRle;
  const rle = typeof given.counts === "string" ? decompressRle(given as CompressedRle) : (given as Rle);
  rleArea(rle); // checks it
  return rle;
}

/**
 * By which rule a file's polygons are meant. pycocotools' is the format's; some writers (supervision) put pixels into
 * polygons, and their `area`, counted from the mask, tells: it is that of the filling with the line, and no other's.
 */
export function polygonRule(annotations: readonly JsonValue[], sizeOf: (image: Id) => Size | undefined): FillRule {
  let [votes, seen] = [0, 0];
  for (const value of annotations) {
    if (seen === 32) break;
    if (!isObject(value) || !isList(value["segmentation"])) continue;
    const { segmentation, area, image_id: id } = value;
    const image = sizeOf(id as Id);
    const rings = segmentation as readonly JsonValue[];
    const whole = rings.every(
      (ring) => isList(ring) && ring.length >= 6 && ring.length % 2 === 0 && ring.every(Number.isSafeInteger),
    );
    if (image === undefined || typeof area !== "number" || rings.length === 0 || !whole) continue;
    if (image.width * image.height > 2 ** 24) continue;
    const regions: readonly Region[] = rings.map((ring) => ({ outline: ring as readonly number[], holes: [] }));
    try {
      const areaBy = (fill: FillRule): number => runsArea(fillRegions(regions, image, fill));
      const shoelace = regions.reduce((sum, { outline }) => sum + Math.abs(ringArea(outline)), 0);
      if (areaBy("centres") === area && areaBy("cocoapi") !== area && shoelace !== area) votes++;
      seen++;
    } catch (error) {
      if (!(error instanceof MaskletError)) throw error; // is a finding later
    }
  }
  return votes * 2 > seen ? "centres" : "cocoapi";
}

/**
 * Reads a results file: a list without images. Those, and the categories, are of the instances file that lies beside it;
 * without one, images are called by their ids and sizes are those of the masks.
 */
export async function readCocoResults(path: string, context: ReadContext, instances?: string): Promise<Dataset> {
  const list = parseJson(await context.read(path), path);
  if (!isList(list)) throw invalid(path, "a list of results", list);
  const known = instances === undefined ? undefined : await readCoco(instances, context);
  const names = new CategoryNames();
  for (const category of known?.categories ?? []) names.add(category);
  const images = new Map<Id, Picture>();
  for (const image of known?.images ?? []) {
    const objects: LabelObject[] = [];
    images.set(image.id ?? image.file, { image: { ...image, objects }, objects });
  }
  for (const [i, value] of list.entries()) {
    const at = `[${i}]`;
    context.attempt(path, at, () => {
      const fields = new Fields(value, at);
      const [id, category] = [fields.id("image_id"), fields.id("category_id")];
      let picture = images.get(id);
      if (known === undefined) {
        if (names.byId(category) === undefined) names.add({ name: String(category), id: category });
        if (picture === undefined) {
          const size = isObject(fields.get("segmentation")) ? fields.fields("segmentation").numbers("size") : [];
          const [height, width] = size;
          if (size.length !== 2)
            throw invalid(at, "run lengths, where no instances file tells the image's size", "none");
          const objects: LabelObject[] = [];
          const image = {
            file: String(id),
            width: width as number,
            height: height as number,
            id,
            objects,
            labelled: true,
          };
          picture = { image, objects };
          images.set(id, picture);
        }
      }
      if (picture === undefined) throw invalid(`${at}.image_id`, "the id of an image", id);
      picture.objects.push(readAnnotation(fields, picture.image, names, "cocoapi"));
    });
  }
  return { categories: names.list, images: Array.from(images.values(), ({ image }) => image) };
}

export interface CocoOptions {
  /** Name of the file; `instances.json` or `results.json` if not given. */
  readonly path?: string;
  /**
   * How masks are written. `auto`, the default, keeps polygons as they are and writes masks as run lengths; `polygon`
   * draws outlines, fills holes and says so; `rle` makes run lengths of all.
   */
  readonly segmentation?: "auto" | "polygon" | "rle";
  /** Run lengths as a string, as they are if not given, or as a list, which pycocotools needs for crowds it shall turn itself. */
  readonly compressed?: boolean;
  /** For outlines that are drawn anew: see `TraceOptions`. */
  readonly minIou?: number;
}

/** A segmentation as COCO has it. Counts what it costs. */
export function cocoSegmentation(
  object: LabelObject,
  size: Size,
  where: string,
  {
    segmentation = "auto",
    compressed = true,
    minIou = 1,
    fill = "cocoapi",
  }: CocoOptions & { readonly fill?: FillRule },
  losses: Losses,
): JsonValue {
  const { shape } = object;
  if (shape.kind === "box" || shape.kind === "points") return [];
  const exact = (rle: Rle): JsonValue => {
    const { counts } = compressed ? compressRle(rle) : rle;
    return { size: [...rle.size], counts: typeof counts === "string" ? counts : [...counts] };
  };
  if (segmentation === "rle" || (segmentation === "auto" && shape.kind === "mask")) {
    return exact(shapeMask(shape, size) as Rle);
  }
  const { regions, source, rle } = outlinesOf(shape, size, { fill, minIou });
  if (source === "kept") return regions.map(({ outline }) => [...outline]);
  const holes = topology(rle).holes > 0;
  if (runsArea(rle) === 0 || (segmentation === "auto" && holes)) return exact(rle);
  if (source === "retraced") losses.add("outline-retraced", where);
  if (holes) losses.add("holes-filled", where);
  else if (rleIou(fillRegions(regions, size, fill), rle) < 1) losses.add("simplified", where);
  return regions.map(({ outline }) => [...outline]);
}

/** Categories as COCO has them, and their ids by name. */
export function cocoCategories(
  categories: readonly Category[],
  losses: Losses,
): { readonly list: readonly JsonObject[]; readonly ids: ReadonlyMap<string, Id> } {
  const own = usableIds(categories.map(({ id }) => id));
  if (!own) {
    for (const { name, id } of categories) if (id !== undefined) losses.add("ids", `category ${name}`);
  }
  const ids = new Map<string, Id>(categories.map(({ name, id }, i) => [name, own && id !== undefined ? id : i + 1]));
  const list: JsonObject[] = categories.map(({ name, supercategory, colour, thing, keypoints, skeleton, extra }) => ({
    id: ids.get(name) as Id,
    name,
    supercategory: supercategory ?? "",
    ...(thing === undefined ? {} : { isthing: thing ? 1 : 0 }),
    ...(colour === undefined ? {} : { color: [...colour] }),
    ...(keypoints === undefined ? {} : { keypoints: [...keypoints] }),
    ...(skeleton === undefined ? {} : { skeleton: skeleton.map((pair) => [...pair]) }),
    ...extra,
  }));
  return { list, ids };
}

/** Ids of images: their own where they can be kept. */
export function cocoImageIds(images: readonly LabelledImage[], losses: Losses): readonly Id[] {
  const own = usableIds(images.map(({ id }) => id));
  if (!own) for (const { id, file } of images) if (id !== undefined) losses.add("ids", file);
  return images.map(({ id }, i) => (own && id !== undefined ? id : i + 1));
}

/** The dataset's category for what has none: COCO needs one. */
function categoryOf({ category }: LabelObject, ids: ReadonlyMap<string, Id>, where: string): Id {
  const id = category === undefined ? undefined : ids.get(category);
  if (id !== undefined) return id;
  throw new LabelError(
    "cannot-write",
    `${where}: ${category === undefined ? "has no category, which COCO needs: give it one" : `category ${category} is none of the dataset's`}`,
    { details: { category } },
  );
}

/** Writes an instances file. Throws a `LabelError` "cannot-write" for objects without a category. */
export function writeCoco(dataset: Dataset, options: CocoOptions = {}): Written {
  const losses = new Losses();
  const kept: readonly Kept[] = [
    "attributes",
    "category",
    "category-details",
    "crowd",
    "extra-fields",
    "ids",
    "keypoints",
    "score",
    "track",
  ];
  countUnkept(dataset, new Set(kept), losses);
  const { list: categories, ids: categoryIds } = cocoCategories(dataset.categories, losses);
  const imageIds = cocoImageIds(dataset.images, losses);
  const all = dataset.images.flatMap(({ objects }) => objects);
  const own = usableIds(all.map(({ id }) => id));
  const annotations: JsonObject[] = [];
  for (const [i, image] of dataset.images.entries()) {
    for (const [k, object] of image.objects.entries()) {
      const where = objectName(image, k);
      if (object.shape.kind === "points" && object.keypoints === undefined) {
        losses.add("points", where);
        continue;
      }
      if (object.shape.kind === "box" && (object.shape.rotation ?? 0) !== 0) losses.add("rotation", where);
      if (!own && object.id !== undefined) losses.add("ids", where);
      annotations.push({
        id: own && object.id !== undefined ? object.id : annotations.length + 1,
        image_id: imageIds[i] as Id,
        category_id: categoryOf(object, categoryIds, where),
        ...annotationBody(object, image, where, options, losses),
      });
    }
  }
  const images = dataset.images.map(({ file, width, height, extra }, i) => ({
    id: imageIds[i] as Id,
    file_name: file,
    width,
    height,
    ...extra,
  }));
  const { extra = {} } = dataset;
  const root: JsonObject = { info: {}, licenses: [], ...extra, images, annotations, categories };
  return { files: [jsonFile(options.path ?? "instances.json", root)], losses: losses.list() };
}

const floats = new Set(["bbox", "area"]);

function jsonFile(path: string, value: JsonValue): Written["files"][number] {
  return { path, bytes: async () => encodeUtf8(`${printJson(value, { floats })}\n`) };
}

/** What an annotation says of its object: segmentation, area, box and the rest. */
export function annotationBody(
  object: LabelObject,
  image: Size,
  where: string,
  options: CocoOptions & { readonly fill?: FillRule },
  losses: Losses,
): JsonObject {
  const { shape } = object;
  const segmentation = cocoSegmentation(object, image, where, options, losses);
  const mask = hasMask(object) ? (shapeMask(shape, image) as Rle) : undefined;
  const box = object.box ?? shapeBox(shape, image);
  return {
    segmentation,
    area: mask === undefined ? box.width * box.height : runsArea(mask),
    bbox: [box.x, box.y, box.width, box.height],
    iscrowd: object.crowd === true ? 1 : 0,
    ...(object.score === undefined ? {} : { score: object.score }),
    ...(object.keypoints === undefined
      ? {}
      : {
          keypoints: [...object.keypoints],
          num_keypoints: object.keypoints.filter((v, i) => i % 3 === 2 && v > 0).length,
        }),
    ...(object.track === undefined ? {} : { track_id: object.track }),
    ...(object.attributes === undefined ? {} : { attributes: object.attributes }),
    ...object.extra,
  };
}

/**
 * Writes a results file, as pycocotools' `loadRes` takes it. Objects without a score get 1. Images and categories are
 * known by their ids alone, which they must have.
 */
export function writeCocoResults(dataset: Dataset, options: CocoOptions = {}): Written {
  const losses = new Losses();
  countUnkept(dataset, new Set(["category", "category-details", "score", "extra-fields", "ids"]), losses);
  const ids = new Map(dataset.categories.map(({ name, id }) => [name, id]));
  const results: JsonObject[] = [];
  for (const image of dataset.images) {
    for (const [k, object] of image.objects.entries()) {
      const where = objectName(image, k);
      const category = object.category === undefined ? undefined : ids.get(object.category);
      if (image.id === undefined || category === undefined) {
        throw new LabelError("cannot-write", `${where}: results need the ids of image and category`);
      }
      if (object.shape.kind === "points") {
        losses.add("points", where);
        continue;
      }
      const { x, y, width, height } = shapeBox(object.shape, image);
      results.push({
        image_id: image.id,
        category_id: category,
        score: object.score ?? 1,
        ...(hasMask(object)
          ? { segmentation: cocoSegmentation(object, image, where, { ...options, segmentation: "rle" }, losses) }
          : { bbox: [x, y, width, height] }),
      });
    }
  }
  return { files: [jsonFile(options.path ?? "results.json", results)], losses: losses.list() };
}
