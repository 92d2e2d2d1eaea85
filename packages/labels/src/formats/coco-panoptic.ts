/** COCO panoptic: a JSON of segments and, for each image, a PNG whose colours are ids: R + 256 G + 65536 B. */
import { encodeUtf8, rleBox } from "@masklet/core";
import { LabelError } from "../errors.ts";
import { baseName, folderOf, type LabelFile, normalPath, type ReadContext, stem } from "../files.ts";
import { Fields, invalid, isObject } from "../json/fields.ts";
import { parseJson, printJson } from "../json/json.ts";
import { countUnkept, Losses } from "../loss.ts";
import type { Dataset, Id, JsonObject, LabelledImage, LabelObject } from "../model.ts";
import { decodePng, encodePng } from "../png/png.ts";
import { cocoCategories, cocoImageIds, extraOf, readCategories, readImages } from "./coco.ts";
import { objectName, type Written } from "./format.ts";
import { masksOf, paintLabels } from "./label-map.ts";

const segmentFields = new Set(["id", "category_id", "iscrowd", "area", "bbox", "attributes"]);

/** Reads a panoptic file and its PNGs, which lie in the folder of its name. */
export async function readCocoPanoptic(path: string, context: ReadContext): Promise<Dataset> {
  const root = new Fields(parseJson(await context.read(path), path), path);
  const names = readCategories(root, path, context);
  const images = readImages(root, path, context);
  for (const [i, value] of root.list("annotations").entries()) {
    const at = `annotations[${i}]`;
    const fields = new Fields(value, at);
    const picture = images.get(fields.id("image_id"));
    if (picture === undefined) {
      context.error(path, `${at}.image_id`, `is ${fields.id("image_id")}, the id of no image`);
      continue;
    }
    // Some writers (datumaro) name the picture instead of its map.
    const file = normalPath(fields.string("file_name"));
    const candidates = [`${stem(path)}/${stem(file)}.png`, folderOf(path) + file, `${folderOf(path)}${stem(file)}.png`];
    const map = candidates.find((one) => context.has(one));
    if (map === undefined) {
      throw new LabelError("file-missing", `${path}: ${at} needs ${candidates[0]}, which is not there`, {
        details: { file: candidates[0] },
      });
    }
    const png = decodePng(await context.read(map), map);
    if (png.channels < 3 || png.depth !== 8) {
      throw new LabelError(
        "png-unsupported",
        `${map}: ids are colours of 8 bits, this is ${png.kind}, ${png.depth} bits`,
      );
    }
    if (png.width !== picture.image.width || png.height !== picture.image.height) {
      context.error(
        path,
        at,
        `${map} is ${png.width}x${png.height}, the image ${picture.image.width}x${picture.image.height}`,
      );
      continue;
    }
    const ids = new Uint32Array(png.width * png.height);
    for (let k = 0, from = 0; k < ids.length; k++, from += png.channels) {
      ids[k] =
        (png.samples[from] as number) +
        256 * (png.samples[from + 1] as number) +
        65536 * (png.samples[from + 2] as number);
    }
    const masks = masksOf(ids, png);
    const said = new Set<number>();
    for (const [k, one] of fields.list("segments_info").entries()) {
      context.attempt(path, `${at}.segments_info[${k}]`, () => {
        const segment = new Fields(one, `${at}.segments_info[${k}]`);
        const id = segment.number("id");
        said.add(id);
        const category = names.byId(segment.id("category_id"));
        if (category === undefined)
          throw invalid(`${segment.where}.category_id`, "the id of a category", segment.id("category_id"));
        const rle = masks.get(id);
        if (rle === undefined) throw invalid(`${segment.where}.id`, `a colour of ${map}`, id);
        const { attributes } = segment.object;
        const object: LabelObject = {
          shape: { kind: "mask", rle },
          category,
          id,
          ...(segment.get("iscrowd") === 1 ? { crowd: true } : {}),
          ...(isObject(attributes) ? { attributes } : {}),
          ...extraOf(segment, segmentFields),
        };
        picture.objects.push(object);
      });
    }
    for (const id of masks.keys()) if (!said.has(id)) context.error(map, `colour ${id}`, "no segment is said to be it");
  }
  const extra = root.rest(new Set(["images", "categories", "annotations"]));
  return {
    categories: names.list,
    images: Array.from(images.values(), ({ image }) => image),
    ...(extra === undefined ? {} : { extra }),
  };
}

