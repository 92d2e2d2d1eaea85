/** The older LabelMe, of MIT: an XML to a picture, with polygons, and masks as PNGs beside it. Read, not written. */
import { decodeUtf8, type Size } from "@masklet/core";
import { LabelError } from "../errors.ts";
import { baseName, folderOf, normalPath, type ReadContext } from "../files.ts";
import { placeCrop } from "../geometry/rle.ts";
import type { Dataset, LabelledImage, LabelObject, Shape } from "../model.ts";
import { decodePng, type Png } from "../png/png.ts";
import { parseXml, type XmlElement } from "../text/xml.ts";
import { CategoryNames } from "./format.ts";

/** Reads annotations; masks lie in `Masks` beside `Annotations`, in a folder of the same name. */
export async function readLabelMeXml(paths: readonly string[], context: ReadContext): Promise<Dataset> {
  const names = new CategoryNames();
  const images: LabelledImage[] = [];
  for (const path of paths) {
    const text = decodeUtf8(await context.read(path));
    if (text === undefined)
      throw new LabelError("text-malformed", `${path}: is not UTF-8`, { details: { file: path } });
    const root = parseXml(text.replace(/^\ufeff/, ""), path);
    const file = root.child("filename")?.text.trim() ?? "";
    const [height, width] = [
      root.child("imagesize")?.child("nrows")?.number(),
      root.child("imagesize")?.child("ncols")?.number(),
    ];
    const told = width !== undefined && height !== undefined && width > 0 && height > 0 ? { width, height } : undefined;
    const size = told ?? (await context.size(file));
    if (size === undefined)
      throw new LabelError("image-size-unknown", `${path}: tells no size, and its picture is not among the files`);
    const objects: LabelObject[] = [];
    for (const [i, element] of root.all("object").entries()) {
      if (element.child("deleted")?.text.trim() === "1") continue;
      const mask = element.child("segm")?.child("mask")?.text.trim();
      const png = mask === undefined ? undefined : await readMask(path, mask, context);
      context.attempt(path, `object ${i}`, () => {
        const name = element.child("name")?.text.trim();
        if (name === undefined || name === "")
          throw new LabelError("annotation-invalid", `${path}: object ${i} has no name`);
        objects.push({
          shape: png === undefined ? readPolygon(element, path) : maskShape(png, element, size),
          category: names.use(name),
          ...(element.child("occluded")?.text.trim() === "yes" ? { occluded: true } : {}),
          ...attributesOf(element),
        });
      });
    }
    images.push({ file: normalPath(file), ...size, objects, labelled: true });
  }
  return { categories: names.list, images };
}

async function readMask(path: string, name: string, context: ReadContext): Promise<Png> {
  const file = `${folderOf(path).replace(/(^|\/)Annotations\//, "$1Masks/")}${baseName(normalPath(name))}`;
  return decodePng(await context.read(file), file);
}

/** A PNG of the whole picture, or of the box that is told beside it. What has colour, or is not see-through, is the object. */
function maskShape(png: Png, element: XmlElement, size: Size): Shape {
  const { width, height, channels, samples } = png;
  const alpha = png.kind === "rgba" || png.kind === "grey-alpha";
  const inside = (x: number, y: number): boolean => {
    const at = (y * width + x) * channels;
    if (alpha) return samples[at + channels - 1] !== 0;
    return samples[at] !== 0 || (channels === 3 && (samples[at + 1] !== 0 || samples[at + 2] !== 0));
  };
  const box = element.child("segm")?.child("box");
  const whole = width === size.width && height === size.height;
  const [left, top] = whole ? [0, 0] : [box?.child("xmin")?.number(), box?.child("ymin")?.number()];
  if (left === undefined || top === undefined) {
    throw new LabelError(
      "annotation-invalid",
      `the mask is ${width}x${height}, the picture ${size.width}x${size.height}, and no box says where it lies`,
    );
  }
  return { kind: "mask", rle: placeCrop(png, inside, Math.round(left), Math.round(top), size) };
}

function readPolygon(element: XmlElement, path: string): Shape {
  const points = (element.child("polygon")?.all("pt") ?? []).flatMap((point) => {
    const [x, y] = [point.child("x")?.number(), point.child("y")?.number()];
    if (x === undefined || y === undefined)
      throw new LabelError("annotation-invalid", `${path}: a corner has no x and y`);
    return [x, y];
  });
  if (points.length < 6)
    throw new LabelError("annotation-invalid", `${path}: an object has neither a mask nor a polygon`);
  return { kind: "polygons", regions: [{ outline: points, holes: [] }], fill: "cocoapi" };
}

/** `name=value` and words, with commas between. */
function attributesOf(element: XmlElement): Pick<LabelObject, "attributes"> {
  const entries = (element.child("attributes")?.text ?? "")
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "")
    .map((one) => {
      const at = one.indexOf("=");
      return [at < 0 ? one : one.slice(0, at), at < 0 ? true : one.slice(at + 1)] as const;
    });
  return entries.length > 0 ? { attributes: Object.fromEntries(entries) } : {};
}
