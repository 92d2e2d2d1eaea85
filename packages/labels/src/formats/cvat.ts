/**
 * CVAT 1.1 XML, for images and for videos. Masks are run lengths row by row, of a crop; polygons mean what pycocotools
 * makes of them, as in CVAT's own COCO export.
 */
import { decodeRle, decodeUtf8, encodeUtf8, maskBox, type Rle, type Size } from "@masklet/core";
import { LabelError } from "../errors.ts";
import { baseName, normalPath, type ReadContext, stem } from "../files.ts";
import { fillRegions } from "../geometry/fill.ts";
import { topology } from "../geometry/object.ts";
import { placeCrop, rleIou, runsArea } from "../geometry/rle.ts";
import { outlinesOf } from "../geometry/trace.ts";
import { invalid } from "../json/fields.ts";
import { countUnkept, Losses } from "../loss.ts";
import type { Dataset, Id, LabelledImage, LabelObject, Shape, Video } from "../model.ts";
import { escapeXml, parseXml, type XmlElement } from "../text/xml.ts";
import { CategoryNames, decimal, objectName, type Written } from "./format.ts";

const kinds = new Set(["box", "polygon", "polyline", "points", "mask", "ellipse"]);
/** Frames of a video that gaps of tracks may fill. */
const mostFrames = 200_000;

/** Reads a CVAT file of either kind. */
export async function readCvat(path: string, context: ReadContext): Promise<Dataset> {
  const text = decodeUtf8(await context.read(path));
  if (text === undefined) throw new LabelError("text-malformed", `${path}: is not UTF-8`, { details: { file: path } });
  const root = parseXml(text.replace(/^\ufeff/, ""), path);
  if (root.name !== "annotations") throw new LabelError("xml-malformed", `${path}: is no CVAT file but a ${root.name}`);
  const names = new CategoryNames();
  const meta = root.child("meta");
  const task = meta?.child("task") ?? meta?.child("job") ?? meta?.child("project");
  for (const label of task?.child("labels")?.all("label") ?? []) {
    const name = label.child("name")?.text;
    if (name !== undefined) names.use(name);
  }
  const images = root.all("image").map((element, i) => readImage(element, `image ${i}`, path, context, names));
  const tracks = root.all("track");
  if (tracks.length === 0) return { categories: names.list, images };
  const video = videoOf(task, meta, path);
  return {
    categories: names.list,
    images: [...images, ...readTracks(tracks, video, path, context, names)],
    videos: [video],
  };
}

function videoOf(task: XmlElement | undefined, meta: XmlElement | undefined, path: string): Video {
  const original = task?.child("original_size") ?? meta?.child("original_size");
  const [width, height] = [original?.child("width")?.number(), original?.child("height")?.number()];
  if (width === undefined || height === undefined || !(width > 0) || !(height > 0)) {
    throw new LabelError("image-size-unknown", `${path}: has tracks, and no original_size in its meta`);
  }
  const name = task?.child("name")?.text.trim() || stem(baseName(path));
  return { name, width, height, frames: task?.child("size")?.number() ?? 0 };
}

function readImage(
  element: XmlElement,
  at: string,
  path: string,
  context: ReadContext,
  names: CategoryNames,
): LabelledImage {
  const file = element.attributes.get("name");
  const [width, height] = [element.numeric("width"), element.numeric("height")];
  if (file === undefined || !isLength(width) || !isLength(height)) {
    throw invalid(`${path}: ${at}`, "named, with width and height", `${file}, ${width}x${height}`);
  }
  const id = element.numeric("id");
  const objects: { object: LabelObject; depth: number }[] = [];
  for (const [k, child] of element.children.filter(({ name }) => name !== "tag").entries()) {
    const object = context.attempt(path, `${at}, ${child.name} ${k}`, () =>
      readObject(child, { width, height }, names, (message) =>
        context.warn(path, `${at}, ${child.name} ${k}`, message),
      ),
    );
    if (object !== undefined)
      objects.push({ object: { ...object, places: [k] }, depth: child.numeric("z_order") ?? 0 });
  }
  if (element.all("tag").length > 0) context.warn(path, at, "has tags of the whole picture, which are left out");
  objects.sort((a, b) => a.depth - b.depth);
  return {
    file: normalPath(file),
    width,
    height,
    ...(id === undefined ? {} : { id }),
    objects: objects.map(({ object }) => object),
    labelled: true,
  };
}

