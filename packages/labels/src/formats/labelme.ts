/** LabelMe (wkentaro's labelme): a JSON to a picture, with shapes. The rules are those of labelme/_label_file.py. */
import { decodeRle, encodeUtf8, maskBox, type Rle, type Size } from "@masklet/core";
import { LabelError } from "../errors.ts";
import { baseName, folderOf, type LabelFile, normalPath, type ReadContext, stem } from "../files.ts";
import { boxRing, fillRegions } from "../geometry/fill.ts";
import { topology } from "../geometry/object.ts";
import { placeCrop, rleIou, runsArea } from "../geometry/rle.ts";
import { outlinesOf } from "../geometry/trace.ts";
import { Fields, invalid, isObject, numbersOf } from "../json/fields.ts";
import { parseJson, printJson } from "../json/json.ts";
import { countUnkept, Losses } from "../loss.ts";
import type { Dataset, Id, JsonObject, LabelledImage, LabelObject, Shape } from "../model.ts";
import { decodeBase64, encodeBase64 } from "../png/base64.ts";
import { decodePng, encodePng } from "../png/png.ts";
import { CategoryNames, objectName, type Written } from "./format.ts";

const fileFields = new Set(["shapes", "imagePath", "imageHeight", "imageWidth"]);
const shapeFields = new Set(["label", "points", "group_id", "shape_type", "mask"]);

/** Reads LabelMe files, one for each picture. */
export async function readLabelMe(paths: readonly string[], context: ReadContext): Promise<Dataset> {
  const names = new CategoryNames();
  const images: LabelledImage[] = [];
  for (const path of paths) {
    const root = new Fields(parseJson(await context.read(path), path), path);
    const file = normalPath(folderOf(path) + root.string("imagePath"));
    const size = await sizeOf(root, file, path, context);
    const objects: LabelObject[] = [];
    /** Polygons of one label and group are parts of one object. */
    const groups = new Map<string, number>();
    for (const [i, value] of root.list("shapes").entries()) {
      context.attempt(path, `shapes[${i}]`, () => {
        const fields = new Fields(value, `shapes[${i}]`);
        const label = fields.string("label");
        const kind = fields.has("shape_type") ? fields.string("shape_type") : "polygon";
        const shape = readShape(fields, kind, size, (message) => context.warn(path, `shapes[${i}]`, message));
        const group: Id | undefined = fields.has("group_id") ? fields.id("group_id") : undefined;
        const key = `${group} ${label}`;
        const place = group === undefined || kind !== "polygon" ? undefined : groups.get(key);
        const before = place === undefined ? undefined : objects[place];
        if (place !== undefined && before?.shape.kind === "polygons" && shape.kind === "polygons") {
          const regions = [...before.shape.regions, ...shape.regions];
          objects[place] = { ...before, shape: { ...before.shape, regions }, places: [...(before.places ?? []), i] };
          return;
        }
        if (group !== undefined && kind === "polygon") groups.set(key, objects.length);
        const extra = Object.fromEntries(
          Object.entries(fields.rest(shapeFields) ?? {}).filter(
            ([, one]) => one !== null && one !== "" && !(isObject(one) && Object.keys(one).length === 0),
          ),
        );
        objects.push({
          shape,
          category: names.use(label),
          places: [i],
          ...(group === undefined ? {} : { group }),
          ...(Object.keys(extra).length > 0 ? { extra } : {}),
        });
      });
    }
    const extra = root.rest(fileFields);
    images.push({ file, ...size, objects, labelled: true, ...(extra === undefined ? {} : { extra }) });
  }
  return { categories: names.list, images };
}

async function sizeOf(root: Fields, file: string, path: string, context: ReadContext): Promise<Size> {
  if (root.has("imageWidth") && root.has("imageHeight")) {
    return { width: root.length("imageWidth"), height: root.length("imageHeight") };
  }
  const size = await context.size(file);
  if (size !== undefined) return size;
  throw new LabelError("image-size-unknown", `${path}: tells no size, and its picture is not among the files`);
}

