/**
 * Small label files edited where they stand. Changes go by the place of a row, shape or element in the file; all else keeps
 * its bytes: order, spelling of numbers, unknown fields, line endings, byte order mark, end of file.
 */
import { decodeUtf8, encodeUtf8, type Size } from "@masklet/core";
import { LabelError } from "./errors.ts";
import { normalPath } from "./files.ts";
import { type CvatOptions, writeCvatImages } from "./formats/cvat.ts";
import { type LabelMeOptions, writeLabelMe } from "./formats/labelme.ts";
import { writeYolo, type YoloOptions } from "./formats/yolo.ts";
import { JsonEditor, type Splice } from "./json/edit.ts";
import { Fields } from "./json/fields.ts";
import { parseJson } from "./json/json.ts";
import type { Dataset, JsonObject, JsonValue, LabelObject } from "./model.ts";
import { parseXml, type XmlElement } from "./text/xml.ts";

/** What changes in one picture's labels, by place from 0. An object may become several rows or shapes, or none. */
export interface ObjectEdits {
  readonly replace?: ReadonlyMap<number, LabelObject>;
  readonly remove?: ReadonlySet<number>;
  readonly add?: readonly LabelObject[];
}

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
    throw new LabelError("label-option", `${file}: place ${place} is both replaced and removed`, { details: { at: place } });
  }
}

function textOf(bytes: Uint8Array, file: string): string {
  const text = decodeUtf8(bytes);
  if (text !== undefined) return text;
  throw new LabelError("text-malformed", `${file}: is not UTF-8`, { details: { file } });
}

/** A dataset of one picture that holds these objects, for the writers to say them. */
function alone(objects: readonly LabelObject[], size: Size, categories: readonly string[], file = "picture.png"): Dataset {
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
      throw new LabelError("cannot-write", `${file}: category ${object.category} is none of the classes: add it to them first`, {
        details: { category: object.category },
      });
    }
    const [, rowFile] = writeYolo(alone([object], size, classes), { ...rest, task }).files;
    return textOf((await rowFile?.bytes()) ?? new Uint8Array(0), file).split("\n").slice(0, -1);
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
  { file = "labels.json", ...options }: LabelMeEditOptions = {},
): Promise<Uint8Array> {
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
    if (first === undefined) throw new LabelError("cannot-write", `${file}: the object for place ${place} holds no pixel`);
    const old = new Fields(shapes[place], `${file}: shapes[${place}]`);
    for (const field of ["label", "points", "shape_type", "mask"]) {
      const value = first[field] ?? null;
      // A file of an older version has no masks, and needs no field for none.
      if (value === null && old.get(field) === undefined) continue;
      editor.set(["shapes", place, field], value);
    }
    if (rest.length > 0 || object.group !== undefined) editor.set(["shapes", place, "group_id"], first["group_id"] ?? null);
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
    const elements = body.split("\n").map((line) => line.trim()).filter((line) => line !== "");
    if (old === undefined) return elements;
    return elements.map((one) => {
      let result = one;
      for (const name of kept) {
        const value = new RegExp(`\\s${name}=("[^"]*"|'[^']*')`).exec(source.slice(old.start, old.open))?.[1];
        const given = name === "occluded" && object.occluded !== undefined;
        result = result.replace(new RegExp(` ${name}="[^"]*"`), () => (value === undefined ? "" : given ? ` occluded="${object.occluded ? 1 : 0}"` : ` ${name}=${value}`));
      }
      // What lies within, attributes above all, stays as it is.
      const inner = source.slice(old.open, old.end).replace(/<\/[^>]*>$/, "");
      return object.attributes === undefined && old.end > old.open ? result.replace(/><\//, () => `>${inner}</`) : result;
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

/** The line's end and the blanks before a position, where nothing else stands there. */
function indentBefore(text: string, position: number): string {
  return /(\r?\n)?[ \t]*$/.exec(text.slice(Math.max(0, position - 200), position))?.[0] ?? "";
}
