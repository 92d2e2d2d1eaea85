/**
 * Maps whose pixels are class times 1000 plus instance: Cityscapes (`_gtFine_instanceIds.png`, and the polygons they are
 * made of) and MOTS (16 bits, with labels.txt).
 */
import { encodeUtf8, type Rgb, type Rle } from "@masklet/core";
import { LabelError } from "../errors.ts";
import { baseName, folderOf, type LabelFile, type ReadContext, stem } from "../files.ts";
import { hasMask, shapeMask, topology } from "../geometry/object.ts";
import { bridgedRings } from "../geometry/trace.ts";
import { Fields, numbersOf } from "../json/fields.ts";
import { parseJson, printJson } from "../json/json.ts";
import { countUnkept, Losses } from "../loss.ts";
import type { Dataset, JsonObject, LabelledImage, LabelObject } from "../model.ts";
import { decodePng } from "../png/png.ts";
import { mapNames } from "./coco-panoptic.ts";
import { CategoryNames, categoryNumber, numbersByName, objectName, textFile, type Written } from "./format.ts";
import { greyPng, masksOf, paintLabels } from "./label-map.ts";

/** Cityscapes' classes by their ids (cityscapesscripts/helpers/labels.py). */
export const cityscapesClasses: readonly string[] = [
  "unlabeled",
  "ego vehicle",
  "rectification border",
  "out of roi",
  "static",
  "dynamic",
  "ground",
  "road",
  "sidewalk",
  "parking",
  "rail track",
  "building",
  "wall",
  "fence",
  "guard rail",
  "bridge",
  "tunnel",
  "pole",
  "polegroup",
  "traffic light",
  "traffic sign",
  "vegetation",
  "terrain",
  "sky",
  "person",
  "rider",
  "car",
  "truck",
  "bus",
  "caravan",
  "trailer",
  "train",
  "motorcycle",
  "bicycle",
];

const polygonsPath = /_gt(Fine|Coarse)_polygons\.json$/;
const instancesPath = /_gt(?:Fine|Coarse)_instanceIds\.png$/;

/** Reads the polygons where they are, which know what lies behind; else the maps of instances. */
export async function readCityscapes(context: ReadContext): Promise<Dataset> {
  const { paths } = context.files;
  const [fine, coarse] = ["Fine", "Coarse"].map((kind) => paths.some((path) => path.includes(`_gt${kind}_`)));
  if (fine && coarse) {
    const problem = "there are gtFine and gtCoarse, two labellings of the same pictures: give the files of one";
    throw new LabelError("format-ambiguous", `Cityscapes: ${problem}`);
  }
  const polygons = paths.filter((path) => polygonsPath.test(path)).sort();
  const outlined = new Set(polygons.map((path) => path.replace(polygonsPath, "")));
  const maps = paths
    .filter((path) => instancesPath.test(path) && !outlined.has(path.replace(instancesPath, "")))
    .sort();
  const names = new CategoryNames();
  const images: LabelledImage[] = [];
  for (const path of polygons) images.push(await readPolygons(path, context, names));
  if (maps.length === 0) return { categories: names.list, images };
  const listed = paths.find((path) => baseName(path) === "label_colors.txt");
  const classes = listed === undefined ? cityscapesClasses : await readColours(listed, context);
  for (const name of classes.slice(1)) names.use(name);
  for (const path of maps) {
    images.push(await readInstances(path, pictureOf(path.replace(instancesPath, "")), classes, context));
  }
  return { categories: names.list, images };
}

function pictureOf(name: string): string {
  return `${name.replace(/^(?:.*\/)?gt(?:Fine|Coarse)\//, "")}_leftImg8bit.png`;
}

/** Lines of `r g b name`, colours left out where there are none; the background is 0, named or not. */
async function readColours(path: string, context: ReadContext): Promise<readonly string[]> {
  const lines = (await context.text(path)).split(/\r?\n/).filter((line) => line.trim() !== "");
  const names = lines.map((line) => line.replace(/^\s*(\d+ \d+ \d+ )?/, ""));
  return names[0] === "background" ? names : ["background", ...names];
}

