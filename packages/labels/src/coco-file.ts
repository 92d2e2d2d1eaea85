/**
 * A COCO instances file of any size, edited where it stands: indexed as bytes in bounded memory, annotations read when they
 * are asked for, and changed as slices. No other byte is touched.
 */

import { type ByteSource, encodeUtf8, type Rle, rleBox, type Size } from "@masklet/core";
import { checkKeys, type Keys } from "@masklet/core/backend";
import { LabelError } from "./errors.ts";
import { annotationBody, cocoSegmentation, polygonRule, readAnnotation } from "./formats/coco.ts";
import { CategoryNames } from "./formats/format.ts";
import { hasMask, shapeBox, shapeMask, topology } from "./geometry/object.ts";
import { runsArea } from "./geometry/rle.ts";
import { inOrder, JsonEditor, removals, type Splice, sameJson, styleOf } from "./json/edit.ts";
import { Fields, invalid, isList, isObject } from "./json/fields.ts";
import { ascii, JsonReader, parseJson, printJson } from "./json/json.ts";
import { CocoScanner, type Section } from "./json/scan.ts";
import { Losses } from "./loss.ts";
import type { FillRule, Id, JsonObject, JsonValue, LabelledImage, LabelObject } from "./model.ts";

export interface CocoFileOptions {
  /** Bytes read at once; 4 MiB if not given. */
  readonly chunk?: number;
  /** See `TraceOptions`: for outlines that are drawn anew. */
  readonly minIou?: number;
}

const fileKeys: Keys<CocoFileOptions> = { chunk: true, minIou: true };

/** An object of the file. Changes go by its place, because there are files whose ids are not each there once. */
export interface CocoObject {
  /** Among the annotations of the file, from 0; new ones come behind. */
  readonly place: number;
  readonly id: bigint;
  readonly object: LabelObject;
}

export class CocoFile {
  readonly #source: ByteSource;
  readonly #images: Section;
  readonly #annotations: Section;
  readonly #names: CategoryNames;
  readonly #minIou: number;
  #byImage: Int32Array | undefined;
  #fill: FillRule | undefined;
  readonly #changed = new Map<number, Uint8Array>();
  readonly #removed = new Set<number>();
  readonly #added: { readonly place: number; readonly id: bigint; readonly value: JsonObject }[] = [];
  #addedBefore = 0;
  #nextId: bigint | undefined;

  private constructor(source: ByteSource, scanner: CocoScanner, names: CategoryNames, minIou: number) {
    this.#source = source;
    this.#images = scanner.images;
    this.#annotations = scanner.annotations;
    this.#names = names;
    this.#minIou = minIou;
  }

  /**
   * Indexes a file: about 40 bytes to an annotation or image, whatever its masks weigh. Rejects with a `LabelError`:
   * "json-malformed", "annotation-invalid" for ids that are no whole numbers of 64 bits.
   */
  static async open(source: ByteSource, options: CocoFileOptions = {}): Promise<CocoFile> {
    checkKeys("CocoFile.open", options, fileKeys);
    const { chunk = 2 ** 22, minIou = 1 } = options;
    const scanner = new CocoScanner(source.name);
    for (let at = 0; at < source.size; at += chunk) {
      scanner.push(await source.read(at, Math.min(chunk, source.size - at)), at);
    }
    scanner.end(source.size);
    const names = new CategoryNames();
    const { start, end } = scanner.categories;
    const bytes = await source.read(start, end - start);
    const categories = new JsonReader(bytes, source.name).document();
    if (!isList(categories)) throw invalid(`${source.name}: categories`, "a list", categories);
    for (const [i, one] of categories.entries()) {
      const fields = new Fields(one, `categories[${i}]`);
      names.add({ name: fields.string("name"), id: fields.id("id") });
    }
    return new CocoFile(source, scanner, names, minIou);
  }

  /** Annotations in the file as it stands, without changes. */
  get annotationCount(): number {
    return this.#annotations.count;
  }

  get imageCount(): number {
    return this.#images.count;
  }

