/** What is odd about labels that could be read: traps that cost masks, metrics or trainings without a word. */
import { type Box, type Rle, rleBox, type Size } from "@masklet/core";
import { LabelError } from "./errors.ts";
import { labelPixels, type Orientation } from "./exif.ts";
import type { Finding } from "./files.ts";
import { baseName, folderOf, stem } from "./files.ts";
import { shapeBox, shapeMask } from "./geometry/object.ts";
import { runsArea } from "./geometry/rle.ts";
import type { Category, Dataset, LabelledImage, LabelObject } from "./model.ts";

/** How far a stated box may be from the mask's, in pixels: tools count a box's last pixel in or out. */
const boxTolerance = 1.5;

/**
 * Findings about a dataset as a whole, in its order; `readLabels` has those of a file's syntax. Errors mean something else
 * than they say, or are refused by tools: a category that is none of the dataset's, two images or tracks of one name, keypoints that
 * are not as many as their category has. The rest are warnings: objects without a pixel, twice, beyond the image, or whose box
 * is not their mask's; names that differ in case alone; categories that no object has.
 */
export function checkLabels(dataset: Dataset): readonly Finding[] {
  const { categories, images } = dataset;
  const used = new Set<string>();
  for (const { objects } of images) for (const { category } of objects) if (category !== undefined) used.add(category);
  const names = checkNames(
    categories.map(({ name }) => name),
    images.map(({ file }) => file),
  );
  return [...names, ...checkObjects(dataset), ...unusedCategories(categories, used)];
}

/** The part of `checkLabels` that is about objects: of a dataset that is read in pieces, each by itself. */
export function checkObjects({
  categories: listed,
  images,
}: Pick<Dataset, "categories" | "images">): readonly Finding[] {
  const found: Finding[] = [];
  const categories = new Map(listed.map((category) => [category.name, category]));
  const kindOfTrack = new Map<string, string | undefined>();
  for (const image of images) {
    const say = (severity: Finding["severity"], at: string, message: string): void => {
      found.push({ severity, file: image.file, at, message });
    };
    const tracks = new Set<unknown>();
    const shapes = new Map<string, string>();
    for (const [i, object] of image.objects.entries()) {
      const at = `object ${i}${object.id === undefined ? "" : ` (id ${object.id})`}`;
      checkObject(object, image, categories, (severity, message) => say(severity, at, message));
      if (object.track !== undefined) {
        if (tracks.has(object.track)) say("error", at, `track ${object.track} is there twice in this frame`);
        tracks.add(object.track);
        // Without a video a track is an image's own.
        const key = `${image.frame?.video ?? image.file} ${object.track}`;
        const before = kindOfTrack.get(key) ?? object.category;
        if (before !== object.category)
          say("warning", at, `track ${object.track} was ${before}, and is ${object.category}`);
        kindOfTrack.set(key, before);
      }
      const same = JSON.stringify([object.category, object.shape]);
      const twin = shapes.get(same);
      if (twin !== undefined) say("warning", at, `is the same as ${twin}`);
      shapes.set(same, twin ?? at);
    }
  }
  return found;
}

/** The part of `checkLabels` that is about categories that none of a dataset's objects has. */
export function unusedCategories(categories: readonly Category[], used: ReadonlySet<string>): readonly Finding[] {
  return categories
    .filter(({ name }) => !used.has(name))
    .map(({ name }) => ({ severity: "warning", file: "", at: `category ${name}`, message: "no object has it" }));
}

/** The part of `checkLabels` that is about names of categories and images. */
export function checkNames(categories: readonly string[], images: readonly string[]): readonly Finding[] {
  const found: Finding[] = [];
  const loose = (text: string): string =>
    text
      .normalize("NFC")
      .toLowerCase()
      .replaceAll(/[\s_-]+/g, " ")
      .trim();
  const kinds = new Map<string, string>();
  for (const name of categories) {
    const other = kinds.get(loose(name));
    const at = `category ${name}`;
    if (other !== undefined) found.push({ severity: "warning", file: "", at, message: `looks like category ${other}` });
    kinds.set(loose(name), name);
  }
  const [files, folded, stems] = [new Set<string>(), new Map<string, string>(), new Map<string, string>()];
  for (const file of images) {
    const say = (severity: Finding["severity"], message: string): void => {
      found.push({ severity, file, at: "image", message });
    };
    const key = file.normalize("NFC").toLowerCase();
    const [alike, twin] = [folded.get(key), stems.get(stem(key))];
    if (files.has(file)) say("error", "is there twice");
    else if (alike !== undefined)
      say("warning", `differs from ${alike} in case or accents alone: one file on Windows and macOS`);
    else if (twin !== undefined) {
      say(
        "warning",
        `has the same name as ${baseName(twin)}, but for its ending: formats of one file to a picture mix them up`,
      );
    }
    files.add(file);
    folded.set(key, file);
    stems.set(stem(key), file);
    if (/(^|\/)\.\.(\/|$)/.test(file)) say("warning", "lies outside of the labels' folder");
    else if (folderOf(file).startsWith("/") || /^[a-z]:/i.test(file)) say("warning", "is a path of one machine");
  }
  return found;
}