/** Points that each kind of shape has: exactly, or at least where negative. */
const pointCounts: Readonly<Record<string, number>> = {
  polygon: -3,
  rectangle: 2,
  oriented_rectangle: 4,
  circle: 2,
  line: 2,
  linestrip: -2,
  point: 1,
  points: -1,
  mask: 2,
};

function readShape(fields: Fields, kind: string, size: Size, warn: (message: string) => void): Shape {
  const points = fields.list("points").flatMap((point, i) => {
    const pair = numbersOf(point, `${fields.where}.points[${i}]`);
    if (pair.length !== 2) throw invalid(`${fields.where}.points[${i}]`, "x and y", `${pair.length} numbers`);
    return pair;
  });
  const count = pointCounts[kind];
  if (count === undefined) throw invalid(`${fields.where}.shape_type`, Object.keys(pointCounts).join(", "), kind);
  if (count > 0 ? points.length !== 2 * count : points.length < -2 * count) {
    throw invalid(
      `${fields.where}.points`,
      `${Math.abs(count)} points${count < 0 ? " or more" : ""}`,
      `${points.length / 2}`,
    );
  }
  const [x0, y0, x1, y1] = points as [number, number, number, number];
  switch (kind) {
    case "polygon":
    case "oriented_rectangle":
      return { kind: "polygons", regions: [{ outline: points, holes: [] }], fill: "centres" };
    case "rectangle":
      return {
        kind: "box",
        box: { x: Math.min(x0, x1), y: Math.min(y0, y1), width: Math.abs(x1 - x0), height: Math.abs(y1 - y0) },
        fill: "centres",
      };
    case "circle": {
      warn("is a circle: read as a polygon of 64 corners");
      const radius = Math.hypot(x1 - x0, y1 - y0);
      const outline = Array.from({ length: 128 }, (_, i) => {
        const angle = (Math.floor(i / 2) * Math.PI) / 32;
        return i % 2 === 0 ? x0 + radius * Math.cos(angle) : y0 + radius * Math.sin(angle);
      });
      return { kind: "polygons", regions: [{ outline, holes: [] }], fill: "centres" };
    }
    case "mask": {
      const bytes = decodeBase64(fields.string("mask"));
      if (bytes === undefined) throw invalid(`${fields.where}.mask`, "a PNG in base64", "something else");
      const png = decodePng(bytes, `${fields.where}.mask`);
      // Its box may leave the picture; what lies outside is cut off.
      const inside = (x: number, y: number): boolean => png.samples[(y * png.width + x) * png.channels] !== 0;
      return { kind: "mask", rle: placeCrop(png, inside, Math.round(x0), Math.round(y0), size) };
    }
    default:
      return { kind: "points", points, line: kind === "line" || kind === "linestrip" };
  }
}

export interface LabelMeOptions {
  /**
   * `auto`, the default: outlines, grouped where an object has several parts, and a mask where it has holes. `mask`: masks
   * alone, which all versions before 5.2 refuse. `polygon`: outlines alone; holes are filled.
   */
  readonly shapes?: "auto" | "mask" | "polygon";
  /** See `TraceOptions`. */
  readonly minIou?: number;
}

