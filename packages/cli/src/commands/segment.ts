/** `masklet segment`: images and prompts in, cutouts, masks, overlays and records out. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { parseJson, type Sam2, writeFileAtomic } from "@masklet/core/node";
import { listed } from "../folder.ts";
import { describeError, type ExitCode, type Host, isBrokenPipe, print } from "../host.ts";
import { eachLabel, MaskPictures } from "../mask-pictures.ts";
import {
  boxFormatOption,
  computeOptions,
  type ModelSettings,
  maskOptions,
  maskSettings,
  maxPixelsOf,
  modelSettings,
  otherOptions,
  resultOptions,
} from "../model-options.ts";
import { type ModelFacts, withModel } from "../models.ts";
import { Progress } from "../progress.ts";
import { boxFormats, imageSyntax, maskNotes, type PromptOption, parsePrompts, promptOptionsOf } from "../prompts.ts";
import { type DetectorWork, detected, detectorOptions, detectorWork } from "../segment/detected.ts";
import { type EverythingWork, everything, everythingOptions, everythingWork } from "../segment/everything.ts";
import { findInputs, type Input } from "../segment/inputs.ts";
import {
  checkCollisions,
  type Format,
  formats,
  labelOrders,
  type MaskId,
  maskNumber,
  type OutputSettings,
  prepareResults,
  resultNames,
  unpromptedFormats,
} from "../segment/outputs.ts";
import { type ImageRecord, outputModes, type Segmentation } from "../segment/record.ts";
import {
  type CommonWork,
  type Finding,
  type ImageHost,
  maskIds,
  prompted,
  resultsOf,
  type Work,
} from "../segment/segmenter.ts";
import {
  choiceOption,
  choicesOption,
  count,
  type Help,
  listed as listedChoices,
  numberOption,
  parsing,
  renderHelp,
  UsageError,
} from "../usage.ts";

const promptOptions = {
  point: {
    type: "string",
    multiple: true,
    value: "X,Y[,+|-][#ID]",
    help: "A pixel on the object (+, the default) or not on it (-). Several on it need an ID: the same for one object, others for others.",
  },
  box: {
    type: "string",
    multiple: true,
    value: "X0,Y0,X1,Y1[#ID]",
    help: "A box around the object. Each box without an ID is an object of its own.",
  },
  mask: {
    type: "string",
    multiple: true,
    value: "PNG[#ID]",
    help: "A mask to start from: a picture of the image's size that shows the object, in any of the ways below. Each without an ID is an object of its own.",
  },
  ...boxFormatOption,
  multimask: {
    type: "boolean",
    help: "Three masks for each object (whole, part, subpart) instead of one: helps with a single, ambiguous point.",
  },
  refine: { type: "string", value: "N", help: "Feed each mask back to the model, at most N times, while it changes." },
} as const;

const outputOptions = {
  format: {
    type: "string",
    short: "f",
    multiple: true,
    value: "LIST",
    help: `What to write, of ${formats.join(",")}. Default: cutout,mask,overlay,json; with --everything or --detector overlay,label,json. label and coco are not for prompts. Names of masklet track are taken, too: objects is mask, alpha is cutout.`,
  },
  ...resultOptions,
  feather: { type: "string", value: "N", help: "Soften the edge of cutouts, N pixels to both sides." },
  "output-mode": {
    type: "string",
    value: "NAME",
    help: `Not for prompts: how JSON has masks, ${listedChoices(outputModes, "or")}. A mask with holes is no polygon, and stays coco_rle. Default: coco_rle.`,
  },
  "label-order": {
    type: "string",
    value: "NAME",
    help: "Not for prompts: which mask is seen where several lie, in labels and overlays, by area (the smaller), score (the better) or depth (the part). Default: area.",
  },
  tolerance: {
    type: "string",
    value: "N",
    help: "Let SVG outlines miss the mask by N pixels, which makes them smaller. Default 0: exact.",
  },
} as const;

const findOptions = { ...computeOptions, ...maskOptions } as const;

const options = {
  ...promptOptions,
  ...everythingOptions,
  ...detectorOptions,
  ...outputOptions,
  ...findOptions,
  ...otherOptions,
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof options }>>["values"];

const help: Help = {
  usage: "masklet segment IMAGE... ((--point | --box | --mask)... | --everything | --detector ONNX) [options]",
  about: `Find objects in images, and cut them out.

IMAGE is a JPEG, PNG, WebP, AVIF, TIFF, GIF or BMP file, a folder of them, an https address, a pattern such as "*.jpg",
or - for standard input. Every image is given the same prompts, or with --everything or --detector none. Coordinates are
pixels from the top left corner, or percents of the image's size: 50%,50%.`,
  sections: {
    "What to find": promptOptions,
    Everything: everythingOptions,
    Detectors: detectorOptions,
    "What to write": outputOptions,
    "How to find it": findOptions,
    Others: otherOptions,
  },
  notes: `${maskNotes}

Results are named after the image: scene.png gives scene.cutout.png, scene.mask.png, scene.overlay.png,
scene.svg and scene.json. With several objects each has its own cutout and mask, scene.ID.cutout.png and
scene.ID.mask.png; with --multimask scene.ID.1.mask.png to scene.ID.3.mask.png. Overlay, SVG and JSON show all objects;
an overlay only the best of three masks. With --everything and --detector masks are numbered, the best first:
scene.1.mask.png; scene.label.png is an image of these numbers, with a palette up to 255, and scene.json is as SA-1B
has it. The files written are listed on standard output.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 some images failed, 130 interrupted.`,
  examples: [
    "masklet segment photo.jpg --point 581,532 -o out",
    "masklet segment photo.jpg --box 45,35,224,209#cat --point 130,121,-#cat --box 300,40,420,200#dog",
    'masklet segment "photos/*.jpg" --point 50%,50% --format cutout --crop --padding 8 --webp -o cutouts',
    "masklet segment - --box 45,35,224,209 --format mask -o - < photo.jpg > mask.png",
    "masklet segment photo.jpg --point 581,532 --multimask --json --model sam2.1-hiera-large",
    "masklet segment photos/ --detector yolo11n.onnx --classes car,bus --format overlay,coco -o out",
    "masklet segment photos/ --everything --points-per-side 16 --format label,json -o out --skip-existing",
  ],
};

/** What to find, and how. */
type Task =
  | { readonly kind: "prompts"; readonly work: Work }
  | { readonly kind: "everything"; readonly work: EverythingWork }
  | { readonly kind: "detector"; readonly work: DetectorWork };

