/**
 * Small label files edited where they stand. Changes go by the place of a row, shape or element in the file; all else keeps
 * its bytes: order, spelling of numbers, unknown fields, line endings, byte order mark, end of file.
 */
import { decodeUtf8, encodeUtf8, type Rle, type Size } from "@masklet/core";
import { checkKeys, type Keys } from "@masklet/core/backend";
import { LabelError } from "./errors.ts";
import { normalPath } from "./files.ts";
import { type CvatOptions, writeCvatImages } from "./formats/cvat.ts";
import { chosenAnnotation, writeLabelStudio } from "./formats/label-studio.ts";
import { isFlat } from "./formats/label-studio-flat.ts";
import { type LabelMeOptions, writeLabelMe } from "./formats/labelme.ts";
import { writeYolo, type YoloOptions } from "./formats/yolo.ts";
import { topology } from "./geometry/object.ts";
import { JsonEditor, type Splice } from "./json/edit.ts";
import { Fields, isObject } from "./json/fields.ts";
import { parseJson } from "./json/json.ts";
import { writeKeys } from "./labels.ts";
import type { Dataset, JsonObject, JsonValue, LabelObject } from "./model.ts";
import { parseXml, type XmlElement } from "./text/xml.ts";

/** What changes in one picture's labels, by place from 0. An object may become several rows or shapes, or none. */
export interface ObjectEdits {
  readonly replace?: ReadonlyMap<number, LabelObject>;
  readonly remove?: ReadonlySet<number>;
  readonly add?: readonly LabelObject[];
}

const editsKeys: Keys<ObjectEdits> = { replace: true, remove: true, add: true };

/** Throws a `LabelError` "no-such-annotation" for a place that is not there, "label-option" for one that both changes and goes. */
function checkPlaces({ replace = new Map(), remove = new Set() }: ObjectEdits, count: number, file: string): void {
  for (const place of [...replace.keys(), ...remove]) {
    if (Number.isInteger(place) && place >= 0 && place < count) continue;
    throw new LabelError("no-such-annotation", `${file}: has no object at place ${place}, there are ${count}`, {
      details: { file, at: place },
    });
  }
  for (const place of remove) {
    if (!replace.has(place)) continue;
    throw new LabelError("label-option", `${file}: place ${place} is both replaced and removed`, {
      details: { at: place },
    });
  }
}

function textOf(bytes: Uint8Array, file: string): string {
  const text = decodeUtf8(bytes);
  if (text !== undefined) return text;
  throw new LabelError("text-malformed", `${file}: is not UTF-8`, { details: { file } });
}

/** A dataset of one picture that holds these objects, for the writers to say them. */
function alone(
  objects: readonly LabelObject[],
  size: Size,
  categories: readonly string[],
  file = "picture.png",
): Dataset {
  const names = [...new Set([...categories, ...objects.flatMap(({ category }) => category ?? [])])];
  return { categories: names.map((name) => ({ name })), images: [{ file, ...size, objects, labelled: true }] };
}

export interface YoloEditOptions extends YoloOptions {
  /** How errors call the file. */
  readonly file?: string;
  readonly size: Size;
  /** Names of the classes in the order of data.yaml; a category that is none of them is refused. */
  readonly classes: readonly string[];
}

/**
 * Rows of a YOLO label file changed; places count the rows that are not blank. Where the file has outlines, boxes are
 * written as outlines too, because trainers would take them for such. Throws a `LabelError`.
 */