/** Writes a JSON to each picture, beside where the picture is. */
export function writeLabelMe(dataset: Dataset, options: LabelMeOptions = {}): Written {
  const losses = new Losses();
  countUnkept(dataset, new Set(["category", "group", "extra-fields", "unlabelled"]), losses);
  const files: LabelFile[] = [];
  const taken = new Set<string>();
  for (const image of dataset.images) {
    if (!image.labelled) continue;
    const path = `${stem(image.file)}.json`;
    if (taken.has(path))
      throw new LabelError("cannot-write", `${image.file}: another picture has its labels in ${path} too`);
    taken.add(path);
    const groups = new Set(image.objects.map(({ group }) => group));
    let next = 0;
    const freeGroup = (): number => {
      while (groups.has(next)) next++;
      return next++;
    };
    const shapes = image.objects.flatMap((object, i) =>
      shapesOf(object, image, objectName(image, i), options, losses, freeGroup),
    );
    const { version = "5.5.0", flags = {}, imageData = null, ...rest } = image.extra ?? {};
    const root: JsonObject = {
      version,
      flags,
      shapes,
      imagePath: baseName(image.file),
      imageData,
      imageHeight: image.height,
      imageWidth: image.width,
      ...rest,
    };
    files.push({
      path,
      bytes: async () => encodeUtf8(printJson(root, { indent: "  ", floats: new Set(["points"]) })),
    });
  }
  return { files, losses: losses.list() };
}

function shapesOf(
  object: LabelObject,
  image: LabelledImage,
  where: string,
  { shapes = "auto", minIou = 1 }: LabelMeOptions,
  losses: Losses,
  freeGroup: () => number,
): readonly JsonObject[] {
  if (object.category === undefined)
    throw new LabelError("cannot-write", `${where}: has no category, which a shape's label is`);
  const one = (
    shape_type: string,
    points: readonly number[],
    group: Id | null = object.group ?? null,
    mask?: string,
  ): JsonObject => ({
    label: object.category as string,
    points: Array.from({ length: points.length / 2 }, (_, k) => [points[2 * k] as number, points[2 * k + 1] as number]),
    group_id: group,
    description: "",
    shape_type,
    flags: {},
    mask: mask ?? null,
    ...object.extra,
  });
  const { shape } = object;
  if (shape.kind === "points") {
    if (shape.points.length === 0) {
      losses.add("points", where);
      return [];
    }
    if (shape.points.length === 2) return [one("point", shape.points)];
    return [one(!shape.line ? "points" : shape.points.length === 4 ? "line" : "linestrip", shape.points)];
  }
  if (shape.kind === "box") {
    if ((shape.rotation ?? 0) !== 0) return [one("polygon", boxRing(shape.box, shape.rotation))];
    const { x, y, width, height } = shape.box;
    return [one("rectangle", [x, y, x + width, y + height])];
  }
  const { regions, source, rle } = outlinesOf(shape, image, { fill: "centres", minIou });
  if (source !== "kept") {
    if (runsArea(rle) === 0) {
      losses.add("not-in-image", where);
      return [];
    }
    const { holes } = topology(rle);
    if (shapes === "mask" || (shapes === "auto" && holes > 0)) return [maskShape(rle, one)];
    if (source === "retraced") losses.add("outline-retraced", where);
    if (holes > 0) losses.add("holes-filled", where);
    else if (rleIou(fillRegions(regions, image, "centres"), rle) < 1) losses.add("simplified", where);
  } else if (shapes === "mask") return [maskShape(rle, one)];
  const group = regions.length > 1 ? (object.group ?? freeGroup()) : object.group;
  return regions.map(({ outline }) => {
    // A pixel or a line of them has fewer corners than labelme takes.
    const corners = [...outline];
    for (let i = 0; corners.length < 6; i++) corners.push(outline[i % outline.length] as number);
    return one("polygon", corners, group ?? null);
  });
}

function maskShape(
  rle: Rle,
  one: (kind: string, points: readonly number[], group: undefined, mask: string) => JsonObject,
): JsonObject {
  const mask = decodeRle(rle);
  const { x, y, width, height } = maskBox(mask);
  const samples = new Uint8Array(width * height);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      samples[row * width + column] = mask.data[(y + row) * mask.width + x + column] === 0 ? 0 : 255;
    }
  }
  const png = encodePng({ width, height, kind: "grey", channels: 1, depth: 8, samples });
  return one("mask", [x, y, x + width - 1, y + height - 1], undefined, encodeBase64(png));
}
