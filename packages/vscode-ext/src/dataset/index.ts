/**
 * The index of a dataset: its pictures with split, classes and state, in memory for names and counts alone. Objects are read
 * when they are asked for. A file that has changed is read again by itself.
 */
import type { Size } from "@masklet/core";
import {
  type Category,
  checkNames,
  checkObjects,
  checkPicture,
  exifOrientation,
  type Finding,
  imageSize,
  isPicture,
  type LabelledImage,
  type LabelStats,
  PictureNames,
  type ReadFormat,
  StatsCounter,
  turnSize,
  unusedCategories,
} from "@masklet/labels";
import { type FolderFiles, walkFolder } from "./files.ts";
import { cocoImage, LabelSource, type LabelSummary, type SourceOptions, type Unit } from "./source.ts";

/** A picture of the dataset. */
export interface ImageEntry {
  /** Relative to the dataset's folder; of a picture that is not there, as its labels call it. */
  readonly path: string;
  readonly missing: boolean;
  /** Empty where nothing tells it. */
  readonly split: string;
  /** Somebody has looked at it: also where there is nothing. */
  readonly labelled: boolean;
  readonly counts: LabelSummary["counts"];
  readonly objects: number;
  /** What its labels call it, and which file they are in; `undefined` where there are none. */
  readonly named: { readonly file: string; readonly labels: string; readonly unit: string } | undefined;
  readonly frame?: LabelledImage["frame"];
}

export interface IndexProgress {
  readonly step: "files" | "labels" | "check" | "count";
  readonly done: number;
  /** `undefined` while nobody knows. */
  readonly total: number | undefined;
}

export interface IndexOptions extends SourceOptions {
  readonly progress?: (progress: IndexProgress) => void;
}

/** Headers lie before the pixels; previews inside of EXIF are larger than one thinks. */
const headBytes = 2 ** 19;

export class DatasetIndex {
  readonly source: LabelSource;
  readonly #files: FolderFiles;
  #pictures: ReadonlySet<string>;
  readonly #units = new Map<
    string,
    { readonly images: readonly LabelSummary[]; readonly findings: readonly Finding[] }
  >();
  readonly #categories = new Set<string>();
  #entries: readonly ImageEntry[] = [];
  #byPath: ReadonlyMap<string, number> = new Map();
  #names: PictureNames = new PictureNames([]);
  /** Places of a COCO file's images by name. */
  readonly #places = new Map<string, ReadonlyMap<string, number>>();
  /** What was found in each unit, and what else it depends on. */
  readonly #checked = new Map<string, readonly PlacedFinding[]>();
  #checkedIn = "";
  /** How often something has changed. */
  #revision = 0;
  #whole: { readonly unit: string; readonly images: readonly LabelledImage[] } | undefined;

  private constructor(files: FolderFiles, source: LabelSource, pictures: ReadonlySet<string>) {
    this.source = source;
    this.#files = files;
    this.#pictures = pictures;
  }

  /**
   * Indexes a folder. Rejects with a `LabelError` "format-ambiguous", whose details are `{ formats }`, for labels of several
   * formats unless one is wanted; as the signal says; and for a folder that cannot be listed.
   */
  static async build(files: FolderFiles, options: IndexOptions): Promise<DatasetIndex> {
    const { signal, progress } = options;
    const paths = await walkFolder(files, {
      signal,
      found: (done) => progress?.({ step: "files", done, total: undefined }),
    });
    const source = await LabelSource.find(files, paths, options);
    const index = new DatasetIndex(files, source, new Set(paths.filter((path) => isPictureOf(source, path))));
    await index.#read(source.units, options);
    return index;
  }

  get format(): ReadFormat | undefined {
    return this.source.format;
  }

  /** In the order of their paths. */
  get entries(): readonly ImageEntry[] {
    return this.#entries;
  }

