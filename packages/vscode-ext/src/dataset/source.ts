/**
 * The labels of a folder in pieces that can be read by themselves: a file to a picture where the format has that, else the
 * whole file. Of a COCO file the places of its annotations are known, and they are read when they are asked for.
 */
import { type ByteSource, bytesSource, decodeUtf8, MaskletError, type Size } from "@masklet/core";
import {
  type Category,
  CocoFile,
  type Finding,
  findLabels,
  LabelError,
  type LabelledImage,
  type ReadFormat,
  readLabels,
  yoloClassNames,
  yoloLabelPath,
  yoloSplits,
} from "@masklet/labels";
import { type FolderFiles, labelFiles } from "./files.ts";
import { SplitRules } from "./splits.ts";

/** What an index keeps of a picture's labels. */
export interface LabelSummary {
  /** As the labels name it, relative to the dataset's folder. */
  readonly file: string;
  /** The file that holds them. */
  readonly labels: string;
  readonly labelled: boolean;
  /** Objects by category. */
  readonly counts: readonly (readonly [category: string | undefined, objects: number])[];
  readonly frame?: LabelledImage["frame"];
}

/** Label files that are read together, and by no one else. */
export interface Unit {
  readonly key: string;
  readonly files: readonly string[];
}

/** What is known of a unit's pictures without keeping their objects. */
export interface UnitSummary {
  readonly unit: Unit;
  readonly images: readonly LabelSummary[];
  readonly categories: readonly string[];
  readonly findings: readonly Finding[];
}

export interface UnitOptions {
  readonly signal: AbortSignal;
  /** Sizes of pictures as labels name them, for formats that do not tell them. */
  readonly sizeOf: (file: string) => Promise<Size | undefined> | Size | undefined;
}

export interface UnitRead {
  readonly unit: Unit;
  readonly images: readonly LabelledImage[];
  readonly categories: readonly Category[];
  readonly findings: readonly Finding[];
}

/** JSON that is larger is COCO's, or nothing: no other format is read in places. */
const largeJson = 64 * 2 ** 20;
/** YOLO's files that are read at once. */
const together = 256;

export interface SourceOptions {
  readonly signal: AbortSignal;
  /** The file that the dataset was opened by. */
  readonly file?: string;
  readonly format?: ReadFormat;
}

/** Which files of a folder are its labels. */
export class LabelSource {
  readonly format: ReadFormat | undefined;
  readonly splits: SplitRules;
  /** Files that every unit is read with: lists of classes. */
  readonly common: readonly string[];
  readonly #units: Map<string, Unit>;
  readonly #files: FolderFiles;
  readonly #coco = new Map<string, { readonly version: string; readonly file: Promise<CocoFile>; close(): void }>();
  /** By the file, so that a change of one is a change of its unit. */
  readonly #unitOf = new Map<string, Unit>();
  /** Categories that are told without reading the units. */
  readonly categories: readonly string[];

  private constructor(
    files: FolderFiles,
    format: ReadFormat | undefined,
    units: readonly Unit[],
    common: readonly string[],
    categories: readonly string[],
    splits: SplitRules,
  ) {
    this.format = format;
    this.splits = splits;
    this.common = common;
    this.categories = categories;
    this.#files = files;
    this.#units = new Map(units.map((unit) => [unit.key, unit]));
    for (const unit of units) for (const file of unit.files) this.#unitOf.set(file, unit);
  }

  /**
   * Looks for labels among `paths`. None are no error: a folder of pictures that nobody has labelled. Rejects with a
   * `LabelError`: "format-ambiguous" where there are several formats and none is wanted, its details `{ formats }`.
   */
  static async find(files: FolderFiles, paths: readonly string[], options: SourceOptions): Promise<LabelSource> {
    const { signal, file, format: wanted } = options;
    const large = new Set<string>();
    for (const path of paths) {
      if (!/\.json$/i.test(path)) continue;
      signal.throwIfAborted();
      if ((await files.stat(path)).size > largeJson) large.add(path);
    }
    const byFormat = new Map<ReadFormat, string[]>();
    for (const path of large) put(byFormat, "coco", path);
    try {
      const small = paths.filter((path) => !large.has(path));
      for (const found of await findLabels(labelFiles(files, small, signal))) {
        for (const path of found.paths) put(byFormat, found.format, path);
      }
    } catch (error) {
      const none = error instanceof LabelError && error.code === "format-unknown";
      if (!none) throw error;
    }
    const formats = [...byFormat.keys()].filter(
      (one) =>
        (wanted === undefined || one === wanted) &&
        (file === undefined || byFormat.get(one)?.includes(file) === true || byFormat.size === 1),
    );
    // Results are of the instances beside them, and do not make these ambiguous.
    const fitting = formats.length > 1 ? formats.filter((one) => one !== "coco-results") : formats;
    if (fitting.length > 1) {
      throw new LabelError("format-ambiguous", `several kinds of labels are there: ${fitting.join(", ")}; choose one`, {
        details: { formats: fitting },
      });
    }
    const [format] = fitting;
    const splits = new SplitRules();
    await readImageSets(files, paths, splits, signal);
    if (format === undefined) return new LabelSource(files, undefined, [], [], [], splits);
    const own = (byFormat.get(format) as string[]).filter(
      (path) => file === undefined || path === file || format !== "coco",
    );
    if (format === "labelme" || format === "sa1b") own.push(...(await brokenJson(files, paths, byFormat, signal)));
    const { units, common } = unitsOf(format, own, paths, file);
    const categories = format === "yolo" ? await yoloRules(files, common, paths, splits) : [];
    return new LabelSource(files, format, units, common, categories, splits);
  }

