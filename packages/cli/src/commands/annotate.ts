/** `masklet annotate`: pictures in, a dataset of masks out. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import {
  type ImagePredictorOptions,
  MaskletError,
  type Sam2,
  type Size,
  systemReason,
  writeFileAtomic,
} from "@masklet/core/node";
import { type Dataset, hasMask, type LabelledImage, type Loss } from "@masklet/labels";
import { type BoxProposer, DetectedBoxes, LabelBoxes, masksOfBoxes } from "../annotate/boxes.ts";
import { type Annotated, datasetOf } from "../annotate/dataset.ts";
import { masksOfEverything } from "../annotate/everything.ts";
import { AnnotateFolder, askedOf, type PictureRecord } from "../annotate/folder.ts";
import { findItems, type Item, matchItems } from "../annotate/items.ts";
import type { Outcome } from "../annotate/outcome.ts";
import { Sheet } from "../annotate/sheet.ts";
import { describeError, type ExitCode, type Host, print } from "../host.ts";
import { turnedSize } from "../labels/pictures.ts";
import { openLabels, readOptions, readSettings } from "../labels/read.ts";
import {
  checkFiles,
  lossTable,
  placeOf,
  type Target,
  writeFiles,
  writeOptions,
  writeSettings,
  written,
} from "../labels/write.ts";
import {
  computeOptions,
  type ModelSettings,
  maskOptions,
  maskSettings,
  maxPixelsOf,
  modelSettings,
  otherOptions,
} from "../model-options.ts";
import { withModel } from "../models.ts";
import { Progress } from "../progress.ts";
import { type DetectorWork, detectorOptions, detectorWork, openDetector } from "../segment/detected.ts";
import { type EverythingWork, everythingOptions, everythingWork } from "../segment/everything.ts";
import type { CommonWork } from "../segment/segmenter.ts";
import { choicesOption, count, type Help, numberOption, parsing, renderHelp, UsageError } from "../usage.ts";
import { version } from "../version.ts";

const whatOptions = {
  "boxes-from": {
    type: "string",
    value: "LABELS",
    help: "Labels of the pictures, in any format: each box becomes a mask, and keeps its class, id and all else.",
  },
  remask: { type: "boolean", help: "With --boxes-from: objects that have masks get new ones of their boxes, too." },
  category: {
    type: "string",
    value: "NAME",
    help: "With --everything: the class of all, in formats that need one. Default: object.",
  },
  ...readOptions,
  every: { type: "string", value: "N", help: "Of a video take every Nth frame. Default 1." },
} as const;

// The same part of each picture is seldom meant.
const { region: _region, known: _known, ...automaticOptions } = everythingOptions;

const outputOptions = {
  output: {
    type: "string",
    short: "o",
    value: "DIR",
    help: "Where the labels go; for formats of one file also that file.",
  },
  "out-format": {
    type: "string",
    value: "FORMAT",
    help: "What to write: coco, the default, yolo or another of those of masklet convert.",
  },
  ...writeOptions,
  sheet: {
    type: "string",
    multiple: true,
    value: "LIST",
    help: "Draw a contact sheet, too, to look at: html, png or both.",
  },
  report: { type: "string", value: "FILE", help: "Write what was done as JSON." },
  json: { type: "boolean", help: "Print what was done as JSON." },
} as const;

const runOptions = {
  shard: {
    type: "string",
    value: "I/N",
    help: "Do the Ith of N parts of the pictures, 1/N to N/N: for several processes at once with one -o. Whichever ends last writes the labels.",
  },
  limit: { type: "string", value: "N", help: "Annotate N pictures at most, and leave the others for the next run." },
  overwrite: { type: "boolean", help: "Begin anew, and replace labels that are there." },
} as const;

const findOptions = { ...computeOptions, ...maskOptions } as const;

const options = {
  ...whatOptions,
  ...automaticOptions,
  ...detectorOptions,
  ...outputOptions,
  ...runOptions,
  ...findOptions,
  ...otherOptions,
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof options }>>["values"];

const help: Help = {
  usage: "masklet annotate SOURCE... (--boxes-from LABELS | --detector ONNX | --everything) -o DIR [options]",
  about: `Make labels with masks of many pictures: of boxes that one has or that a detector finds, or of everything
that shows.

SOURCE is a folder of pictures, with those below it; a pattern such as "photos/*.jpg"; a list of paths, a line each (.txt);
labels, whose pictures are meant (data.yaml, COCO's JSON); or a video, whose frames are (needs ffmpeg).`,
  sections: {
    "What to annotate": whatOptions,
    Everything: automaticOptions,
    Detectors: detectorOptions,
    "What to write": outputOptions,
    "How much of it": runOptions,
    "How to find it": findOptions,
    Others: otherOptions,
  },
  notes: `A run that was stopped, in whatever way, goes on when the same command is given again; a finished one has nothing to do, and
writes the same. Each picture's result is kept in DIR/.annotate until you delete it. Pictures that are new, changed, or whose
boxes changed are annotated, the others are not again.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 some pictures failed, 130 interrupted.`,
  examples: [
    "masklet annotate images --boxes-from instances.json -o masks",
    "masklet annotate data.yaml --boxes-from data.yaml -o masks --out-format yolo --min-iou 0.98 --sheet html",
    'masklet annotate "photos/*.jpg" --everything --out-format sa1b -o masks',
    "masklet annotate images --detector yolo11n.onnx --conf 0.4 --out-format yolo -o masks",
    "masklet annotate images --boxes-from instances.json -o masks --shard 1/2",
  ],
};

/** What masks are made of. */
type What =
  | { readonly kind: "boxes"; readonly labels: string; readonly again: boolean }
  | {
      readonly kind: "everything";
      readonly work: EverythingWork;
      readonly category: string | undefined;
      /** The options that were given. */
      readonly given: object;
    }
  | { readonly kind: "detector"; readonly work: DetectorWork; readonly given: object };