export async function editYolo(bytes: Uint8Array, edits: ObjectEdits, options: YoloEditOptions): Promise<Uint8Array> {
  checkKeys("editYolo", edits, editsKeys);
  checkKeys("editYolo", options, { ...writeKeys.yolo, file: true, size: true, classes: true });
  const { file = "labels.txt", size, classes, ...rest } = options;
  const text = textOf(bytes, file);
  const newline = text.includes("\r\n") ? "\r\n" : "\n";
  const lines = Array.from(text.matchAll(/[^\r\n]*(\r\n|\n|\r|$)/g), ({ 0: whole, 1: end = "", index }) => ({
    index,
    whole,
    content: whole.slice(0, whole.length - end.length),
    end,
  }));
  const rows = lines.filter(({ content }) => content.replace("\ufeff", "").trim() !== "");
  checkPlaces(edits, rows.length, file);
  const fields = rows.map(({ content }) => content.trim().split(/\s+/).length);
  const task = rest.task ?? (rows.length > 0 && fields.every((count) => count <= 6) ? "detect" : "segment");
  const rowsOf = async (object: LabelObject): Promise<string[]> => {
    if (object.category !== undefined && !classes.includes(object.category)) {
      throw new LabelError(
        "cannot-write",
        `${file}: category ${object.category} is none of the classes: add it to them first`,
        {
          details: { category: object.category },
        },
      );
    }
    const [, rowFile] = writeYolo(alone([object], size, classes), { ...rest, task }).files;
    return textOf((await rowFile?.bytes()) ?? new Uint8Array(0), file)
      .split("\n")
      .slice(0, -1);
  };
  let out = "";
  let place = -1;
  for (const line of lines) {
    if (!rows.includes(line)) {
      out += line.whole;
      continue;
    }
    place++;
    const object = edits.replace?.get(place);
    if (edits.remove?.has(place) === true) {
      if (line.content.startsWith("\ufeff")) out += "\ufeff";
    } else if (object === undefined) out += line.whole;
    else {
      const mark = line.content.startsWith("\ufeff") ? "\ufeff" : "";
      const made = await rowsOf(object);
      if (made.length > 0) out += mark + made.join(newline) + line.end;
    }
  }
  for (const object of edits.add ?? []) {
    for (const row of await rowsOf(object)) {
      if (out !== "" && out !== "\ufeff" && !/[\r\n]$/.test(out)) out += newline;
      out += row + newline;
    }
  }
  // The end of the file stays as it was: with a line's end, or without.
  if ((edits.add ?? []).length > 0 && text !== "" && !/[\r\n]$/.test(text)) out = out.replace(/\r?\n$/, "");
  return encodeUtf8(out);
}

export interface LabelMeEditOptions extends LabelMeOptions {
  readonly file?: string;
}

/**
 * Shapes of a LabelMe file changed; places count its `shapes`. Of a shape that is replaced the fields that do not follow
 * from the object (flags, description, group, what is not known here) stay. Throws a `LabelError`.
 */
export async function editLabelMe(
  bytes: Uint8Array,
  edits: ObjectEdits,
  given: LabelMeEditOptions = {},
): Promise<Uint8Array> {
  checkKeys("editLabelMe", edits, editsKeys);
  checkKeys("editLabelMe", given, { ...writeKeys.labelme, file: true });
  const { file = "labels.json", ...options } = given;
  const root = new Fields(parseJson(bytes, file), file);
  const shapes = root.list("shapes");
  checkPlaces(edits, shapes.length, file);
  const size = { width: root.length("imageWidth"), height: root.length("imageHeight") };
  const shapesOf = async (object: LabelObject): Promise<readonly JsonObject[]> => {
    const [made] = writeLabelMe(alone([object], size, []), options).files;
    const value = new Fields(parseJson((await made?.bytes()) ?? new Uint8Array(0), file), file);
    return value.list("shapes") as readonly JsonObject[];
  };
  const editor = new JsonEditor(bytes, file);
  const further: JsonValue[] = [];
  for (const [place, object] of edits.replace ?? []) {
    const [first, ...rest] = await shapesOf(object);
    if (first === undefined)
      throw new LabelError("cannot-write", `${file}: the object for place ${place} holds no pixel`);
    const old = new Fields(shapes[place], `${file}: shapes[${place}]`);
    for (const field of ["label", "points", "shape_type", "mask"]) {
      const value = first[field] ?? null;
      // A file of an older version has no masks, and needs no field for none.
      if (value === null && old.get(field) === undefined) continue;
      editor.set(["shapes", place, field], value);
    }
    if (rest.length > 0 || object.group !== undefined)
      editor.set(["shapes", place, "group_id"], first["group_id"] ?? null);
    further.push(...rest);
  }
  const added = await Promise.all((edits.add ?? []).map(shapesOf));
  const behind = [...further, ...added.flat()];
  if (edits.remove !== undefined && edits.remove.size > 0) editor.remove(["shapes"], [...edits.remove]);
  if (behind.length > 0) editor.append(["shapes"], ...behind);
  return editor.bytes();
}

export interface CvatEditOptions extends CvatOptions {
  readonly file?: string;
  /** The picture's name, as the file has it. */
  readonly image: string;
}

/** Attributes of CVAT's shapes that do not follow from the object. */
const kept = ["z_order", "group_id", "source", "occluded"] as const;

/**
 * Shapes of one picture of a CVAT file for images changed; places count its elements but for tags. Attributes that do not
 * follow from the object (`z_order`, `group_id`, `source`) and its `<attribute>` elements stay. Throws a `LabelError`.
 */
