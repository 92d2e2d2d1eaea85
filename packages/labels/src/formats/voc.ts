/**
 * Pascal VOC: SegmentationClass and SegmentationObject as palette PNGs (as colours where a tool wrote those), labelmap.txt,
 * and Annotations as XML with boxes, and with polygons where supervision wrote it. 255 is void and never an object.
 */
import { decodeUtf8, type Rgb, type Rle } from "@masklet/core";
import { LabelError } from "../errors.ts";
import { baseName, type LabelFile, normalPath, type ReadContext, stem } from "../files.ts";
import { hasMask, shapeBox } from "../geometry/object.ts";
import { countUnkept, Losses } from "../loss.ts";
import type { Category, Dataset, LabelledImage, LabelObject, Shape } from "../model.ts";
import { decodePng } from "../png/png.ts";
import { escapeXml, parseXml, type XmlElement } from "../text/xml.ts";
import { mapNames } from "./coco-panoptic.ts";
import { CategoryNames, categoryNumber, numbersByName, objectName, textFile, type Written } from "./format.ts";
import { indicesOf, masksOf, paintLabels, paletteOf, palettePng } from "./label-map.ts";

/** VOC's own classes, from 1. */
export const vocClasses: readonly string[] =
  "aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike person pottedplant sheep sofa train tvmonitor".split(
    " ",
  );
const VOID = 255;