/** A command line, understood. */
interface Job extends ModelSettings {
  readonly sources: readonly string[];
  readonly what: What;
  readonly read: ReturnType<typeof readSettings>;
  readonly every: number;
  readonly folder: string;
  readonly target: Target;
  readonly sheets: readonly ("html" | "png")[];
  readonly report: string | undefined;
  readonly json: boolean;
  readonly shard: readonly [index: number, of: number];
  readonly limit: number;
  readonly overwrite: boolean;
  readonly predictor: ImagePredictorOptions;
  readonly maxPixels: number | undefined;
  readonly quiet: boolean;
}

/** Formats of objects that are followed through a video, as labels alone may have them. */
const followed: ReadonlySet<string> = new Set(["sav", "davis", "cvat-video"]);

async function understand(values: Values, sources: readonly string[]): Promise<Job> {
  if (sources.length === 0) throw new UsageError("needs a SOURCE: a folder, pattern, list, labels or video");
  const { output } = values;
  if (output === undefined) throw new UsageError("needs -o DIR: where the labels go");
  const wanted = writeSettings("--out-format", values["out-format"] ?? "coco", values);
  const maxPixels = maxPixelsOf(values);
  const predictor = { ...maskSettings(values), ...(maxPixels !== undefined && { maxPixels }) };
  return {
    sources,
    what: await whatOf(values, { predictor, maxPixels, format: wanted.format }),
    read: readSettings(values),
    every: numberOption("--every", values.every, { min: 1, integer: true }) ?? 1,
    ...placeOf(output, wanted),
    sheets: values.sheet === undefined ? [] : choicesOption("--sheet", values.sheet, ["html", "png"]),
    report: values.report,
    json: values.json ?? false,
    shard: shardOption(values.shard ?? "1/1"),
    limit: numberOption("--limit", values.limit, { min: 1, integer: true }) ?? Number.POSITIVE_INFINITY,
    overwrite: values.overwrite ?? false,
    predictor,
    maxPixels,
    quiet: values.quiet ?? false,
    ...modelSettings(values),
  };
}