/** A command line, understood. */
interface Job extends ModelSettings {
  readonly task: Task;
  /** Pictures that were read for `--mask` and `--known`. */
  readonly pictures: MaskPictures;
  readonly inputs: readonly Input[];
  /** The place of each on the command line, from 1. */
  readonly numbers: ReadonlyMap<Input, number>;
  /** `undefined`: standard output. */
  readonly folder: string | undefined;
  readonly outputs: OutputSettings;
  readonly skipExisting: boolean;
  readonly json: boolean;
  readonly quiet: boolean;
}

/** See `help`. Rejects with a `UsageError` before any work, with a `MaskletError` where no image can be segmented. */
export async function segment(args: readonly string[], host: Host): Promise<ExitCode> {
  const { values, positionals, tokens } = parsing(options, args, (given) =>
    parseArgs({ args: given, options, allowPositionals: true, tokens: true }),
  );
  if (values.help === true) {
    await print(host, renderHelp(help));
    return 0;
  }
  if (positionals.length === 0) throw new UsageError("needs an image: a file, a pattern, or - for standard input");
  const boxFormat = choiceOption("--box-format", values["box-format"] ?? "xyxy", boxFormats);
  const syntax = { ...imageSyntax, boxFormat };
  const given = promptOptionsOf(tokens);
  const pictures = new MaskPictures(host, "masklet segment");
  const kind = kindOf(values, given);
  const common = commonWork(values);
  const task = await taskOf(kind, values, { common, given, syntax, pictures });
  const inputs = await findInputs(positionals);
  const numbers = new Map(inputs.map((input, i) => [input, i + 1]));
  const asked: Job = { ...understand(values, kind), task, pictures, inputs, numbers };
  // What is wrong with the command line is said before any picture is read.
  await checkOutputs(asked);
  if (task.kind !== "prompts") return perform(asked, host);
  const objects = parsePrompts(await eachLabel(given, syntax, pictures), syntax);
  const job: Job = { ...asked, task: { ...task, work: { ...task.work, objects } } };
  await checkOutputs(job);
  return perform(job, host);
}

async function taskOf(
  kind: Task["kind"],
  values: Values,
  {
    common,
    given,
    syntax,
    pictures,
  }: {
    readonly common: CommonWork;
    readonly given: readonly PromptOption[];
    readonly syntax: typeof imageSyntax & { readonly boxFormat: Work["boxFormat"] };
    readonly pictures: MaskPictures;
  },
): Promise<Task> {
  const { boxFormat } = syntax;
  switch (kind) {
    case "everything":
      return { kind, work: await everythingWork(values, { ...common, boxFormat }) };
    case "detector":
      return { kind, work: await detectorWork(values, { ...common, refine: refineOption(values) }) };
    case "prompts": {
      const objects = parsePrompts(given, syntax);
      return { kind, work: promptWork(values, { ...common, objects, boxFormat, masks: pictures }) };
    }
  }
}