  /** In the labels' order. */
  get categories(): readonly string[] {
    return [...this.#categories];
  }

  entry(path: string): ImageEntry | undefined {
    const at = this.#byPath.get(path);
    return at === undefined ? undefined : this.#entries[at];
  }

  /** What was found wrong with the files' syntax while they were read. */
  get findings(): readonly Finding[] {
    return [...this.#units.values()].flatMap(({ findings }) => findings);
  }

  async #read(units: readonly Unit[], { signal, progress }: Pick<IndexOptions, "signal" | "progress">): Promise<void> {
    for (const name of this.source.categories) this.#categories.add(name);
    let done = 0;
    for await (const { unit, images, categories, findings } of this.source.summaries(units, signal)) {
      this.#units.set(unit.key, { images, findings });
      for (const name of categories) this.#categories.add(name);
      done++;
      if (done % 64 === 0 || done === units.length) progress?.({ step: "labels", done, total: units.length });
    }
    this.#relink();
  }

  /** Entries anew from what is known, without reading. */
  #relink(): void {
    this.#names = new PictureNames([...this.#pictures]);
    const { splits } = this.source;
    const entries: ImageEntry[] = [];
    const seen = new Set<string>();
    for (const [unit, { images }] of this.#units) {
      for (const { file, labels, labelled, counts, frame } of images) {
        const found = this.#names.find(file);
        const path = found ?? file;
        if (seen.has(path)) continue; // is said by `check`
        seen.add(path);
        entries.push({
          path,
          missing: found === undefined,
          split: splits.of(path, labels) ?? "",
          labelled,
          counts,
          objects: counts.reduce((sum, [, count]) => sum + count, 0),
          named: { file, labels, unit },
          ...(frame !== undefined && { frame }),
        });
      }
    }
    for (const path of this.#pictures) {
      if (seen.has(path)) continue;
      const split = splits.of(path) ?? "";
      entries.push({ path, missing: false, split, labelled: false, counts: [], objects: 0, named: undefined });
    }
    entries.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
    this.#entries = entries;
    this.#byPath = new Map(entries.map(({ path }, i) => [path, i]));
  }

  /**
   * Takes in that files have changed, come or gone. `false` where the whole folder has to be indexed anew: the files that
   * say what the classes are, or labels of another kind.
   */
  async update(changed: readonly string[], signal: AbortSignal): Promise<boolean> {
    const { source } = this;
    if (changed.some((path) => source.common.includes(path))) return false;
    this.#revision++;
    const units = new Map<string, Unit>();
    const pictures = new Set(this.#pictures);
    for (const path of changed) {
      const there = await this.#isThere(path);
      const unit = source.unitOf(path);
      if (unit !== undefined) {
        units.set(unit.key, unit);
        source.set(unit, there || unit.files.length > 1);
      } else if (isPictureOf(source, path)) {
        if (there) pictures.add(path);
        else pictures.delete(path);
      } else if (source.format === undefined && /\.(json|txt|xml|ya?ml)$/i.test(path)) return false;
    }
    this.#pictures = pictures;
    this.#whole = undefined;
    this.#places.clear();
    const unchecked = (): void => {
      for (const path of changed) this.#checked.delete(this.entry(path)?.named?.unit ?? "");
    };
    unchecked();
    for (const key of units.keys()) {
      this.#units.delete(key);
      this.#checked.delete(key);
    }
    await this.#read(
      [...units.values()].filter(({ key }) => source.unit(key) !== undefined),
      { signal },
    );
    unchecked(); // pictures that were not there before
    return true;
  }