/** Rejects with a `UsageError` unless one thing is asked for, with its own options alone. */
async function whatOf(values: Values, { format, ...common }: CommonWork & { readonly format: string }): Promise<What> {
  const given = (names: readonly string[]): readonly string[] =>
    names.filter((name) => ![undefined, false].includes(values[name as keyof Values] as undefined));
  const ways = given(["boxes-from", "everything", "detector", "text"]);
  const [way, ...others] = ways;
  if (way === undefined || others.length > 0) {
    throw new UsageError(
      "needs one of --boxes-from LABELS, --detector ONNX, --text WORDS and --everything: what to make masks of",
    );
  }
  const boxesFrom = values["boxes-from"];
  const owners: Readonly<Record<string, readonly string[]>> = {
    "--boxes-from": way === "boxes-from" ? [] : ["remask"],
    "--everything": way === "everything" ? [] : ["category", ...Object.keys(automaticOptions)],
    "--detector": way === "detector" || way === "text" ? [] : Object.keys(detectorOptions),
  };
  for (const [owner, names] of Object.entries(owners)) {
    const [unused] = given(names);
    if (unused !== undefined) throw new UsageError(`--${unused} is for ${owner}, which is not given`);
  }
  if (way !== "boxes-from" && followed.has(format)) {
    throw new UsageError(
      `--out-format ${format} holds objects that are followed through a video, and --${way} finds those of each frame by itself: masklet track follows them`,
    );
  }
  if (boxesFrom !== undefined) return { kind: "boxes", labels: boxesFrom, again: values.remask ?? false };
  const asGiven = (names: object): object =>
    Object.fromEntries(given(Object.keys(names)).map((name) => [name, values[name as keyof Values]]));
  if (way !== "everything") {
    const work = await detectorWork(values, { ...common, refine: 0 });
    return { kind: "detector", work, given: asGiven(detectorOptions) };
  }
  const [area] = given(["max-hole-area", "max-speck-area"]);
  if (area !== undefined) throw new UsageError(`--${area} is not for --everything: give --min-mask-region-area`);
  const work = await everythingWork(values, { ...common, boxFormat: "xyxy" });
  // SA-1B has no classes.
  const category = format === "sa1b" ? values.category : (values.category ?? "object");
  return { kind: "everything", work, category, given: asGiven(automaticOptions) };
}

function shardOption(text: string): readonly [number, number] {
  const [, index, of] = (/^(\d{1,6})\/(\d{1,6})$/.exec(text) ?? []).map(Number);
  if (index !== undefined && of !== undefined && index >= 1 && index <= of) return [index, of];
  throw new UsageError(`--shard takes I/N with I from 1 to N, got "${text}"`);
}

export async function annotate(args: readonly string[], host: Host): Promise<ExitCode> {
  const { values, positionals } = parsing(options, args, (given) =>
    parseArgs({ args: given, options, allowPositionals: true }),
  );
  if (values.help === true) {
    await print(host, renderHelp(help));
    return 0;
  }
  const job = await understand(values, positionals);
  const progress = new Progress(host, job.quiet);
  const { maxPixels, every, read } = job;
  const images = read.images === undefined ? {} : { images: read.images };
  const items = await findItems(job.sources, { maxPixels, every, signal: host.signal, ...images });
  try {
    return await new Run(job, host, progress).perform(items.list);
  } finally {
    progress.clear();
    await items.close();
  }
}

/** What of an item is decided before the model sees it. */
interface Task {
  readonly item: Item;
  readonly image: LabelledImage | undefined;
  /** Of what it is asked; `undefined` where that is nothing. */
  readonly asked: string | undefined;
}

/** What was done, as JSON. */
interface Report {
  readonly version: string;
  /** Which model made the masks: its name and its checkpoint's hash. Nothing where none has run. */
  readonly model?: unknown;
  readonly pictures: number;
  /** By this run. */
  readonly annotated: number;
  readonly failed: readonly { readonly file: string; readonly code: string; readonly message: string }[];
  /** Pictures that nobody has annotated yet: other shards', or beyond --limit. */
  readonly left: number;
  /** Images of the labels whose pictures are not among SOURCE's: they are left out. */
  readonly withoutPicture: readonly string[];
  /** The following of labels that were written. */
  readonly format?: string;
  readonly folder?: string;
  readonly files?: number;
  readonly objects?: number;
  readonly masks?: number;
  readonly losses?: readonly Loss[];
}