  get units(): readonly Unit[] {
    return [...this.#units.values()];
  }

  unit(key: string): Unit | undefined {
    return this.#units.get(key);
  }

  /** The unit that a file belongs to; of a new file the one it would make, where the format has a file to a picture. */
  unitOf(file: string): Unit | undefined {
    return this.#unitOf.get(file) ?? this.#newUnit(file);
  }

  #newUnit(file: string): Unit | undefined {
    if (this.format === undefined || !perPicture.has(this.format)) return undefined;
    const [unit] = unitsOf(this.format, isLabelOf(this.format, file) ? [file] : [], [file], undefined).units;
    return unit;
  }

  /** Takes a unit in, or drops it where none of its files is there any more. */
  set(unit: Unit, isThere: boolean): void {
    if (isThere) this.#units.set(unit.key, unit);
    else this.#units.delete(unit.key);
    for (const file of unit.files) {
      if (isThere) this.#unitOf.set(file, unit);
      else this.#unitOf.delete(file);
    }
  }

  /** Units with what is known of them, as they are read. A unit that cannot be read is one with an error among its findings. */
  async *summaries(units: readonly Unit[], signal: AbortSignal): AsyncGenerator<UnitSummary, void> {
    // Counting needs no sizes: YOLO's pictures need not be opened for it.
    const sizeOf = (): Size => ({ width: 1000, height: 1000 });
    if (this.format === "coco") {
      for (const unit of units) {
        signal.throwIfAborted();
        yield { unit, ...(await this.#cocoSummaries(unit)) };
      }
      return;
    }
    for await (const { unit, images, categories, findings } of this.read(units, { signal, sizeOf })) {
      const file = unit.files[0] as string;
      const names = categories.map(({ name }) => name);
      yield { unit, images: images.map((image) => summaryOf(image, file)), categories: names, findings };
    }
  }

  /** Units with their objects, one after the other. What makes no sense is left out and among the findings, be it a whole unit. */
  async *read(units: readonly Unit[], options: UnitOptions): AsyncGenerator<UnitRead, void> {
    if (this.format !== "yolo") {
      for (const unit of units) yield this.#readOne(unit, options);
      return;
    }
    // Classes are read once for many of YOLO's files, which take less time than they do.
    for (let at = 0; at < units.length; at += together) {
      const some = units.slice(at, at + together);
      const read = some.length === 1 ? undefined : await this.#readTogether(some, options);
      if (read !== undefined) yield* read;
      else for (const unit of some) yield this.#readOne(unit, options);
    }
  }

  /** `undefined` where one of them cannot be read. */
  async #readTogether(
    units: readonly Unit[],
    { signal, sizeOf }: UnitOptions,
  ): Promise<readonly UnitRead[] | undefined> {
    const paths = [...units.flatMap(({ files }) => files), ...this.common];
    try {
      const { dataset, findings } = await readLabels(labelFiles(this.#files, paths, signal), {
        format: "yolo",
        problems: "collect",
        imageSize: sizeOf,
      });
      const images = new Map(dataset.images.map((image) => [yoloLabelPath(image.file), image]));
      return units.map((unit) => {
        const image = images.get(unit.key);
        const own = findings.filter(({ file }) => file === unit.key);
        return { unit, images: image === undefined ? [] : [image], categories: dataset.categories, findings: own };
      });
    } catch {
      signal.throwIfAborted();
      return undefined;
    }
  }

  async #readOne(unit: Unit, { signal, sizeOf }: UnitOptions): Promise<UnitRead> {
    const { format } = this;
    if (format === undefined) return { unit, images: [], categories: [], findings: [] };
    signal.throwIfAborted();
    const [file] = unit.files as readonly [string];
    try {
      if (format === "coco") {
        const coco = await this.coco(file);
        const images: LabelledImage[] = [];
        for (let i = 0; i < coco.imageCount; i++) {
          signal.throwIfAborted();
          images.push(await cocoImage(coco, i));
        }
        return { unit, images, categories: coco.categories.map((name) => ({ name })), findings: [] };
      }
      const paths = [...new Set([...unit.files, ...this.common])];
      const { dataset, findings } = await readLabels(labelFiles(this.#files, paths, signal), {
        format,
        ...(wholeFile.has(format) && { path: file }),
        problems: "collect",
        imageSize: sizeOf,
      });
      return { unit, images: dataset.images, categories: dataset.categories, findings };
    } catch (error) {
      signal.throwIfAborted();
      return { unit, images: [], categories: [], findings: [unreadable(error, file)] };
    }
  }