export interface PanopticOptions {
  /** Name of the JSON, `panoptic.json` if not given; maps lie in the folder of its name. */
  readonly path?: string;
}

/** Writes a panoptic file and its PNGs. Objects lie over those before them. */
export function writeCocoPanoptic(dataset: Dataset, { path = "panoptic.json" }: PanopticOptions = {}): Written {
  const losses = new Losses();
  countUnkept(dataset, new Set(["attributes", "category", "category-details", "crowd", "extra-fields"]), losses);
  const { list, ids } = cocoCategories(dataset.categories, losses);
  const imageIds = cocoImageIds(dataset.images, losses);
  const files: LabelFile[] = [];
  const annotations: JsonObject[] = [];
  const names = mapNames(dataset.images);
  for (const [i, image] of dataset.images.entries()) {
    const { painted, values } = paintLabels(image, (_, count) => count + 1, losses);
    const masks = masksOf(values, image);
    const segments = painted.flatMap(({ index, value }): JsonObject[] => {
      const rle = masks.get(value);
      if (rle === undefined) return [];
      const object = image.objects[index] as LabelObject;
      const category = object.category === undefined ? undefined : ids.get(object.category);
      if (category === undefined) {
        throw new LabelError("cannot-write", `${objectName(image, index)}: panoptic segments need a category`);
      }
      const { x, y, width, height } = rleBox(rle);
      return [
        {
          id: value,
          category_id: category,
          area: rle.counts.reduce((sum, count, k) => sum + (k % 2) * count, 0),
          bbox: [x, y, width, height],
          iscrowd: object.crowd === true ? 1 : 0,
          ...(object.attributes === undefined ? {} : { attributes: object.attributes }),
          ...object.extra,
        },
      ];
    });
    const file = names[i] as string;
    annotations.push({ image_id: imageIds[i] as Id, file_name: file, segments_info: segments });
    files.push({
      path: `${stem(path)}/${file}`,
      bytes: async () => {
        const { values: again } = paintLabels(image, (_, count) => count + 1);
        const samples = new Uint8Array(again.length * 3);
        for (let k = 0; k < again.length; k++) {
          const id = again[k] as number;
          samples.set([id & 255, (id >> 8) & 255, id >> 16], 3 * k);
        }
        const { width, height } = image;
        return encodePng({ width, height, kind: "rgb", channels: 3, depth: 8, samples });
      },
    });
  }
  const images = dataset.images.map(({ file, width, height, extra }, i) => ({
    id: imageIds[i] as Id,
    file_name: file,
    width,
    height,
    ...extra,
  }));
  const categories = list.map((category) => ({ isthing: 1, ...category }));
  const root: JsonObject = { info: {}, licenses: [], ...dataset.extra, images, annotations, categories };
  files.unshift({ path, bytes: async () => encodeUtf8(`${printJson(root)}\n`) });
  return { files, losses: losses.list() };
}

/** Names of PNGs by picture, without folders where these are not needed to tell them apart. */
export function mapNames(images: readonly LabelledImage[]): readonly string[] {
  const short = images.map(({ file }) => `${stem(baseName(file))}.png`);
  if (new Set(short).size === short.length) return short;
  const long = images.map(({ file }) => `${stem(file)}.png`);
  if (new Set(long).size === long.length) return long;
  throw new LabelError("cannot-write", `two pictures have one name without extension: ${firstTwice(long)}`);
}

function firstTwice(names: readonly string[]): string {
  return names.find((name, i) => names.indexOf(name) !== i) ?? "";
}