class Run {
  readonly #job: Job;
  readonly #host: Host;
  readonly #progress: Progress;
  /** What --boxes-from read. */
  #base: Dataset = { categories: [], images: [] };
  readonly #readFiles: string[] = [];

  constructor(job: Job, host: Host, progress: Progress) {
    this.#job = job;
    this.#host = host;
    this.#progress = progress;
  }

  async perform(items: readonly Item[]): Promise<ExitCode> {
    const { folder, overwrite, shard, limit, json, report: reportFile } = this.#job;
    const images = await this.#labelsOf(items);
    const { what } = this.#job;
    const boxes = what.kind === "boxes" ? new LabelBoxes(images, what) : undefined;
    const tasks: Task[] = [];
    for (const item of items) {
      const asked = boxes === undefined ? {} : boxes.asked(item);
      tasks.push({
        item,
        image: images.get(item),
        asked: asked === undefined ? undefined : await askedOf(item, asked),
      });
    }
    await this.#checkOutput(tasks);
    const state = await AnnotateFolder.open(folder, await this.#settings(), { overwrite });
    const own = tasks.filter(({ asked }) => asked !== undefined).filter((_, i) => i % shard[1] === shard[0] - 1);
    const open: Task[] = [];
    for (const task of own) {
      const record = await state.read(task.item, task.asked as string);
      // What failed may have been mended.
      if (record === undefined || "error" in record) open.push(task);
    }
    const todo = open.slice(0, limit);
    if (todo.length > 0) {
      const { quiet } = this.#job;
      await withModel(this.#job, { host: this.#host, progress: this.#progress, quiet }, async (model, facts) => {
        await state.checkModel(await facts);
        await this.#annotate(todo, boxes, model, state);
      });
    }
    if (what.kind === "detector") {
      this.#base = { categories: (await state.classes()).map((name) => ({ name })), images: [] };
    }
    const done = await this.#finish(tasks, state, todo.length);
    const taken = new Set(images.values());
    const withoutPicture = this.#base.images.filter((image) => !taken.has(image)).map(({ file }) => file);
    const made = await state.model();
    const report: Report = {
      version,
      ...(made !== undefined && { model: made }),
      pictures: items.length,
      ...done,
      withoutPicture,
    };
    if (json) await print(this.#host, `${JSON.stringify(report)}\n`);
    if (reportFile !== undefined) await writeFileAtomic(reportFile, `${JSON.stringify(report, undefined, 2)}\n`);
    this.#summarize(report);
    const failed = report.failed.length;
    if (failed === 0) return 0;
    return failed === items.length ? 1 : 3;
  }

  async #labelsOf(items: readonly Item[]): Promise<ReadonlyMap<Item, LabelledImage>> {
    const { what, read } = this.#job;
    if (what.kind !== "boxes") return new Map();
    const labels = await openLabels(what.labels, read, this.#host.signal);
    this.#base = labels.dataset;
    this.#readFiles.push(...labels.read);
    const matched = matchItems(items, labels.dataset.images);
    const { images } = labels.dataset;
    if (matched.size === 0 && images.length > 0) {
      const none = `none of ${count(images.length, "image")} of the labels (${images[0]?.file} first)`;
      throw new UsageError(
        `${what.labels}: ${none} is among SOURCE's pictures (${items[0]?.file} first): are they other pictures' labels?`,
      );
    }
    return matched;
  }

  /** What must be the same when a run goes on, by the options' names. */
  async #settings(): Promise<object> {
    const { what, predictor, model, dtype, backend } = this.#job;
    const common = {
      ...{ model, dtype, backend: backend.name, "mask-threshold": predictor.maskThreshold },
      ...{ "max-hole-area": predictor.maxHoleArea, "max-speck-area": predictor.maxSpeckArea },
    };
    switch (what.kind) {
      case "boxes":
        return { ...common, "boxes-from": true, remask: what.again };
      case "everything":
        return { ...common, "points-per-side": "32", ...what.given, everything: true, category: what.category ?? null };
      case "detector": {
        const { source } = what.work;
        // By its content: another training has the same name.
        const detector = source.kind === "onnx" ? { detector: await fileDigest(source.path) } : {};
        return { ...common, ...what.given, ...detector };
      }
    }
  }