/** Which way to find masks is asked for. Throws a `UsageError` for options of another. */
function kindOf(values: Values, given: readonly PromptOption[]): Task["kind"] {
  const isGiven = (name: string): boolean => {
    const value = values[name as keyof Values];
    return value !== undefined && value !== false;
  };
  const detector = ["detector", "text"].find(isGiven);
  const ways = [...(values.everything === true ? ["everything"] : []), ...(detector === undefined ? [] : [detector])];
  const [way, other = given[0]?.name] = ways;
  const kind = way === undefined ? "prompts" : way === "everything" ? way : "detector";
  const only: Readonly<Record<string, readonly string[]>> = {
    "--everything": kind === "everything" ? [] : Object.keys(everythingOptions),
    "--detector": kind === "detector" ? [] : Object.keys(detectorOptions).filter((name) => name !== detector),
    "--everything or --detector": kind === "prompts" ? ["output-mode", "label-order"] : [],
  };
  if (way !== undefined && other !== undefined) {
    throw new UsageError(`--${other} and --${way} both say what to find: give one of them`);
  }
  for (const [owner, names] of Object.entries(only)) {
    const unused = names.find(isGiven);
    if (unused !== undefined) throw new UsageError(`--${unused} is for ${owner}, which is not given`);
  }
  if (isGiven("text-model") && !isGiven("text")) throw new UsageError("--text-model is for --text, which is not given");
  const instead: Readonly<Record<string, string>> =
    kind === "everything"
      ? {
          multimask: "it makes three masks of each point unless --no-multimask-output is given",
          refine: "--use-m2m feeds masks back",
          "max-hole-area": "give --min-mask-region-area",
          "max-speck-area": "give --min-mask-region-area",
        }
      : { multimask: "a box is not ambiguous" };
  const foreign = kind === "prompts" ? undefined : Object.keys(instead).find(isGiven);
  if (foreign !== undefined) throw new UsageError(`--${foreign} is not for --${way}: ${instead[foreign]}`);
  return kind;
}

/** Throws a `UsageError`. */
function commonWork(values: Values): CommonWork {
  return { predictor: maskSettings(values), maxPixels: maxPixelsOf(values) };
}

function promptWork(values: Values, known: Omit<Work, "multimask" | "refine">): Work {
  if (known.objects.length === 0) {
    throw new UsageError(
      "needs at least one --point, --box or --mask: what to look for; or --everything or --detector",
    );
  }
  const { multimask = false } = values;
  const refine = refineOption(values);
  if (multimask && refine > 0) {
    throw new UsageError("--refine makes one mask of each object, --multimask three: give one of them");
  }
  return { ...known, multimask, refine };
}

function refineOption({ refine }: Values): number {
  return numberOption("--refine", refine, { min: 1, max: 100, integer: true }) ?? 0;
}

const defaultFormats: Readonly<Record<Task["kind"], string>> = {
  prompts: "cutout,mask,overlay,json",
  everything: "overlay,label,json",
  detector: "overlay,label,json",
};

function understand(values: Values, kind: Task["kind"]): Omit<Job, "task" | "pictures" | "inputs" | "numbers"> {
  const { json = false, crop = false, webp = false, quiet = false } = values;
  if (values.padding !== undefined && !crop) throw new UsageError(`--padding ${values.padding} needs --crop`);
  const unprompted = kind !== "prompts";
  const asked = choicesOption("--format", values.format ?? [defaultFormats[kind]], formats, {
    objects: "mask",
    alpha: "cutout",
  });
  const foreign = unprompted ? undefined : asked.find((format) => unpromptedFormats.includes(format));
  if (foreign !== undefined)
    throw new UsageError(`--format ${foreign} is for --everything or --detector, which is not given`);
  // The record comes last: where it lies, so do the masks that it counts.
  const wanted = unprompted ? formats.filter((format) => asked.includes(format)) : asked;
  const toStdout = values.output === "-";
  if (toStdout && json) throw new UsageError("--json and -o - both want standard output: give one of them");
  const skipExisting = values["skip-existing"] ?? false;
  const nothingElse = json && values.output === undefined && values.format === undefined;
  checkUsed(values, nothingElse ? [] : wanted);
  if (skipExisting && (toStdout || nothingElse)) {
    throw new UsageError("--skip-existing is for results in files: give a folder with -o");
  }
  const numbered = wanted.find((format) => format === "mask" || format === "cutout");
  if (skipExisting && unprompted && numbered !== undefined && !wanted.includes("json")) {
    throw new UsageError(`--skip-existing cannot tell how many ${numbered}s there were without the json: add it`);
  }
  const pixels = { min: 0, max: 4096 } as const;
  return {
    skipExisting,
    json,
    quiet,
    folder: toStdout ? undefined : (values.output ?? "."),
    outputs: {
      formats: nothingElse ? [] : wanted,
      webp,
      cutout: {
        crop,
        padding: numberOption("--padding", values.padding, { ...pixels, integer: true }) ?? 0,
        feather: numberOption("--feather", values.feather, pixels) ?? 0,
      },
      tolerance: numberOption("--tolerance", values.tolerance, { min: 0 }) ?? 0,
      mode: choiceOption("--output-mode", values["output-mode"] ?? "coco_rle", outputModes),
      order: choiceOption("--label-order", values["label-order"] ?? "area", labelOrders),
      unprompted,
    },
    ...modelSettings(values),
  };
}