async function readPolygons(path: string, context: ReadContext, names: CategoryNames): Promise<LabelledImage> {
  const root = new Fields(parseJson(await context.read(path), path), path);
  const objects: LabelObject[] = [];
  for (const [i, value] of root.list("objects").entries()) {
    context.attempt(path, `objects[${i}]`, () => {
      const fields = new Fields(value, `objects[${i}]`);
      if (fields.get("deleted") === 1 || fields.get("deleted") === true) return;
      const label = fields.string("label");
      // A group's class has "group" behind it, but for the one whose name ends so by itself.
      const crowd = label.endsWith("group") && label !== "polegroup";
      const outline = fields.list("polygon").flatMap((point, k) => {
        const pair = numbersOf(point, `objects[${i}].polygon[${k}]`);
        if (pair.length !== 2)
          throw new LabelError("annotation-invalid", `objects[${i}].polygon[${k}] must be x and y`);
        return pair;
      });
      if (outline.length < 2) throw new LabelError("annotation-invalid", `objects[${i}].polygon has no corners`);
      objects.push({
        shape: { kind: "polygons", regions: [{ outline, holes: [] }], fill: "centres" },
        category: names.use(crowd ? label.slice(0, -5) : label),
        ...(crowd ? { crowd } : {}),
      });
    });
  }
  const file = pictureOf(path.replace(polygonsPath, ""));
  return { file, width: root.length("imgWidth"), height: root.length("imgHeight"), objects, labelled: true };
}

/** Values below 1000 are classes without instances, and groups of things. */
async function readInstances(
  path: string,
  file: string,
  classes: readonly (string | undefined)[],
  context: ReadContext,
): Promise<LabelledImage> {
  const png = decodePng(await context.read(path), path);
  if (png.kind !== "grey") {
    throw new LabelError("png-unsupported", `${path}: instances are grey values of 16 bits, this is ${png.kind}`);
  }
  const objects: LabelObject[] = [];
  for (const [value, rle] of masksOf(png.samples, png)) {
    const number = value < 1000 ? value : Math.floor(value / 1000);
    const category = classes[number];
    if (category === undefined) context.error(path, `value ${value}`, `class ${number} has no name`);
    else objects.push({ shape: { kind: "mask", rle }, category, ...(value < 1000 ? {} : { track: value % 1000 }) });
  }
  return { file, width: png.width, height: png.height, objects, labelled: true };
}

/**
 * Writes polygons, label maps and maps of instances. Classes have Cityscapes' ids where all of them are Cityscapes', else
 * their numbers from 1, told in label_colors.txt.
 */
export function writeCityscapes(dataset: Dataset): Written {
  const losses = new Losses();
  countUnkept(dataset, new Set(["category", "crowd"]), losses);
  const known = dataset.categories.every(({ name }) => cityscapesClasses.includes(name));
  const numbers = known ? new Map(cityscapesClasses.map((name, i) => [name, i])) : numbersByName(dataset.categories, 1);
  const files: LabelFile[] = [];
  if (!known) {
    const line = ({ name, colour }: { name: string; colour?: Rgb }, i: number): string =>
      `${(colour ?? [(i * 67) % 256, (i * 131) % 256, (i * 29) % 256]).join(" ")} ${name}\n`;
    files.push(
      textFile(
        "label_colors.txt",
        `0 0 0 background\n${dataset.categories.map((one, i) => line(one, i + 1)).join("")}`,
      ),
    );
  }
  const names = mapNames(dataset.images);
  const stuff = new Set(dataset.categories.flatMap(({ name, thing }) => (thing === false ? [name] : [])));
  for (const [i, image] of dataset.images.entries()) {
    const name = `gtFine/default/${stem(names[i] as string).replace(/_leftImg8bit$/, "")}_gtFine`;
    const valueFor = instanceValues(
      image,
      numbers,
      (object) => object.crowd === true || stuff.has(object.category ?? ""),
    );
    paintLabels(image, valueFor, losses);
    const painted = (): Uint32Array => paintLabels(image, valueFor).values;
    files.push(
      polygonsFile(`${name}_polygons.json`, image, losses),
      greyPng(`${name}_instanceIds.png`, image, 16, painted),
      greyPng(`${name}_labelIds.png`, image, 8, () =>
        painted().map((value) => (value < 1000 ? value : Math.floor(value / 1000))),
      ),
    );
  }
  return { files, losses: losses.list() };
}