  async #isThere(path: string): Promise<boolean> {
    return this.#files.stat(path).then(
      () => true,
      () => false,
    );
  }

  /** A picture's labels with their objects; `undefined` where there are none. */
  async image(path: string, signal: AbortSignal): Promise<LabelledImage | undefined> {
    const entry = this.entry(path);
    if (entry?.named === undefined) return undefined;
    const { file, labels, unit: key } = entry.named;
    if (this.format === "coco") {
      const coco = await this.source.coco(labels);
      const place = this.#cocoPlace(labels, file);
      return place === undefined ? undefined : cocoImage(coco, place);
    }
    const unit = this.source.unit(key);
    if (unit === undefined) return undefined;
    // Of a file for many pictures the last one is kept, because people look at one picture after the other.
    if (this.#whole?.unit !== key) {
      for await (const { images } of this.source.read([unit], { signal, sizeOf: (name) => this.#sizeOf(name) })) {
        this.#whole = { unit: key, images };
      }
    }
    return this.#whole?.images.find((image) => image.file === file);
  }

  #cocoPlace(labels: string, file: string): number | undefined {
    let places = this.#places.get(labels);
    if (places === undefined) {
      places = new Map((this.#units.get(labels)?.images ?? []).map((image, i) => [image.file, i]));
      this.#places.set(labels, places);
    }
    return places.get(file);
  }

  /** Labels with their objects, a few at a time in memory. */
  async *images(
    signal: AbortSignal,
    units: readonly Unit[] = this.source.units,
  ): AsyncGenerator<LabelledImage & { readonly labels: string; readonly unit: string }, void> {
    if (this.format === "coco") {
      for (const { key: unit, files } of units) {
        const [labels] = files as readonly [string];
        const coco = await this.source.coco(labels);
        for (let i = 0; i < coco.imageCount; i++) {
          signal.throwIfAborted();
          yield { ...(await cocoImage(coco, i)), labels, unit };
        }
      }
      return;
    }
    const options = { signal, sizeOf: (name: string) => this.#sizeOf(name) };
    for await (const { unit, images } of this.source.read(units, options)) {
      for (const image of images) yield { ...image, labels: unit.files[0] as string, unit: unit.key };
    }
  }

  /**
   * What `labels check` says of the dataset, its pictures included. Labels that have not changed since they were checked are
   * not read again.
   */
  async check({ signal, progress }: Pick<IndexOptions, "signal" | "progress">): Promise<readonly PlacedFinding[]> {
    const categories: readonly Category[] = this.categories.map((name) => ({ name }));
    const here = this.#entries.some(({ missing, named }) => named !== undefined && !missing);
    // What is found in one file depends on these of the others.
    const context = `${here} ${categories.length}`;
    if (context !== this.#checkedIn) this.#checked.clear();
    const revision = this.#revision;
    const units = this.source.units.filter(({ key }) => !this.#checked.has(key));
    const found = new Map<string, PlacedFinding[]>(units.map(({ key }) => [key, []]));
    const total = units.reduce((sum, { key }) => sum + (this.#units.get(key)?.images.length ?? 0), 0);
    let done = 0;
    for await (const { labels, unit, ...image } of this.images(signal, units)) {
      const own = found.get(unit) as PlacedFinding[];
      for (const finding of checkObjects({ categories, images: [image] })) {
        const [, index] = /^object (\d+)/.exec(finding.at) ?? [];
        const object = image.objects[Number(index)];
        own.push({ ...finding, labels, ...(object !== undefined && { object }) });
      }
      for (const finding of here ? await this.#checkPicture(image) : []) own.push({ ...finding, labels });
      done++;
      if (done % 64 === 0) progress?.({ step: "check", done, total });
    }
    const all = [...this.#checked.values(), ...found.values()].flat();
    if (revision === this.#revision) {
      for (const [key, findings] of found) this.#checked.set(key, findings);
      this.#checkedIn = context;
    }
    const images = [...this.#units.values()].flatMap((unit) => unit.images);
    const used = new Set(images.flatMap(({ counts }) => counts.flatMap(([category]) => category ?? [])));
    const names = images.map(({ file }) => file);
    const rest = [...checkNames(this.categories, names), ...unusedCategories(categories, used)];
    return [
      ...this.findings.map((finding) => ({ ...finding, labels: finding.file })),
      ...all,
      ...rest.map((finding) => ({ ...finding, labels: this.entry(finding.file)?.named?.labels ?? "" })),
    ];
  }

  async #checkPicture(image: LabelledImage): Promise<readonly Finding[]> {
    const path = this.#names.find(image.file);
    if (path === undefined) {
      return [{ severity: "warning", file: image.file, at: "picture", message: "is not there" }];
    }
    if (this.format === "yolo") return [];
    const head = await this.#head(path);
    const size = imageSize(head);
    return size === undefined ? [] : checkPicture(image, { size, orientation: exifOrientation(head) });
  }

  /** The dataset in numbers. */
  async stats({ signal, progress }: Pick<IndexOptions, "signal" | "progress">): Promise<LabelStats> {
    const counter = new StatsCounter(this.categories);
    const videos = new Set<string>();
    let done = 0;
    for await (const image of this.images(signal)) {
      counter.add(image);
      if (image.frame !== undefined) videos.add(image.frame.video);
      done++;
      if (done % 64 === 0) progress?.({ step: "count", done, total: this.#entries.length });
    }
    for (const { named, path } of this.#entries) {
      if (named !== undefined) continue;
      const { width, height } = (await this.#sizeOf(path)) ?? { width: 0, height: 0 };
      counter.add({ file: path, width, height, objects: [], labelled: false });
    }
    return counter.stats(videos.size);
  }

  /** The size of a picture when it is looked at, by what labels call it. */
  async #sizeOf(file: string): Promise<Size | undefined> {
    const path = this.#names.find(file);
    if (path === undefined) return undefined;
    const head = await this.#head(path);
    const size = imageSize(head);
    return size && turnSize(size, exifOrientation(head));
  }

  async #head(path: string): Promise<Uint8Array> {
    const source = await this.#files.open?.(path);
    if (source === undefined) return this.#files.read(path);
    try {
      return await source.read(0, Math.min(headBytes, source.size));
    } finally {
      await source.close?.();
    }
  }

  close(): void {
    this.source.close();
  }
}

/** A finding with the file that holds the labels, and the object that it is about. */
export interface PlacedFinding extends Finding {
  readonly labels: string;
  readonly object?: LabelledImage["objects"][number];
}

/** Whether a file is one of the dataset's pictures: masks are none. */
function isPictureOf(source: LabelSource, path: string): boolean {
  if (!isPicture(path)) return false;
  if (source.unitOf(path) !== undefined || source.common.includes(path)) return false;
  return !/(^|\/)(Annotations|SegmentationClass|SegmentationObject|masks?|gtFine|gtCoarse|panoptic_[^/]*)\/|_mask\.png$/i.test(
    path,
  );
}