/** Throws a `UsageError` for an option about results that are not asked for. */
function checkUsed(values: Values, wanted: readonly Format[]): void {
  const about: Readonly<Record<string, readonly (keyof Values)[]>> = {
    cutout: ["crop", "padding", "feather", "webp"],
    svg: ["tolerance"],
  };
  for (const [format, names] of Object.entries(about)) {
    if (wanted.some((name) => name === format)) continue;
    const unused = names.find((name) => values[name] !== undefined && values[name] !== false);
    if (unused === undefined) continue;
    const none = wanted.length === 0 ? "--json alone" : `--format ${wanted.join(",")}`;
    throw new UsageError(`--${unused} is for ${format}s, and ${none} has none`);
  }
}

/** Everything about the results that can be wrong before there are any. */
async function checkOutputs({ folder, inputs, task, outputs }: Job): Promise<void> {
  const masks = plannedMasks(task);
  if (folder !== undefined) {
    return checkCollisions(folder, inputs, masks, { promptMasks: maskFiles(task), ...outputs });
  }
  const [format, ...otherFormats] = outputs.formats;
  if (format === undefined || otherFormats.length > 0) {
    throw new UsageError(`-o - takes exactly one --format, got ${outputs.formats.join(",")}`);
  }
  if (outputs.unprompted && (format === "mask" || format === "cutout")) {
    throw new UsageError(`-o - takes exactly one result, and nobody knows how many ${format}s there will be`);
  }
  const results = inputs.flatMap((input) => resultNames(input, masks, outputs));
  if (results.length !== 1) throw new UsageError(`-o - takes exactly one result, but there are ${results.length}`);
}

/** The masks that are known before they are computed. */
function plannedMasks(task: Task): readonly MaskId[] {
  return task.kind === "prompts" ? maskIds(task.work.objects, task.work.multimask) : [];
}

/** Pictures of masks that are read. */
function maskFiles(task: Task): readonly string[] {
  if (task.kind === "prompts") return task.work.objects.flatMap(({ mask }) => mask ?? []);
  return task.kind === "everything" ? task.work.known : [];
}

async function perform(job: Job, host: Host): Promise<ExitCode> {
  const { folder, outputs, quiet } = job;
  const progress = new Progress(host, quiet);
  try {
    const masks = plannedMasks(job.task);
    const inputs =
      folder !== undefined && outputs.formats.length > 0
        ? await prepareResults(folder, job.inputs, {
            namesOf: (input) => resultNames(input, masks, outputs),
            isNumbered: (name, input) => outputs.unprompted && maskNumber(name, input, outputs) !== undefined,
            numberedNames: (input) => numberedNames(input, outputs, folder),
            skipExisting: job.skipExisting,
          })
        : job.inputs;
    const skipped = job.inputs.length - inputs.length;
    if (skipped > 0) {
      progress.note(`masklet segment: ${skipped} of ${count(job.inputs.length, "image")} had all results already`);
    }
    if (inputs.length === 0) return 0;
    return await withModel(job, { host, progress, quiet }, async (model, facts) => {
      return segmentAll({ ...job, inputs }, host, { model, facts }, progress);
    });
  } finally {
    progress.clear();
  }
}