/**
 * Whether labels are of a picture's pixels, by the size and orientation that its header says. Labels of YOLO are by the
 * picture's own size, so that there is nothing to check.
 */
export function checkPicture(
  { file, width, height }: Pick<LabelledImage, "file" | "width" | "height">,
  { size, orientation }: { readonly size: Size; readonly orientation: Orientation },
): readonly Finding[] {
  const say = (severity: Finding["severity"], message: string): readonly Finding[] => [
    { severity, file, at: "picture", message },
  ];
  const turned = `is turned by EXIF orientation ${orientation}`;
  switch (labelPixels({ width, height }, size, orientation)) {
    case "neither":
      return say("error", `is ${size.width}x${size.height}, its labels are of ${width}x${height}`);
    case "stored":
      return say("warning", `${turned}, and its labels are of the pixels as stored`);
    case "unknown":
      return say("warning", `${turned}, and sizes do not tell of which pixels its labels are`);
    default:
      return [];
  }
}

function checkObject(
  object: LabelObject,
  image: LabelledImage,
  categories: ReadonlyMap<string, Category>,
  say: (severity: Finding["severity"], message: string) => void,
): void {
  const { shape, category, score, crowd, keypoints } = object;
  if (category !== undefined && !categories.has(category))
    say("error", `category ${category} is none of the dataset's`);
  if (score !== undefined && !(score >= 0 && score <= 1)) say("warning", `its score is ${score}, not from 0 to 1`);
  const names = categories.get(category ?? "")?.keypoints;
  if (keypoints !== undefined && names !== undefined && keypoints.length !== 3 * names.length) {
    say(
      "error",
      `has ${keypoints.length} numbers for the ${names.length} keypoints of ${category}, not ${3 * names.length}`,
    );
  }
  if (shape.kind === "points") return;
  if (crowd === true && shape.kind === "polygons")
    say("warning", "is a crowd of polygons: pycocotools takes run lengths alone");
  const { x, y, width, height } = shape.kind === "mask" ? emptyBox : shapeExtent(object, image);
  const beyond = Math.max(-x, -y, x + width - image.width, y + height - image.height);
  if (beyond > 1) say("warning", `leaves the picture of ${image.width}x${image.height} by ${Math.ceil(beyond)} pixels`);
  let mask: Rle;
  try {
    mask = shapeMask(shape, image) as Rle;
  } catch (error) {
    if (!(error instanceof LabelError)) throw error;
    say("error", error.message);
    return;
  }
  if (runsArea(mask) === 0) {
    say("warning", "has no pixel");
    return;
  }
  if (shape.kind !== "box" && object.box !== undefined) {
    const own = rleBox(mask);
    if (apart(object.box, own) > boxTolerance) {
      say("warning", `its box is ${boxText(object.box)}, that of its mask ${boxText(own)}`);
    }
  }
}

const emptyBox: Box = { x: 0, y: 0, width: 0, height: 0 };

/** The box around what the file says, also where it leaves the picture. */
function shapeExtent({ shape }: LabelObject, image: LabelledImage): Box {
  if (shape.kind !== "polygons") return shapeBox(shape, image);
  return shapeBox({ kind: "points", points: shape.regions.flatMap(({ outline }) => [...outline]), line: false }, image);
}

/** How far the sides of two boxes are apart at most. */
function apart(a: Box, b: Box): number {
  const sides = [a.x - b.x, a.y - b.y, a.x + a.width - b.x - b.width, a.y + a.height - b.y - b.height];
  return Math.max(...sides.map(Math.abs));
}

function boxText({ x, y, width, height }: Box): string {
  return [x, y, width, height].map((value) => Number(value.toFixed(1))).join(",");
}