/** Reads the segmentation of a VOC folder, or its Annotations where there is none. */
export async function readVoc(context: ReadContext): Promise<Dataset> {
  const { paths } = context.files;
  const labelmap = paths.find((path) => baseName(path) === "labelmap.txt");
  const listed = labelmap === undefined ? undefined : readLabelmap(await context.text(labelmap), labelmap, context);
  const names = new CategoryNames();
  const classes = listed ?? [{ name: "background" }, ...vocClasses.map((name) => ({ name }))];
  const palette = paletteOf(classes.map(({ colour }) => colour));
  const objects = paths.filter((path) => /(^|\/)SegmentationObject\/.*\.png$/i.test(path)).sort();
  const xmls = paths.filter((path) => /\.xml$/i.test(path)).sort();
  const images: LabelledImage[] = [];
  if (listed !== undefined || objects.length > 0) for (const one of classes.slice(1)) names.add(one);
  for (const path of objects) {
    const classPath = path.replace("SegmentationObject", "SegmentationClass");
    const instances = decodePng(await context.read(path), path);
    const classMap = decodePng(await context.read(classPath), classPath);
    const { width, height } = instances;
    if (classMap.width !== width || classMap.height !== height) {
      throw new LabelError(
        "annotation-invalid",
        `${classPath} is ${classMap.width}x${classMap.height}, ${path} ${width}x${height}`,
      );
    }
    const ids = indicesOf(instances, path);
    const kinds = indicesOf(classMap, classPath, palette);
    const found: LabelObject[] = [];
    for (const [id, rle] of masksOf(ids, instances, new Set([0, VOID]))) {
      const kind = commonest(ids, kinds, id, context, path);
      const category = classes[kind]?.name;
      if (category === undefined || kind === 0 || kind === VOID) {
        context.error(classPath, `object ${id}`, `its class is ${kind}, of which no name is known`);
        continue;
      }
      found.push({ shape: { kind: "mask", rle }, category, id });
    }
    const name = path.replace(/^.*?SegmentationObject\//, "");
    images.push({ file: pictureOf(stem(name), context), width, height, objects: found, labelled: true });
  }
  if (objects.length === 0) {
    for (const path of xmls) images.push(await readAnnotation(path, context, names));
  } else {
    await addEmpty(images, context);
  }
  return { categories: names.list, images };
}

/** Pictures that the lists of ImageSets name and that have no map: they were looked at, and hold nothing. */
async function addEmpty(images: LabelledImage[], context: ReadContext): Promise<void> {
  const known = new Set(images.map(({ file }) => stem(baseName(file))));
  for (const path of context.files.paths.filter((one) => /(^|\/)ImageSets\/Segmentation\/.*\.txt$/.test(one))) {
    for (const line of (await context.text(path)).split(/\r?\n/)) {
      const name = line.trim();
      if (name === "" || known.has(baseName(name))) continue;
      known.add(baseName(name));
      const file = pictureOf(name, context);
      const size = await context.size(file);
      if (size === undefined) context.warn(path, name, "has no map, and its picture is not among the files: left out");
      else images.push({ file, ...size, objects: [], labelled: true });
    }
  }
}

function pictureOf(name: string, context: ReadContext): string {
  for (const extension of ["jpg", "jpeg", "png"]) {
    const found = context.findPicture(`JPEGImages/${name}.${extension}`);
    if (found !== undefined && !/Segmentation(Class|Object)\//.test(found)) return found;
  }
  return `${name}.jpg`;
}

/** The class of most of an object's pixels. More than one is said. */
function commonest(
  ids: ArrayLike<number>,
  kinds: ArrayLike<number>,
  id: number,
  context: ReadContext,
  path: string,
): number {
  const votes = new Map<number, number>();
  for (let i = 0; i < ids.length; i++)
    if (ids[i] === id) votes.set(kinds[i] as number, (votes.get(kinds[i] as number) ?? 0) + 1);
  const ranked = [...votes].filter(([kind]) => kind !== VOID).sort((a, b) => b[1] - a[1]);
  if (ranked.length > 1)
    context.warn(path, `object ${id}`, `has pixels of ${ranked.length} classes; most are of ${ranked[0]?.[0]}`);
  return ranked[0]?.[0] ?? VOID;
}

interface VocClass {
  readonly name: string;
  readonly colour?: Rgb;
}

/** `label:r,g,b:parts:actions`, background first; without colours they are VOC's. */
function readLabelmap(text: string, path: string, context: ReadContext): readonly VocClass[] {
  const classes: VocClass[] = [];
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const parts = /^(.*?):(\s*\d+\s*,\s*\d+\s*,\s*\d+\s*)?:([^:]*):([^:]*)$/.exec(line);
    if (parts === null) {
      context.error(path, `line ${i + 1}`, "must be label:r,g,b:parts:actions");
      continue;
    }
    const colour = parts[2]?.split(",").map(Number) as unknown as Rgb | undefined;
    classes.push({ name: parts[1] as string, ...(colour === undefined ? {} : { colour }) });
  }
  if (classes[0]?.name !== "background") classes.unshift({ name: "background" });
  return classes;
}

/** One XML of Annotations. Its pixels count from 1, the last ones included. */
async function readAnnotation(path: string, context: ReadContext, names: CategoryNames): Promise<LabelledImage> {
  const bytes = await context.read(path);
  const root = parseXml(decodeUtf8(bytes) ?? "", path);
  if (root.name !== "annotation") throw new LabelError("xml-malformed", `${path}: is no annotation but a ${root.name}`);
  const size = root.child("size");
  const [width, height] = [size?.child("width")?.number(), size?.child("height")?.number()];
  const folder = root.child("filename")?.text.trim() || `${stem(baseName(path))}.jpg`;
  const known =
    width !== undefined && height !== undefined && width > 0 && height > 0
      ? { width, height }
      : await context.size(folder);
  if (known === undefined) {
    throw new LabelError("image-size-unknown", `${path}: tells no size, and its picture is not among the files`);
  }
  const objects: LabelObject[] = [];
  for (const [i, element] of root.all("object").entries()) {
    context.attempt(path, `object ${i}`, () => {
      const name = element.child("name")?.text;
      if (name === undefined) throw new LabelError("annotation-invalid", `${path}: object ${i} has no name`);
      objects.push({ shape: readShape(element, path), category: names.use(name), ...flagsOf(element) });
    });
  }
  return { file: normalPath(folder), ...known, objects, labelled: true };
}

function flagsOf(element: XmlElement): Partial<LabelObject> {
  const attributes: Record<string, string | number> = {};
  const pose = element.child("pose")?.text.trim();
  if (pose !== undefined && pose !== "" && pose !== "Unspecified") attributes["pose"] = pose;
  for (const flag of ["difficult", "truncated"]) {
    if (element.child(flag)?.text.trim() === "1") attributes[flag] = 1;
  }
  return {
    ...(element.child("occluded")?.text.trim() === "1" ? { occluded: true } : {}),
    ...(Object.keys(attributes).length > 0 ? { attributes } : {}),
  };
}

function readShape(element: XmlElement, path: string): Shape {
  const polygon = element.child("polygon");
  if (polygon !== undefined) {
    const points: number[] = [];
    for (let n = 1; ; n++) {
      const [x, y] = [polygon.child(`x${n}`)?.number(), polygon.child(`y${n}`)?.number()];
      if (x === undefined || y === undefined) break;
      points.push(x - 1, y - 1);
    }
    if (points.length === 0) throw new LabelError("annotation-invalid", `${path}: a polygon has no corners`);
    return { kind: "polygons", regions: [{ outline: points, holes: [] }], fill: "centres" };
  }
  const box = element.child("bndbox");
  const [left, top, right, bottom] = ["xmin", "ymin", "xmax", "ymax"].map((side) => box?.child(side)?.number());
  if (left === undefined || top === undefined || right === undefined || bottom === undefined) {
    throw new LabelError("annotation-invalid", `${path}: an object has no bndbox`);
  }
  const rectangle = { x: left - 1, y: top - 1, width: right - left + 1, height: bottom - top + 1 };
  if (rectangle.width < 0 || rectangle.height < 0) {
    throw new LabelError("annotation-invalid", `${path}: a bndbox ends before it begins`);
  }
  return { kind: "box", box: rectangle, fill: "cracks" };
}

/**
 * Writes SegmentationClass and SegmentationObject, labelmap.txt, the list of pictures, and Annotations with the boxes of
 * all objects. 254 classes and 254 objects of a picture have numbers.
 */
export function writeVoc(dataset: Dataset): Written {
  const losses = new Losses();
  countUnkept(dataset, new Set(["category", "occluded"]), losses);
  const numbers = numbersByName(dataset.categories, 1);
  if (dataset.categories.length > 254) {
    throw new LabelError("cannot-write", `VOC's maps have 254 classes, the dataset ${dataset.categories.length}`);
  }
  const names = mapNames(dataset.images);
  const files: LabelFile[] = [
    textFile("labelmap.txt", labelmapOf(dataset.categories)),
    textFile("ImageSets/Segmentation/default.txt", names.map((name) => `${stem(name)}\n`).join("")),
  ];
  for (const [i, image] of dataset.images.entries()) {
    const name = names[i] as string;
    const instance = (_: number, count: number): number | undefined => (count < 254 ? count + 1 : undefined);
    for (const [k, object] of image.objects.entries()) categoryNumber(object, numbers, objectName(image, k));
    const { painted } = paintLabels(image, instance);
    const places = new Map(painted.map(({ index, value }) => [value, index]));
    // Boxes of all objects are in the XML, so that one without a mask is not lost.
    const masked = { ...image, objects: image.objects.filter(hasMask) };
    paintLabels(masked, instance, losses);
    for (const [k, { shape }] of image.objects.entries())
      if (shape.kind === "points") losses.add("points", objectName(image, k));
    files.push(
      palettePng(`SegmentationObject/${name}`, image, () => paintLabels(image, instance).values),
      palettePng(`SegmentationClass/${name}`, image, () =>
        paintLabels(image, instance).values.map((value) =>
          value === 0 ? 0 : (numbers.get(image.objects[places.get(value) ?? 0]?.category ?? "") ?? 0),
        ),
      ),
      textFile(`Annotations/${stem(name)}.xml`, annotationXml(image)),
    );
  }
  return { files, losses: losses.list() };
}

function labelmapOf(categories: readonly Category[]): string {
  const lines = categories.map(({ name }) => {
    if (/[\r\n]/.test(name))
      throw new LabelError("cannot-write", "labelmap.txt has a line for each class, and no class of two");
    return `${name}:::`;
  });
  return ["# label:color_rgb:parts:actions", "background:::", ...lines, ""].join("\n");
}

function annotationXml(image: LabelledImage): string {
  const text = (name: string, value: string | number): string => `<${name}>${escapeXml(String(value))}</${name}>`;
  const objects = image.objects
    .filter(({ shape }) => shape.kind !== "points")
    .map((object) => {
      const { x, y, width, height } = shapeBox(object.shape, image);
      const sides = { xmin: x + 1, ymin: y + 1, xmax: x + width, ymax: y + height };
      return [
        "  <object>",
        `    ${text("name", object.category ?? "")}`,
        ...(object.occluded === true ? ["    <occluded>1</occluded>"] : []),
        "    <bndbox>",
        ...Object.entries(sides).map(([side, value]) => `      ${text(side, value)}`),
        "    </bndbox>",
        "  </object>",
      ].join("\n");
    });
  return [
    "<annotation>",
    `  ${text("filename", image.file)}`,
    "  <size>",
    `    ${text("width", image.width)}`,
    `    ${text("height", image.height)}`,
    "    <depth>3</depth>",
    "  </size>",
    `  <segmented>${image.objects.some(hasMask) ? 1 : 0}</segmented>`,
    ...objects,
    "</annotation>",
    "",
  ].join("\n");
}

/** The masks of a map by number; for formats whose pixels are objects alone. */
export function mapMasks(
  bytes: Uint8Array,
  path: string,
): { width: number; height: number; masks: ReadonlyMap<number, Rle> } {
  const png = decodePng(bytes, path);
  return { width: png.width, height: png.height, masks: masksOf(indicesOf(png, path), png, new Set([0, VOID])) };
}