function isLength(value: number | undefined): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0 && (value as number) < 2 ** 24;
}

function readObject(
  element: XmlElement,
  size: Size,
  names: CategoryNames,
  warn: (message: string) => void,
  label = element.attributes.get("label"),
): LabelObject {
  if (!kinds.has(element.name)) throw invalid(element.name, `one of ${[...kinds].join(", ")}`, element.name);
  if (label === undefined) throw invalid(`${element.name}.label`, "the name of a label", label);
  const group = element.numeric("group_id");
  const attributes = Object.fromEntries(
    element.all("attribute").map((one) => [one.attributes.get("name") ?? "", one.text]),
  );
  const source = element.attributes.get("source");
  return {
    shape: readShape(element, size, warn),
    category: names.use(label),
    ...(element.attributes.get("occluded") === "1" ? { occluded: true } : {}),
    ...(group === undefined || group === 0 ? {} : { group }),
    ...(Object.keys(attributes).length > 0 ? { attributes } : {}),
    ...(source === undefined || source === "manual" ? {} : { extra: { source } }),
  };
}

function readShape(element: XmlElement, size: Size, warn: (message: string) => void): Shape {
  const number = (name: string): number => {
    const value = element.numeric(name);
    if (value === undefined) throw invalid(`${element.name}.${name}`, "a number", element.attributes.get(name));
    return value;
  };
  if (element.name === "box") {
    const [x, y] = [number("xtl"), number("ytl")];
    const box = { x, y, width: clean(number("xbr") - x), height: clean(number("ybr") - y) };
    if (box.width < 0 || box.height < 0)
      throw invalid("box", "one that ends after it begins", `${box.width}x${box.height}`);
    const rotation = element.numeric("rotation") ?? 0;
    return { kind: "box", box, fill: "cracks", ...(rotation === 0 ? {} : { rotation }) };
  }
  if (element.name === "ellipse") {
    warn("is an ellipse: read as a polygon of 64 corners");
    const [cx, cy, rx, ry] = [number("cx"), number("cy"), number("rx"), number("ry")];
    const turn = ((element.numeric("rotation") ?? 0) * Math.PI) / 180;
    const outline = Array.from({ length: 64 }, (_, i) => {
      const [u, v] = [rx * Math.cos((i * Math.PI) / 32), ry * Math.sin((i * Math.PI) / 32)];
      return [cx + u * Math.cos(turn) - v * Math.sin(turn), cy + u * Math.sin(turn) + v * Math.cos(turn)];
    }).flat();
    return { kind: "polygons", regions: [{ outline, holes: [] }], fill: "cocoapi" };
  }
  if (element.name === "mask") {
    const [left, top, width, height] = [number("left"), number("top"), number("width"), number("height")];
    const text = element.attributes.get("rle") ?? "";
    const counts = text.split(",").map((count) => (/^\s*\d+\s*$/.test(count) ? Number(count) : Number.NaN));
    const total = counts.reduce((sum, count) => sum + count, 0);
    if (!(isLength(width) && isLength(height) && Number.isInteger(left) && Number.isInteger(top))) {
      throw invalid("mask", "a place and a size in whole pixels", `${left},${top} ${width}x${height}`);
    }
    if (left + width > size.width || top + height > size.height || left < 0 || top < 0) {
      throw invalid("mask", `within the image, ${size.width}x${size.height}`, `${left},${top} ${width}x${height}`);
    }
    // CVAT leaves out a last run of zeros.
    if (!(total <= width * height && width * height <= 2 ** 28))
      throw invalid("mask.rle", `run lengths of ${width * height} pixels`, total);
    const crop = new Uint8Array(width * height);
    let at = 0;
    for (const [i, count] of counts.entries()) {
      if (i % 2 === 1) crop.fill(1, at, at + count);
      at += count;
    }
    return { kind: "mask", rle: placeCrop({ width, height }, (x, y) => crop[y * width + x] === 1, left, top, size) };
  }
  const points = (element.attributes.get("points") ?? "").split(";").flatMap((point) => {
    const pair = point.split(",").map((value) => (value.trim() === "" ? Number.NaN : Number(value)));
    if (pair.length !== 2 || !pair.every(Number.isFinite)) throw invalid(`${element.name}.points`, "x,y;x,y", point);
    return pair;
  });
  if (element.name !== "polygon") return { kind: "points", points, line: element.name === "polyline" };
  if (points.length < 6) throw invalid("polygon.points", "three corners or more", `${points.length / 2}`);
  return { kind: "polygons", regions: [{ outline: points, holes: [] }], fill: "cocoapi" };
}