/** Polygons as one ring for each part, holes reached by bridges; a part of its own becomes an object of its own. */
function polygonsFile(path: string, image: LabelledImage, losses: Losses): LabelFile {
  const rings = (object: LabelObject): readonly (readonly number[])[] => {
    const { shape } = object;
    if (shape.kind === "polygons" && shape.fill === "centres") return shape.regions.map(({ outline }) => outline);
    return bridgedRings(shapeMask(shape, image) as Rle);
  };
  for (const [i, object] of image.objects.entries()) {
    if (hasMask(object) && topology(shapeMask(object.shape, image) as Rle).parts > 1)
      losses.add("parts-split", objectName(image, i));
  }
  return {
    path,
    bytes: async () => {
      const objects = image.objects.filter(hasMask).flatMap((object) =>
        rings(object).map((ring): JsonObject => {
          const polygon = Array.from({ length: ring.length / 2 }, (_, k) => [
            ring[2 * k] as number,
            ring[2 * k + 1] as number,
          ]);
          return { label: `${object.category}${object.crowd === true ? "group" : ""}`, polygon };
        }),
      );
      const root = { imgHeight: image.height, imgWidth: image.width, objects };
      return encodeUtf8(printJson(root, { indent: "    " }));
    },
  };
}

/** Class times 1000 plus the number among its class; the class alone for what has no instances. */
function instanceValues(
  image: LabelledImage,
  numbers: ReadonlyMap<string, number>,
  alone: (object: LabelObject) => boolean,
  first = 0,
): (index: number) => number | undefined {
  const counts = new Map<number, number>();
  const values = image.objects.map((object, i) => {
    if (!hasMask(object)) return undefined;
    const number = categoryNumber(object, numbers, objectName(image, i));
    if (alone(object)) return number;
    const count = counts.get(number) ?? first;
    counts.set(number, count + 1);
    return count < 1000 && number < 65 ? number * 1000 + count : undefined;
  });
  return (index) => values[index];
}

const motsList = /(^|\/)instances\/labels\.txt$/;

/** Reads the maps below each `instances` folder of MOTS, with its own labels.txt: parts of a dataset lie side by side. */
export async function readMots(context: ReadContext): Promise<Dataset> {
  const lists = context.files.paths.filter((path) => motsList.test(path)).sort();
  if (lists.length === 0)
    throw new LabelError("file-missing", "MOTS: instances/labels.txt, which names the classes, is not there");
  const names = new CategoryNames();
  const images: LabelledImage[] = [];
  for (const listed of lists) {
    const lines = (await context.text(listed)).split(/\r?\n/).filter((line) => line !== "");
    const classes = [undefined, ...lines.filter((line) => line !== "background")];
    for (const name of classes) if (name !== undefined) names.use(name);
    const folder = folderOf(listed);
    const part = folder.slice(0, -"instances/".length);
    for (const path of context.files.paths.filter((one) => one.startsWith(folder) && /\.png$/i.test(one)).sort()) {
      const picture = path.slice(folder.length).replace(/\.png$/i, ".png");
      images.push(await readInstances(path, `${part}images/${picture}`, classes, context));
    }
  }
  return { categories: names.list, images };
}

/** Writes MOTS' maps. 64 classes, 999 objects of each in a picture. */
export function writeMots(dataset: Dataset): Written {
  const losses = new Losses();
  countUnkept(dataset, new Set(["category"]), losses);
  const numbers = numbersByName(dataset.categories, 1);
  const files: LabelFile[] = [
    textFile("instances/labels.txt", dataset.categories.map(({ name }) => `${name}\n`).join("")),
  ];
  for (const [i, name] of mapNames(dataset.images).entries()) {
    const image = dataset.images[i] as LabelledImage;
    const valueFor = instanceValues(image, numbers, () => false, 1);
    paintLabels(image, valueFor, losses);
    files.push(greyPng(`instances/${name}`, image, 16, () => paintLabels(image, valueFor).values));
  }
  return { files, losses: losses.list() };
}