export async function editCvat(bytes: Uint8Array, edits: ObjectEdits, options: CvatEditOptions): Promise<Uint8Array> {
  checkKeys("editCvat", edits, editsKeys);
  checkKeys("editCvat", options, { ...writeKeys["cvat-images"], file: true, image: true });
  const { file = "annotations.xml", image, ...rest } = options;
  const text = textOf(bytes, file);
  const root = parseXml(text.replace(/^\ufeff/, ""), file);
  // Positions are those of the text without its mark.
  const shift = text.startsWith("\ufeff") ? 1 : 0;
  const element = root.all("image").find((one) => normalPath(one.attributes.get("name") ?? "") === normalPath(image));
  if (element === undefined) {
    throw new LabelError("no-such-annotation", `${file}: has no image ${image}`, { details: { file, at: image } });
  }
  const shapes = element.children.filter(({ name }) => name !== "tag");
  checkPlaces(edits, shapes.length, file);
  const size = { width: element.numeric("width") ?? 0, height: element.numeric("height") ?? 0 };
  const source = text.slice(shift);
  const made = async (object: LabelObject, old?: XmlElement): Promise<readonly string[]> => {
    const [xml] = writeCvatImages(alone([object], size, []), rest).files;
    const written = textOf((await xml?.bytes()) ?? new Uint8Array(0), file);
    const [, body = ""] = /<image [^>]*>\n([\s\S]*?)\n? {2}<\/image>/.exec(written) ?? [];
    const elements = body
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "");
    if (old === undefined) return elements;
    return elements.map((one) => {
      let result = one;
      for (const name of kept) {
        const value = new RegExp(`\\s${name}=("[^"]*"|'[^']*')`).exec(source.slice(old.start, old.open))?.[1];
        const given = name === "occluded" && object.occluded !== undefined;
        result = result.replace(new RegExp(` ${name}="[^"]*"`), () =>
          value === undefined ? "" : given ? ` occluded="${object.occluded ? 1 : 0}"` : ` ${name}=${value}`,
        );
      }
      // What lies within, attributes above all, stays as it is.
      const inner = source.slice(old.open, old.end).replace(/<\/[^>]*>$/, "");
      return object.attributes === undefined && old.end > old.open
        ? result.replace(/><\//, () => `>${inner}</`)
        : result;
    });
  };
  const splices: (Omit<Splice, "bytes"> & { readonly text: string })[] = [];
  for (const [place, object] of edits.replace ?? []) {
    const old = shapes[place] as XmlElement;
    const elements = await made(object, old);
    splices.push({ start: old.start, end: old.end, text: elements.join(indentBefore(source, old.start)) });
  }
  for (const place of edits.remove ?? []) {
    const { start, end } = shapes[place] as XmlElement;
    const blank = indentBefore(source, start);
    splices.push({ start: start - blank.length, end, text: "" });
  }
  const added = (await Promise.all((edits.add ?? []).map((object) => made(object)))).flat();
  if (added.length > 0) {
    const last = shapes.at(-1);
    const outer = indentBefore(source, element.start);
    const inner = last === undefined ? `${outer}  ` : indentBefore(source, last.start);
    const joined = added.map((one) => inner + one).join("");
    if (element.end === element.open) {
      // <image .../> has no room yet.
      const opened = source.slice(element.start, element.end).replace(/\s*\/>$/, ">");
      splices.push({ start: element.start, end: element.end, text: `${opened}${joined}${outer}</image>` });
    } else {
      const at = last?.end ?? element.open;
      splices.push({ start: at, end: at, text: joined });
    }
  }
  let out = "";
  let position = 0;
  for (const { start, end, text: more } of splices.sort((a, b) => a.start - b.start || a.end - b.end)) {
    out += source.slice(position, start) + more;
    position = end;
  }
  return encodeUtf8(text.slice(0, shift) + out + source.slice(position));
}

export interface LabelStudioEdits {
  /** Place of the task in the file. */
  readonly task: number;
  /** By the id of the region. */
  readonly replace?: ReadonlyMap<string, LabelObject>;
  readonly remove?: ReadonlySet<string>;
  readonly add?: readonly LabelObject[];
}

/**
 * Regions of one task of a Label Studio export changed, in the annotation that `readLabels` reads. A region keeps its kind
 * where it can; one of another kind takes the control tag that regions of that kind have elsewhere in the file. Throws a
 * `LabelError`: "no-such-annotation", "cannot-write" where no region of the kind shows which tag it has.
 */