/** What the record that lies there says were the masks' own files; none are where each mask was planned. */
async function numberedNames(input: Input, outputs: OutputSettings, folder: string): Promise<readonly string[]> {
  const perMask = outputs.formats.filter((format) => format === "mask" || format === "cutout");
  if (!outputs.unprompted || perMask.length === 0) return [];
  const [record = ""] = resultNames(input, [], { ...outputs, formats: ["json"] });
  let annotations: unknown;
  try {
    ({ annotations } = parseJson(await readFile(join(folder, record))) as Partial<ImageRecord>);
  } catch {
    return [""]; // no record that can be read: to be made again
  }
  if (!Array.isArray(annotations)) return [""];
  const masks = Array.from(annotations, (_, i) => ({ id: String(i + 1) }));
  return resultNames(input, masks, { ...outputs, formats: perMask });
}

async function segmentAll(
  job: Job,
  host: Host,
  { model, facts }: { readonly model: Sam2; readonly facts: Promise<ModelFacts> },
  progress: Progress,
): Promise<ExitCode> {
  const { inputs, folder, json, outputs, quiet, task } = job;
  const { signal } = host;
  let [done, failed] = [0, 0];
  const announce = (): void => {
    const input = inputs[done];
    if (input === undefined) return;
    progress.show(`${inputs.length === 1 ? "" : `[${done + 1}/${inputs.length}] `}${input.source}`);
  };
  // Masks beyond those that are found now are an earlier run's, and nobody else would know.
  const there = outputs.unprompted && folder !== undefined ? await listed(folder) : [];
  announce();
  for await (const finding of findings(job, model, { host, progress })) {
    const { input } = finding;
    try {
      if ("error" in finding) throw finding.error;
      const { record, files } = await resultsOf(finding, {
        outputs,
        model: await facts,
        signal,
        ...(outputs.unprompted && { imageId: job.numbers.get(input) ?? 0 }),
      });
      progress.clear();
      for (const { name, bytes } of files) {
        if (folder === undefined) {
          await print(host, bytes);
        } else {
          await writeFileAtomic(join(folder, name), bytes, { signal });
          if (!json && !quiet) await print(host, `${join(folder, name)}\n`);
        }
      }
      if (json) await print(host, `${JSON.stringify(record)}\n`);
      const found = `${input.source}: ${outputs.unprompted ? summaryOfMany(record, task) : summary(record)}`;
      const old = there.filter((name) => (maskNumber(name, input, outputs) ?? 0) > record.annotations.length);
      if (old.length > 0) {
        const which = old.length === 1 ? `${old[0]} is` : `${old[0]} and ${old.length - 1} more are`;
        progress.note(`masklet segment: ${which} of an earlier run`);
      }
      if (json)
        progress.keep(found); // the record says it
      else progress.note(found);
    } catch (error) {
      if (signal.aborted || isBrokenPipe(error)) throw error;
      progress.clear();
      const told = describeError(error);
      const named = told.startsWith(input.source) ? told : `${input.source}: ${told}`;
      host.stderr.write(`masklet segment: ${named}\n`);
      failed++;
    }
    done++;
    announce();
  }
  if (failed === 0) return 0;
  return failed === inputs.length ? 1 : 3;
}

function findings({ task, inputs, pictures, backend }: Job, model: Sam2, imageHost: ImageHost): AsyncIterable<Finding> {
  if (task.kind === "prompts") return prompted(task.work, inputs, model, imageHost);
  if (task.kind === "detector") return detected(task.work, inputs, { model, backend }, imageHost);
  return everything(task.work, inputs, { model, masks: pictures }, imageHost);
}

/** Below this the model itself thinks little of its mask: half of it, or of the object, is probably something else. */
const poorIou = 0.5;

function summary({ annotations }: ImageRecord<Segmentation>): string {
  const masks = annotations.map(({ id, multimask, area, predicted_iou }) => {
    const name = multimask === undefined ? `${id}` : `${id}.${multimask}`;
    const poor = predicted_iou < poorIou ? " (poor)" : "";
    return `object ${name}: ${count(area, "pixel")}, predicted IoU ${predicted_iou.toFixed(2)}${poor}`;
  });
  return masks.join("; ");
}

function summaryOfMany({ annotations, categories }: ImageRecord<Segmentation>, { kind }: Task): string {
  if (annotations.length === 0) {
    return kind === "detector"
      ? "the detector found nothing; lower --conf to see what it is less sure of"
      : "no mask: none was firm enough; lower --pred-iou-thresh or --stability-score-thresh to see those that were not";
  }
  if (categories === undefined) return count(annotations.length, "mask");
  const each = categories.flatMap(({ id, name }) => {
    const number = annotations.filter((annotation) => annotation.category_id === id).length;
    return number === 0 ? [] : [`${number} ${name}`];
  });
  return `${count(annotations.length, "mask")}: ${each.join(", ")}`;
}