/** Differences of two decimals, without the noise. */
function clean(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}

function readTracks(
  tracks: readonly XmlElement[],
  video: Video,
  path: string,
  context: ReadContext,
  names: CategoryNames,
): readonly LabelledImage[] {
  const frames = new Map<number, LabelObject[]>();
  const put = (frame: number, object: LabelObject): void => {
    const objects = frames.get(frame);
    if (objects === undefined) frames.set(frame, [object]);
    else objects.push(object);
  };
  for (const [i, track] of tracks.entries()) {
    const id = track.numeric("id") ?? i;
    let before: { frame: number; object: LabelObject } | undefined;
    for (const element of track.children) {
      const frame = element.numeric("frame");
      const at = `track ${id}, frame ${frame}`;
      const object = context.attempt(path, at, () => {
        if (frame === undefined || !Number.isSafeInteger(frame) || frame < 0 || frame > mostFrames) {
          throw invalid("frame", `a number from 0 to ${mostFrames}`, frame);
        }
        if (before !== undefined && frame <= before.frame) throw invalid("frame", "after the one before", frame);
        const warn = (message: string): void => context.warn(path, at, message);
        return readObject(element, video, names, warn, track.attributes.get("label"));
      });
      if (object === undefined || frame === undefined) continue;
      const shown = element.attributes.get("outside") !== "1";
      if (before !== undefined && frame > before.frame + 1)
        fillGap(before, { frame, object }, put, () =>
          context.warn(path, at, "the frames before it are left out: CVAT has not written what it made up there"),
        );
      before = undefined;
      if (!shown) continue;
      const whole = { ...object, track: id, keyframe: element.attributes.get("keyframe") !== "0" };
      put(frame, whole);
      before = { frame, object: whole };
    }
  }
  return [...frames]
    .sort(([a], [b]) => a - b)
    .map(([index, objects]) => ({
      file: `frame_${String(index).padStart(6, "0")}.PNG`,
      width: video.width,
      height: video.height,
      objects,
      labelled: true,
      frame: { video: video.name, index },
    }));
}

/** Boxes move evenly between two keyframes. How CVAT moves polygons it does not say, so that these are left out. */
function fillGap(
  from: { readonly frame: number; readonly object: LabelObject },
  to: { readonly frame: number; readonly object: LabelObject },
  put: (frame: number, object: LabelObject) => void,
  leftOut: () => void,
): void {
  const [a, b] = [from.object.shape, to.object.shape];
  if (a.kind !== "box" || b.kind !== "box") {
    leftOut();
    return;
  }
  for (let frame = from.frame + 1; frame < to.frame; frame++) {
    const t = (frame - from.frame) / (to.frame - from.frame);
    const between = (side: "x" | "y" | "width" | "height"): number =>
      clean(a.box[side] + t * (b.box[side] - a.box[side]));
    const box = { x: between("x"), y: between("y"), width: between("width"), height: between("height") };
    put(frame, { ...from.object, shape: { ...a, box }, keyframe: false });
  }
}

export interface CvatOptions {
  /** Name of the file; `annotations.xml` if not given. */
  readonly path?: string;
  /** `auto`, the default: masks as masks, polygons as they are. `polygon`: outlines of all; holes are filled. */
  readonly shapes?: "auto" | "polygon";
  /** See `TraceOptions`. */
  readonly minIou?: number;
}

/** Writes CVAT for images. */
export function writeCvatImages(dataset: Dataset, options: CvatOptions = {}): Written {
  const losses = new Losses();
  countUnkept(dataset, new Set(["category", "group", "occluded", "attributes"]), losses);
  const body = dataset.images.map((image, i) => {
    const objects = image.objects.flatMap((object, k) => {
      const where = objectName(image, k);
      const common = `label="${escapeXml(categoryOf(object, where))}" source="${sourceOf(object)}" occluded="${object.occluded === true ? 1 : 0}"`;
      return shapeElements(object, image, where, common, ` z_order="${k}"${groupOf(object)}`, options, losses);
    });
    const { width, height } = image;
    return [
      `  <image id="${i}" name="${escapeXml(image.file)}" width="${width}" height="${height}">`,
      ...objects.map((one) => `    ${one}`),
      "  </image>",
    ].join("\n");
  });
  const file = xmlFile(options, dataset, body, { mode: "annotation", size: dataset.images.length });
  return { files: [file], losses: losses.list() };
}