  /** A COCO file, indexed once and again when it has changed. */
  async coco(path: string): Promise<CocoFile> {
    const { size, mtime } = await this.#files.stat(path);
    const version = `${size} ${mtime}`;
    const known = this.#coco.get(path);
    if (known?.version === version) return known.file;
    known?.close();
    let source: ByteSource | undefined;
    const open = async (): Promise<CocoFile> => {
      source = (await this.#files.open?.(path)) ?? bytesSource(await this.#files.read(path), path);
      return CocoFile.open(source);
    };
    const file = open();
    this.#coco.set(path, { version, file, close: () => void source?.close?.() });
    try {
      return await file;
    } catch (error) {
      this.#coco.delete(path);
      await source?.close?.();
      throw error;
    }
  }

  async #cocoSummaries(
    unit: Unit,
  ): Promise<{ images: LabelSummary[]; categories: readonly string[]; findings: Finding[] }> {
    const [path] = unit.files as readonly [string];
    try {
      const coco = await this.coco(path);
      const images: LabelSummary[] = [];
      let i = 0;
      for (const counts of coco.counts()) {
        const { file } = await coco.image(i++);
        images.push({ file: file.replaceAll("\\", "/"), labels: path, labelled: true, counts: [...counts] });
      }
      return { images, categories: coco.categories, findings: [] };
    } catch (error) {
      return { images: [], categories: [], findings: [unreadable(error, path)] };
    }
  }