export async function editLabelStudio(
  bytes: Uint8Array,
  edits: LabelStudioEdits,
  options: { readonly file?: string; readonly minIou?: number } = {},
): Promise<Uint8Array> {
  checkKeys("editLabelStudio", edits, { ...editsKeys, task: true });
  checkKeys("editLabelStudio", options, { file: true, minIou: true });
  const { task, replace = new Map(), remove = new Set(), add = [] } = edits;
  const { file = "tasks.json", minIou = 1 } = options;
  const tasks = parseJson(bytes, file);
  const [head] = Array.isArray(tasks) ? (tasks as readonly JsonValue[]) : [];
  if (isObject(head) && isFlat(Object.keys(head))) {
    throw new LabelError(
      "cannot-write",
      `${file}: is JSON-MIN, whose regions have no ids to edit them by: export JSON`,
    );
  }
  const found = new Fields((Array.isArray(tasks) ? (tasks as readonly JsonValue[]) : [])[task], `${file}: [${task}]`);
  const annotation = chosenAnnotation(found.list("annotations"));
  if (annotation < 0) {
    throw new LabelError("no-such-annotation", `${file}: task ${task} has no annotation`, {
      details: { file, at: task },
    });
  }
  const path = [task, "annotations", annotation, "result"] as const;
  const results = new Fields(found.list("annotations")[annotation], `${file}: [${task}].annotations[${annotation}]`)
    .list("result")
    .map((one, i) => new Fields(one, `result[${i}]`));
  const placeOf = (id: string): number => {
    const place = results.findIndex((one) => one.get("id") === id);
    if (place >= 0) return place;
    throw new LabelError("no-such-annotation", `${file}: task ${task} has no region ${id}`, {
      details: { file, at: id },
    });
  };
  const shown = results.find((one) => one.has("original_width"));
  const tags = tagsOf(tasks);
  const made = async (object: LabelObject, like?: Fields): Promise<readonly JsonObject[]> => {
    const size = like ?? shown;
    if (size === undefined)
      throw new LabelError("image-size-unknown", `${file}: task ${task} has no region that tells the picture's size`);
    const picture = { width: size.length("original_width"), height: size.length("original_height") };
    const polygon =
      like?.get("type") === "polygonlabels" && object.shape.kind === "mask" && isOneRing(object.shape.rle);
    const [json] = writeLabelStudio(alone([object], picture, []), {
      shapes: polygon ? "polygon" : "auto",
      minIou,
    }).files;
    const [written] = parseJson((await json?.bytes()) ?? new Uint8Array(0), file) as readonly JsonObject[];
    const [only] = new Fields(written, "task").list("annotations");
    return new Fields(only, "annotation").list("result") as readonly JsonObject[];
  };
  const tagFor = (type: JsonValue | undefined): JsonObject => {
    const tag = tags.get(String(type));
    if (tag !== undefined) return tag;
    throw new LabelError(
      "cannot-write",
      `${file}: no region is of type ${type}, so that its control tag is not known`,
      {
        details: { file, type },
      },
    );
  };
  const editor = new JsonEditor(bytes, file);
  for (const [id, object] of replace) {
    const place = placeOf(id);
    const old = results[place] as Fields;
    const [region] = await made(object, old);
    if (region === undefined)
      throw new LabelError("cannot-write", `${file}: what takes the place of region ${id} holds no pixel`);
    if (region["type"] !== old.get("type")) {
      for (const [name, value] of Object.entries(tagFor(region["type"]))) editor.set([...path, place, name], value);
    }
    editor.set([...path, place, "type"], region["type"] as JsonValue);
    editor.set([...path, place, "value"], region["value"] as JsonValue);
  }
  if (remove.size > 0) editor.remove(path, Array.from(remove, placeOf));
  const taken = new Set(results.map((one) => one.get("id")));
  const added: JsonObject[] = [];
  for (const object of add) {
    for (const region of await made(object)) {
      let n = taken.size;
      while (taken.has(`m${n}`)) n++;
      taken.add(`m${n}`);
      added.push({ ...region, ...tagFor(region["type"]), id: `m${n}` });
    }
  }
  if (added.length > 0) editor.append(path, ...added);
  return editor.bytes();
}

function isOneRing(rle: Rle): boolean {
  const { parts, holes } = topology(rle);
  return parts === 1 && holes === 0;
}

/** The control tag that regions of each type have in a file: `from_name` and `to_name`. */
function tagsOf(tasks: JsonValue): ReadonlyMap<string, JsonObject> {
  const tags = new Map<string, JsonObject>();
  const visit = (value: JsonValue): void => {
    if (Array.isArray(value)) for (const one of value as readonly JsonValue[]) visit(one);
    else if (isObject(value)) {
      const { type, from_name, to_name, annotations, result } = value;
      if (typeof type === "string" && typeof from_name === "string" && typeof to_name === "string") {
        if (!tags.has(type)) tags.set(type, { from_name, to_name });
      }
      if (annotations !== undefined) visit(annotations);
      if (result !== undefined) visit(result);
    }
  };
  visit(tasks);
  return tags;
}

/** The line's end and the blanks before a position, where nothing else stands there. */
function indentBefore(text: string, position: number): string {
  return /(\r?\n)?[ \t]*$/.exec(text.slice(Math.max(0, position - 200), position))?.[0] ?? "";
}