/** Writes CVAT for videos: of one video, whose objects have tracks. */
export function writeCvatVideo(dataset: Dataset, options: CvatOptions = {}): Written {
  const losses = new Losses();
  countUnkept(dataset, new Set(["category", "occluded", "attributes", "track", "video", "group"]), losses);
  const videos = new Set(dataset.images.map(({ frame }) => frame?.video));
  if (videos.size !== 1 || videos.has(undefined)) {
    const got = videos.has(undefined) ? "pictures that are of none" : `those of ${videos.size}`;
    throw new LabelError("cannot-write", `CVAT for videos holds the frames of one video, the dataset has ${got}`);
  }
  const frames = [...dataset.images].sort((a, b) => (a.frame?.index ?? 0) - (b.frame?.index ?? 0));
  const tracks = new Map<Id, { category: string; elements: string[]; last: number; end: string }>();
  for (const image of frames) {
    const frame = image.frame?.index ?? 0;
    for (const [k, object] of image.objects.entries()) {
      const where = objectName(image, k);
      if (object.track === undefined) throw new LabelError("cannot-write", `${where}: needs a track`);
      const category = categoryOf(object, where);
      const state = (outside: number): string =>
        `frame="${frame + outside}" keyframe="${outside === 0 && object.keyframe === false ? 0 : 1}" outside="${outside}" occluded="${object.occluded === true ? 1 : 0}"`;
      const draw = (outside: number): readonly string[] =>
        shapeElements(
          object,
          image,
          where,
          state(outside),
          ' z_order="0"',
          options,
          outside === 0 ? losses : new Losses(),
          true,
        );
      const elements = draw(0);
      if (elements.length === 0) continue;
      const track = tracks.get(object.track) ?? { category, elements: [], last: frame, end: "" };
      if (track.category !== category || (track.elements.length > 0 && track.last === frame)) {
        throw new LabelError("cannot-write", `${where}: track ${object.track} is there twice, or of two categories`);
      }
      // Where a track goes out of sight it must be said, or its last shape stays.
      if (track.elements.length > 0 && track.last < frame - 1) track.elements.push(track.end);
      track.elements.push(...elements);
      [track.last, track.end] = [frame, draw(1)[0] as string];
      tracks.set(object.track, track);
    }
  }
  const first = frames[0] as LabelledImage;
  const video = dataset.videos?.find(({ name }) => name === first.frame?.video);
  const count = Math.max(video?.frames ?? 0, (frames.at(-1)?.frame?.index ?? 0) + 1);
  const kept = [...tracks.keys()].every((track) => Number.isSafeInteger(track) && Number(track) >= 0);
  if (!kept) losses.add("ids", `track ${[...tracks.keys()][0]}`, tracks.size);
  const body = Array.from(tracks, ([track, { category, elements, last, end }], i) =>
    [
      `  <track id="${kept ? track : i}" label="${escapeXml(category)}" source="manual">`,
      ...[...elements, ...(last + 1 < count ? [end] : [])].map((one) => `    ${one}`),
      "  </track>",
    ].join("\n"),
  );
  const name = first.frame?.video;
  const file = xmlFile(options, dataset, body, { mode: "interpolation", size: count, original: first, name });
  return { files: [file], losses: losses.list() };
}

function categoryOf({ category }: LabelObject, where: string): string {
  if (category !== undefined) return category;
  throw new LabelError("cannot-write", `${where}: has no category, and CVAT needs a label`);
}

function sourceOf({ extra }: LabelObject): string {
  return typeof extra?.["source"] === "string" ? escapeXml(extra["source"]) : "manual";
}

function groupOf({ group }: LabelObject): string {
  return group === undefined ? "" : ` group_id="${escapeXml(String(group))}"`;
}