  /** What is wrong with the names of the results is said before hours of work. */
  async #checkOutput(tasks: readonly Task[]): Promise<void> {
    const { folder, target, overwrite, sheets } = this.#job;
    const images = tasks.map(({ item, image }): LabelledImage => {
      const frame = item.frame === undefined ? {} : { frame: item.frame };
      return { file: item.file, width: 1, height: 1, ...frame, ...image, objects: [], labelled: true };
    });
    const { files } = written({ ...this.#base, images }, target);
    const begun = await AnnotateFolder.isBegun(folder);
    const drawn = sheets.map((sheet) => ({ path: `contact-sheet.${sheet}`, bytes: async () => new Uint8Array(0) }));
    const read = [...this.#readFiles, ...tasks.map(({ item }) => item.path)];
    await checkFiles([...files, ...drawn], folder, { overwrite: overwrite || begun, read });
  }

  async #annotate(
    todo: readonly Task[],
    boxes: BoxProposer | undefined,
    model: Sam2,
    state: AnnotateFolder,
  ): Promise<void> {
    const { what, predictor, backend } = this.#job;
    const { signal } = this.#host;
    const detector = what.kind === "detector" ? await openDetector(what.work, backend) : undefined;
    const items = todo.map(({ item }) => item);
    const asked = new Map(todo.map((task) => [task.item, task.asked as string]));
    if (detector?.labels !== undefined) await state.keepClasses(detector.labels);
    const proposer = detector === undefined ? boxes : new DetectedBoxes(detector);
    const outcomes =
      what.kind === "everything"
        ? masksOfEverything(model, items, { ...what, signal })
        : masksOfBoxes(model, items, proposer as BoxProposer, { predictor, signal });
    // Writing overlaps with what the model does next, a few files at a time.
    const writing = new Set<Promise<void>>();
    let failure: { readonly error: unknown } | undefined;
    let done = 0;
    try {
      this.#progress.show(`0 of ${todo.length} ${items[0]?.file}`);
      for await (const outcome of outcomes) {
        if (failure !== undefined) break;
        const record = this.#recordOf(outcome, asked.get(outcome.item) as string);
        const write: Promise<void> = state
          .write(outcome.item, record)
          .catch((error: unknown) => {
            failure ??= { error };
          })
          .finally(() => writing.delete(write));
        writing.add(write);
        if (writing.size >= 4) await Promise.race(writing);
        done++;
        this.#progress.show(`${done} of ${todo.length}${done < todo.length ? ` ${items[done]?.file}` : ""}`);
      }
    } finally {
      await Promise.all(writing);
      await detector?.dispose();
    }
    if (failure !== undefined) throw failure.error;
  }

  #recordOf(outcome: Outcome, asked: string): PictureRecord {
    const { file, path } = outcome.item;
    if (!("error" in outcome)) return { file, asked, size: outcome.size, objects: outcome.objects };
    const { error } = outcome;
    this.#host.signal.throwIfAborted();
    const told = describeError(error);
    this.#progress.clear();
    this.#host.stderr.write(`masklet annotate: ${told.startsWith(path) ? told : `${path}: ${told}`}\n`);
    const code = error instanceof MaskletError ? error.code : "unexpected";
    return { file, asked, error: { code, message: error instanceof Error ? error.message : String(error) } };
  }