  close(): void {
    for (const { close } of this.#coco.values()) close();
    this.#coco.clear();
  }
}

/** An image of a COCO file with its objects. */
export async function cocoImage(coco: CocoFile, index: number): Promise<LabelledImage> {
  const image = await coco.image(index);
  const objects = (await coco.objectsOf(image.id)).map(({ object }) => object);
  return { ...image, file: image.file.replaceAll("\\", "/"), objects, labelled: true };
}

/** JSON that is no format's because it is malformed: among files of one to a picture it is most likely one of them. */
async function brokenJson(
  files: FolderFiles,
  paths: readonly string[],
  found: ReadonlyMap<ReadFormat, readonly string[]>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const known = new Set([...found.values()].flat());
  const broken: string[] = [];
  for (const path of paths) {
    if (!/\.json$/i.test(path) || known.has(path)) continue;
    try {
      await findLabels(labelFiles(files, [path], signal));
    } catch (error) {
      if (!(error instanceof LabelError)) throw error;
      if (error.code === "json-malformed") broken.push(path);
    }
  }
  return broken;
}

/** Formats with label files of their own for each picture, or for each video. */
const perPicture: ReadonlySet<ReadFormat> = new Set([
  "cityscapes",
  "davis",
  "labelme",
  "labelme-xml",
  "sa1b",
  "voc",
  "yolo",
]);
/** Formats whose one file is named to the reader, because others like it may lie beside. */
const wholeFile: ReadonlySet<ReadFormat> = new Set(["coco-panoptic", "coco-results", "cvat", "label-studio", "sav"]);

function unitsOf(
  format: ReadFormat,
  own: readonly string[],
  paths: readonly string[],
  file: string | undefined,
): { readonly units: readonly Unit[]; readonly common: readonly string[] } {
  const each = (files: readonly string[]): Unit[] => files.map((one) => ({ key: one, files: [one] }));
  const grouped = (files: readonly string[], key: (path: string) => string): Unit[] => {
    const groups = new Map<string, string[]>();
    for (const path of files) put(groups, key(path), path);
    return Array.from(groups, ([name, members]) => ({ key: name, files: members }));
  };
  switch (format) {
    case "yolo": {
      const classes = /\.ya?ml$|(^|\/)(obj\.data|obj\.names|classes\.txt)$/i;
      const common =
        file === undefined
          ? paths.filter((path) => classes.test(path))
          : [file, ...paths.filter((path) => path !== file && !/\.ya?ml$/i.test(path) && classes.test(path))];
      return { units: each(paths.filter((path) => isLabelOf(format, path))), common };
    }
    case "voc": {
      const common = paths.filter((path) => /(^|\/)labelmap\.txt$/.test(path));
      const maps = own.filter((path) => /\.png$/i.test(path));
      const classes = new Set(paths);
      if (maps.length === 0) return { units: each(own), common };
      const units = maps.map((path) => {
        const other = path.replace("SegmentationObject", "SegmentationClass");
        return { key: path, files: classes.has(other) ? [path, other] : [path] };
      });
      return { units, common };
    }
    case "davis":
      return { units: grouped(own, (path) => path.slice(0, path.lastIndexOf("/"))), common: [] };
    case "cityscapes":
      return { units: grouped(own, (path) => path.replace(/_(polygons\.json|instanceIds\.png)$/, "")), common: [] };
    case "labelme":
    case "labelme-xml":
    case "sa1b":
      return { units: each(own), common: [] };
    case "coco-panoptic": {
      const maps = paths.filter((path) => /\.png$/i.test(path));
      return { units: each(own), common: maps };
    }
    case "coco-results":
      return { units: each(own), common: paths.filter((path) => /\.json$/i.test(path) && !own.includes(path)) };
    case "mots":
      return {
        units: [{ key: own[0] as string, files: own }],
        common: paths.filter((path) => /\.(png|txt)$/i.test(path)),
      };
    default:
      return { units: each(own), common: [] };
  }
}

/** Text files beside YOLO's labels that are none. */
const otherText =
  /^(train|val|valid|validation|test|classes|labels|readme.*|requirements|notes|label_colors|labelmap)\.txt$/i;

function isLabelOf(format: ReadFormat, path: string): boolean {
  const name = path.slice(path.lastIndexOf("/") + 1);
  switch (format) {
    case "yolo":
      return /\.txt$/i.test(name) && !otherText.test(name);
    case "labelme":
    case "sa1b":
      return /\.json$/i.test(name);
    case "labelme-xml":
      return /\.xml$/i.test(name);
    case "voc":
      return /\.xml$/i.test(name) || /(^|\/)SegmentationObject\/.*\.png$/i.test(path);
    case "davis":
      return /(^|\/)Annotations\/.*\/\d+\.png$/.test(path);
    case "cityscapes":
      return /_gt(Fine|Coarse)_(polygons\.json|instanceIds\.png)$/.test(path);
    default:
      return false;
  }
}

async function yoloRules(
  files: FolderFiles,
  common: readonly string[],
  paths: readonly string[],
  splits: SplitRules,
): Promise<readonly string[]> {
  const there = new Set(paths);
  for (const path of common) {
    if (!/\.ya?ml$/i.test(path)) continue;
    const text = decodeUtf8(await files.read(path)) ?? "";
    if (!/^\s*names\s*:/m.test(text)) continue;
    const folder = path.slice(0, path.lastIndexOf("/") + 1);
    for (const [split, sources] of yoloSplits(text, path)) {
      for (const source of sources) {
        const clean = source.replaceAll("\\", "/").replace(/^(\.\.?\/)+/, "");
        if (/\.txt$/i.test(clean)) {
          const list = [folder + clean, clean].find((one) => there.has(one));
          if (list !== undefined) splits.list(decodeUtf8(await files.read(list)) ?? "", split);
        } else splits.folder(folder + clean, split);
      }
    }
    return yoloClassNames(text, path);
  }
  return [];
}

/** VOC's and DAVIS's lists of names. */
async function readImageSets(
  files: FolderFiles,
  paths: readonly string[],
  splits: SplitRules,
  signal: AbortSignal,
): Promise<void> {
  for (const path of paths) {
    const [, split] = /(?:^|\/)ImageSets\/(?:.*\/)?(train|val|test)\.txt$/.exec(path) ?? [];
    if (split === undefined) continue;
    signal.throwIfAborted();
    splits.list(decodeUtf8(await files.read(path)) ?? "", split);
  }
}

function summaryOf({ file, labelled, objects, frame }: LabelledImage, labels: string): LabelSummary {
  const counts = new Map<string | undefined, number>();
  for (const { category } of objects) counts.set(category, (counts.get(category) ?? 0) + 1);
  return { file, labels, labelled, counts: [...counts], ...(frame !== undefined && { frame }) };
}

/** Why a whole file is of no use. */
function unreadable(error: unknown, file: string): Finding {
  if (!(error instanceof Error)) throw error;
  const details =
    error instanceof MaskletError ? (error.details as { readonly file?: string; readonly at?: unknown }) : {};
  const at = details.at === undefined ? "" : `byte ${details.at}`;
  return { severity: "error", file: details.file ?? file, at, message: error.message };
}

function put<K>(map: Map<K, string[]>, key: K, value: string): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