function shapeElements(
  object: LabelObject,
  image: Size,
  where: string,
  common: string,
  after: string,
  { shapes = "auto", minIou = 1 }: CvatOptions,
  losses: Losses,
  single = false,
): readonly string[] {
  const element = (name: string, attributes: string): string => {
    const own = Object.entries(object.attributes ?? {});
    const inner = own.map(
      ([key, value]) => `<attribute name="${escapeXml(key)}">${escapeXml(String(value))}</attribute>`,
    );
    return `<${name} ${common} ${attributes}${after}>${inner.join("")}</${name}>`;
  };
  const list = (points: readonly number[]): string =>
    Array.from(
      { length: points.length / 2 },
      (_, k) => `${decimal(points[2 * k] as number, 4)},${decimal(points[2 * k + 1] as number, 4)}`,
    ).join(";");
  const { shape } = object;
  if (shape.kind === "points") {
    if (shape.points.length === 0) {
      losses.add("points", where);
      return [];
    }
    return [element(shape.line ? "polyline" : "points", `points="${list(shape.points)}"`)];
  }
  if (shape.kind === "box") {
    const { x, y, width, height } = shape.box;
    const sides = Object.entries({ xtl: x, ytl: y, xbr: x + width, ybr: y + height });
    const rotation = shape.rotation === undefined ? "" : ` rotation="${shape.rotation}"`;
    return [element("box", sides.map(([side, value]) => `${side}="${decimal(value, 4)}"`).join(" ") + rotation)];
  }
  const outlines =
    shape.kind === "mask" && shapes === "auto" ? undefined : outlinesOf(shape, image, { fill: "cocoapi", minIou });
  const rle = outlines?.rle ?? (shape as { readonly rle: Rle }).rle;
  const whole = outlines !== undefined && (outlines.regions.length === 1 || (!single && shapes === "polygon"));
  if (
    outlines !== undefined &&
    whole &&
    (shapes === "polygon" || outlines.source === "kept" || topology(rle).holes === 0)
  ) {
    if (outlines.source === "retraced") losses.add("outline-retraced", where);
    if (outlines.source !== "kept") {
      if (topology(rle).holes > 0) losses.add("holes-filled", where);
      else if (rleIou(fillRegions(outlines.regions, image, "cocoapi"), rle) < 1) losses.add("simplified", where);
    }
    if (outlines.regions.length > 1) losses.add("parts-split", where);
    return outlines.regions.map(({ outline }) => element("polygon", `points="${list(outline)}"`));
  }
  if (runsArea(rle) === 0) {
    losses.add("not-in-image", where);
    return [];
  }
  if (outlines !== undefined) losses.add("outline-retraced", where);
  return [element("mask", maskAttributes(rle))];
}

/** The crop around a mask as run lengths row by row. */
function maskAttributes(rle: Rle): string {
  const mask = decodeRle(rle);
  const { x, y, width, height } = maskBox(mask);
  const counts: number[] = [];
  let [value, run] = [0, 0];
  for (let i = 0; i < width * height; i++) {
    const pixel = mask.data[(y + Math.floor(i / width)) * mask.width + x + (i % width)] === 0 ? 0 : 1;
    if (pixel !== value) {
      counts.push(run);
      [value, run] = [pixel, 0];
    }
    run++;
  }
  counts.push(run);
  return `rle="${counts.join(", ")}" left="${x}" top="${y}" width="${width}" height="${height}"`;
}

function xmlFile(
  { path = "annotations.xml" }: CvatOptions,
  { categories }: Dataset,
  body: readonly string[],
  {
    mode,
    size,
    original,
    name = stem(baseName(path)),
  }: { readonly mode: string; readonly size: number; readonly original?: Size; readonly name?: string | undefined },
): Written["files"][number] {
  const labels = categories.map(
    ({ name }) => `        <label><name>${escapeXml(name)}</name><attributes></attributes></label>`,
  );
  const text = [
    '<?xml version="1.0" encoding="utf-8"?>',
    "<annotations>",
    "  <version>1.1</version>",
    "  <meta>",
    "    <task>",
    `      <name>${escapeXml(name)}</name>`,
    `      <size>${size}</size>`,
    `      <mode>${mode}</mode>`,
    "      <start_frame>0</start_frame>",
    `      <stop_frame>${Math.max(0, size - 1)}</stop_frame>`,
    "      <labels>",
    ...labels,
    "      </labels>",
    ...(original === undefined
      ? []
      : [`      <original_size><width>${original.width}</width><height>${original.height}</height></original_size>`]),
    "    </task>",
    "  </meta>",
    ...body,
    "</annotations>",
    "",
  ].join("\n");
  return { path, bytes: async () => encodeUtf8(text) };
}