  /**
   * How many annotations of which category each image has, in the order of the images and in the file as it stands. Nothing
   * is read for it. `undefined` stands for numbers that no category has.
   */
  *counts(): Generator<ReadonlyMap<string | undefined, number>, void> {
    for (let i = 0; i < this.#images.count; i++) {
      const found = new Map<string | undefined, number>();
      for (const place of this.#annotationsOf(this.#images.id(i))) {
        const kind = this.#annotations.kind(place);
        const name = this.#names.byId(BigInt.asIntN(54, kind) === kind ? Number(kind) : kind);
        found.set(name, (found.get(name) ?? 0) + 1);
      }
      yield found;
    }
  }

  /** Where an annotation stands in the file's bytes. */
  slice(place: number): { readonly start: number; readonly end: number } {
    return this.#annotations.slice(this.#check(place));
  }

  /** Names of the categories, in the file's order. */
  get categories(): readonly string[] {
    return this.#names.list.map(({ name }) => name);
  }

  /** The n-th image, without its objects. */
  async image(index: number): Promise<Omit<LabelledImage, "objects" | "labelled"> & { readonly id: bigint }> {
    const fields = new Fields(await this.#value(this.#images, index), `images[${index}]`);
    return {
      id: this.#images.id(index),
      file: fields.string("file_name"),
      width: fields.length("width"),
      height: fields.length("height"),
    };
  }

  /** Objects of an image by its id, with the changes so far. */
  async objectsOf(image: Id): Promise<readonly CocoObject[]> {
    const found: CocoObject[] = [];
    const size = await this.#sizeOf(BigInt(image));
    for (const i of this.#annotationsOf(BigInt(image))) {
      if (this.#removed.has(i)) continue;
      found.push({ place: i, id: this.#annotations.id(i), object: await this.#object(i, size) });
    }
    for (const { place, id, value } of this.#added) {
      if (BigInt(value["image_id"] as Id as number) !== BigInt(image)) continue;
      const object = readAnnotation(new Fields(value, `annotation ${id}`), size, this.#names, await this.#rule());
      found.push({ place, id, object });
    }
    return found;
  }

  /**
   * Gives an annotation another object. Fields that mean the same stay as they are; the kind of its segmentation stays
   * where it can, and a mask with holes becomes run lengths; `iscrowd` and what is not known here are never touched.
   * Rejects with a `LabelError` "no-such-annotation", "cannot-write" for an unknown category.
   */
  async replace(place: number, object: LabelObject): Promise<void> {
    const i = this.#check(place);
    const value = new Fields(await this.#value(this.#annotations, i), `annotations[${i}]`);
    const size = await this.#sizeOf(this.#annotations.parent(i));
    const fill = await this.#rule();
    const before = readAnnotation(value, size, this.#names, fill);
    const editor = new JsonEditor(await this.#bytes(this.#annotations, i), this.#source.name);
    if (object.category !== before.category) editor.set(["category_id"], this.#categoryId(object));
    if (object.score !== before.score && object.score !== undefined) editor.set(["score"], object.score);
    if (object.attributes !== undefined) editor.set(["attributes"], object.attributes);
    if (object.keypoints !== undefined) editor.set(["keypoints"], [...object.keypoints]);
    if (!sameJson(object.shape as unknown as JsonValue, before.shape as unknown as JsonValue)) {
      const mask = hasMask(object) ? (shapeMask(object.shape, size) as Rle) : undefined;
      const box = mask === undefined ? shapeBox(object.shape, size) : rleBox(mask);
      editor.set(["segmentation"], this.#segmentation(object, size, value.get("segmentation"), fill));
      editor.set(["area"], mask === undefined ? box.width * box.height : runsArea(mask));
      editor.set(["bbox"], [box.x, box.y, box.width, box.height]);
    }
    if (editor.splices().length > 0) this.#changed.set(i, editor.bytes());
  }

  /** Takes an annotation away, also one that was added. Throws a `LabelError` "no-such-annotation". */
  remove(place: number): void {
    const added = this.#added.findIndex((one) => one.place === place);
    if (added >= 0) this.#added.splice(added, 1);
    else this.#removed.add(this.#check(place));
  }

  /** Places of the annotations with an id: more than one where the file is at odds with itself. */
  find(id: Id): readonly number[] {
    const wanted = BigInt(id);
    const found: number[] = [];
    for (let i = 0; i < this.#annotations.count; i++) {
      if (this.#annotations.id(i) === wanted && !this.#removed.has(i)) found.push(i);
    }
    return [...found, ...this.#added.filter((one) => one.id === wanted).map(({ place }) => place)];
  }

  /** Adds an object to an image. Its id is one more than the largest that there is. */
  async add(image: Id, object: LabelObject): Promise<{ readonly place: number; readonly id: bigint }> {
    const size = await this.#sizeOf(BigInt(image));
    if (this.#nextId === undefined) {
      let most = 0n;
      for (let i = 0; i < this.#annotations.count; i++) {
        const id = this.#annotations.id(i);
        if (id > most) most = id;
      }
      this.#nextId = most + 1n;
    }
    const id = this.#nextId++;
    const { id: _, ...own } = object;
    const body = annotationBody(
      own,
      size,
      `annotation ${id}`,
      { minIou: this.#minIou, fill: await this.#rule() },
      new Losses(),
    );
    const place = this.#annotations.count + this.#addedBefore++;
    this.#added.push({ place, id, value: { id, image_id: image, category_id: this.#categoryId(object), ...body } });
    return { place, id };
  }

  /** The changes so far as splices of the file, in its order: none where nothing has changed. */
  async splices(): Promise<readonly Splice[]> {
    const list = this.#annotations;
    const splices: Splice[] = [];
    for (const [i, bytes] of this.#changed) if (!this.#removed.has(i)) splices.push({ ...list.slice(i), bytes });
    const gone = this.#removed;
    if (gone.size === 0 && this.#added.length === 0) return inOrder(splices);
    const parts = Array.from({ length: gone.size > 0 ? list.count : 0 }, (_, i) => ({
      ...list.slice(i),
      gone: gone.has(i),
    }));
    if (gone.size > 0) splices.push(...removals(list.whole, parts));
    if (this.#added.length > 0) splices.push(await this.#addition());
    return inOrder(splices);
  }

  /** The whole file with its changes, in pieces. */
  async *stream(): AsyncGenerator<Uint8Array, void> {
    let at = 0;
    const copy = async function* (source: ByteSource, from: number, to: number): AsyncGenerator<Uint8Array, void> {
      for (let position = from; position < to; position += 2 ** 22) {
        yield await source.read(position, Math.min(2 ** 22, to - position));
      }
    };
    for (const { start, end, bytes } of await this.splices()) {
      yield* copy(this.#source, at, start);
      yield bytes;
      at = end;
    }
    yield* copy(this.#source, at, this.#source.size);
  }

  /** New annotations behind the last one that stays, in the manner of the one before. */
  async #addition(): Promise<Splice> {
    const list = this.#annotations;
    const { whole, count } = list;
    const head = await this.#source.read(0, Math.min(65536, this.#source.size));
    const { indent, ...flat } = styleOf(head);
    let last = count - 1;
    while (last >= 0 && this.#removed.has(last)) last--;
    if (last < 0) {
      const text = this.#added.map(({ value }) => printJson(value, flat)).join(flat.comma ?? ", ");
      return { start: whole.start + 1, end: whole.start + 1, bytes: encodeUtf8(text) };
    }
    const { start, end } = list.slice(last);
    const from = last > 0 ? list.slice(last - 1).end : whole.start + 1;
    const gap = ascii(await this.#source.read(from, start - from)).replace(",", "");
    const old = ascii(await this.#source.read(start, Math.min(end - start, 4096)));
    const style = indent !== undefined && old.includes("\n") ? { ...flat, indent } : flat;
    const separator = gap !== "" || last > 0 ? gap : (flat.comma ?? ", ").slice(1);
    const prefix = gap.includes("\n") ? gap.slice(gap.lastIndexOf("\n") + 1) : "";
    const floats = new Set(
      ["bbox", "area"].filter((name) => new RegExp(`"${name}"\\s*:\\s*(\\[\\s*)?-?\\d+\\.\\d`).test(old)),
    );
    const text = this.#added
      .map(({ value }) => `,${separator}${printJson(value, { ...style, floats }, prefix)}`)
      .join("");
    return { start: end, end, bytes: encodeUtf8(text) };
  }

  #segmentation(object: LabelObject, size: Size, old: JsonValue | undefined, fill: FillRule): JsonValue {
    const { shape } = object;
    const where = `annotation ${object.id ?? ""}`;
    const compressed = !(isObject(old) && isList(old["counts"]));
    // A mask that takes the place of polygons is drawn as such, unless it has holes.
    const drawn = shape.kind === "mask" && topology(shape.rle).holes === 0 ? "polygon" : "auto";
    const segmentation = isList(old) ? drawn : "rle";
    return cocoSegmentation(
      object,
      size,
      where,
      { segmentation, compressed, minIou: this.#minIou, fill },
      new Losses(),
    );
  }

  #categoryId({ category }: LabelObject): Id {
    const found = this.#names.list.find(({ name }) => name === category);
    if (found?.id !== undefined) return found.id;
    throw new LabelError("cannot-write", `${this.#source.name}: has no category ${category}`, {
      details: { category },
    });
  }

  #check(place: number): number {
    if (Number.isInteger(place) && place >= 0 && place < this.#annotations.count && !this.#removed.has(place))
      return place;
    throw new LabelError("no-such-annotation", `${this.#source.name}: has no annotation at place ${place}`, {
      details: { at: place },
    });
  }

  /** Places of an image's annotations, by a sorted list of all. */
  #annotationsOf(image: bigint): readonly number[] {
    const list = this.#annotations;
    this.#byImage ??= Int32Array.from({ length: list.count }, (_, i) => i).sort((a, b) => {
      const [one, two] = [list.parent(a), list.parent(b)];
      return one < two ? -1 : one > two ? 1 : a - b;
    });
    const order = this.#byImage;
    let [low, high] = [0, order.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (list.parent(order[middle] as number) < image) low = middle + 1;
      else high = middle;
    }
    const found: number[] = [];
    for (let k = low; k < order.length && list.parent(order[k] as number) === image; k++)
      found.push(order[k] as number);
    return found;
  }

  #imagePlaces: ReadonlyMap<bigint, number> | undefined;

  #places(): ReadonlyMap<bigint, number> {
    this.#imagePlaces ??= this.#images.places();
    return this.#imagePlaces;
  }

  async #sizeOf(image: bigint): Promise<Size> {
    const place = this.#places().get(image);
    if (place === undefined) {
      throw new LabelError("no-such-annotation", `${this.#source.name}: has no image ${image}`, {
        details: { id: String(image) },
      });
    }
    return await this.image(place);
  }

  async #object(i: number, size: Size): Promise<LabelObject> {
    const fields = new Fields(await this.#value(this.#annotations, i), `annotations[${i}]`);
    return readAnnotation(fields, size, this.#names, await this.#rule());
  }

  /** By which rule the file's polygons are meant, as its first annotations tell. */
  async #rule(): Promise<FillRule> {
    if (this.#fill !== undefined) return this.#fill;
    const first: JsonValue[] = [];
    const sizes = new Map<Id, Size>();
    for (let i = 0; i < Math.min(64, this.#annotations.count); i++) {
      const { start, end } = this.#annotations.slice(i);
      const value = parseJson(await this.#source.read(start, end - start), this.#source.name);
      first.push(value);
      const image = isObject(value) ? (value["image_id"] as Id) : undefined;
      const place = image === undefined ? undefined : this.#places().get(BigInt(image));
      if (image !== undefined && place !== undefined) sizes.set(image, await this.image(place));
    }
    this.#fill = polygonRule(first, (image) => sizes.get(image));
    return this.#fill;
  }

  async #value(section: Section, i: number): Promise<JsonValue> {
    return new JsonReader(await this.#bytes(section, i), this.#source.name).document();
  }

  async #bytes(section: Section, i: number): Promise<Uint8Array> {
    const changed = section === this.#annotations ? this.#changed.get(i) : undefined;
    if (changed !== undefined) return changed;
    const { start, end } = section.slice(i);
    return this.#source.read(start, end - start);
  }
}