  /** Writes the labels once every picture has been annotated. */
  async #finish(
    tasks: readonly Task[],
    state: AnnotateFolder,
    ours: number,
  ): Promise<Omit<Report, "version" | "pictures" | "withoutPicture">> {
    const { signal } = this.#host;
    const annotated: Annotated[] = [];
    const failed: { file: string; code: string; message: string }[] = [];
    let left = 0;
    for (const { item, image, asked } of tasks) {
      signal.throwIfAborted();
      const record = asked === undefined ? undefined : await state.read(item, asked);
      if (asked !== undefined && record === undefined) left++;
      if (record !== undefined && "error" in record) failed.push({ file: item.file, ...record.error });
      if (left > 0) continue;
      const size = image ?? (record !== undefined && "size" in record ? record.size : await sizeOf(item));
      if (size === undefined) continue; // failed, and of no known size
      annotated.push({ item, image, record, size: { width: size.width, height: size.height } });
    }
    const counts = { annotated: ours, failed, left };
    if (left > 0) return counts;
    return { ...counts, ...(await state.exclusive(signal, () => this.#write(annotated, state))) };
  }

  async #write(annotated: readonly Annotated[], state: AnnotateFolder): Promise<Partial<Report>> {
    const { folder, target, sheets, json, quiet } = this.#job;
    const { signal } = this.#host;
    const dataset = datasetOf(annotated, this.#base, target.format);
    const { files, losses } = written(dataset, target);
    if (!json && !quiet) {
      this.#progress.clear();
      await print(this.#host, lossTable(losses));
    }
    await state.tidy();
    await writeFiles(files, folder, signal);
    if (sheets.length > 0) {
      this.#progress.show("contact sheet");
      const items = new Map(annotated.map(({ item }, i) => [dataset.images[i] as LabelledImage, item]));
      const sheet = await Sheet.of(dataset, (image) => items.get(image), signal);
      if (sheet === undefined)
        this.#progress.note("masklet annotate: no picture has a mask, so that there is no contact sheet");
      for (const kind of sheet === undefined ? [] : sheets) {
        const bytes = async (): Promise<Uint8Array> =>
          kind === "png" ? (sheet as Sheet).png() : new TextEncoder().encode(await (sheet as Sheet).html());
        await writeFiles([{ path: `contact-sheet.${kind}`, bytes }], folder, signal);
      }
    }
    const objects = dataset.images.flatMap((image) => image.objects);
    return {
      format: target.format,
      folder: resolve(folder),
      files: files.length,
      objects: objects.length,
      masks: objects.filter(hasMask).length,
      losses,
    };
  }

  #summarize({ pictures, annotated, failed, left, withoutPicture, masks = 0, objects = 0, files }: Report): void {
    const note = (text: string): void => this.#progress.note(`masklet annotate: ${text}`);
    const missing = withoutPicture.length;
    if (missing > 0) {
      const which = `${count(missing, "image")} of the labels (${withoutPicture[0]}${missing > 1 ? ", ..." : ""})`;
      note(`${which} ${missing === 1 ? "is" : "are"} not among SOURCE's pictures, and left out`);
    }
    if (failed.length > 0)
      note(`${failed.length} of ${count(pictures, "picture")} failed: the same command tries them again`);
    if (left > 0) {
      note(
        `${count(annotated, "picture")} annotated; ${left} of ${pictures} are left, and the labels are written after the last`,
      );
      return;
    }
    const without = objects > masks ? `, ${objects - masks} without a mask` : "";
    note(
      `${count(pictures, "picture")}, ${count(objects, "object")}${without}: ${count(files ?? 0, "file")} written to ${this.#job.folder}`,
    );
  }
}

/** SHA-256 of a detector's file. Rejects with a `UsageError` where it cannot be read. */
async function fileDigest(path: string): Promise<string> {
  const hash = createHash("sha256");
  try {
    for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  } catch (error) {
    throw new UsageError(`--detector ${path} cannot be read: ${systemReason(error)}`);
  }
  return hash.digest("hex");
}

/** A picture's size as it is looked at; `undefined` where it cannot be read. */
async function sizeOf(item: Item): Promise<Size | undefined> {
  try {
    const head = await item.head();
    return head === undefined ? await item.read() : turnedSize(head);
  } catch (error) {
    if (error instanceof MaskletError || (error instanceof Error && "code" in error)) return undefined;
    throw error;
  }
}
