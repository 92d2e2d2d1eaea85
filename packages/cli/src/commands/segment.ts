/** `masklet segment`: images and prompts in, cutouts, masks, overlays and records out. */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type ImagePredictorOptions, type Sam2, segmentMany, writeFileAtomic } from "@masklet/core/node";
import { folded, isUnfinished, listed, prepareFolder, removeMatching } from "../folder.ts";
import { describeError, type ExitCode, type Host, isBrokenPipe, print } from "../host.ts";
import { eachLabel, MaskPictures } from "../mask-pictures.ts";
import { type ModelSettings, maskOptions, maxPixelsOption, modelOptions, modelSettings } from "../model-options.ts";
import { type ModelFacts, withModel } from "../models.ts";
import { Progress } from "../progress.ts";
import { boxFormats, imageSyntax, maskNotes, parsePrompts, promptOptionsOf } from "../prompts.ts";
import { findInputs, type Input } from "../segment/inputs.ts";
import { checkCollisions, type Format, formats, type OutputSettings, resultNames } from "../segment/outputs.ts";
import type { ImageRecord } from "../segment/record.ts";
import { inputJobs, maskIds, resultsOf, segmentOptions, type Work } from "../segment/segmenter.ts";
import {
  choiceOption,
  choicesOption,
  commonOptions,
  count,
  type Help,
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
  "box-format": {
    type: "string",
    value: "NAME",
    help: "What the numbers of boxes are: xyxy, two corners (the default), or xywh, a corner and the size, as COCO has them.",
  },
  multimask: {
    type: "boolean",
    help: "Three masks for each object (whole, part, subpart) instead of one: helps with a single, ambiguous point.",
  },
  refine: { type: "string", value: "N", help: "Feed each mask back to the model, at most N times, while it changes." },
} as const;

const outputOptions = {
  output: {
    type: "string",
    short: "o",
    value: "DIR",
    help: "Where results go, the current folder if not given. With - the only result goes to standard output.",
  },
  format: {
    type: "string",
    short: "f",
    multiple: true,
    value: "LIST",
    help: `What to write, of ${formats.join(",")}. Default: cutout,mask,overlay,json. Names of masklet track are taken, too: objects is mask, alpha is cutout.`,
  },
  "skip-existing": {
    type: "boolean",
    help: "Leave out images whose results are all there already: to go on where a run was stopped.",
  },
  json: {
    type: "boolean",
    help: "Print each image's record on standard output, one a line. Without -o and --format nothing else is written.",
  },
  crop: { type: "boolean", help: "Cut cutouts down to the object." },
  padding: { type: "string", value: "N", help: "With --crop: leave N pixels around the object." },
  feather: { type: "string", value: "N", help: "Soften the edge of cutouts, N pixels to both sides." },
  webp: { type: "boolean", help: "Write cutouts as WebP." },
  tolerance: {
    type: "string",
    value: "N",
    help: "Let SVG outlines miss the mask by N pixels, which makes them smaller. Default 0: exact.",
  },
} as const;

const findOptions = {
  ...modelOptions,
  "max-pixels": maxPixelsOption,
  ...maskOptions,
} as const;

const otherOptions = {
  quiet: { type: "boolean", short: "q", help: "Print errors only (and what --json and -o - ask for)." },
  ...commonOptions,
} as const;

const options = { ...promptOptions, ...outputOptions, ...findOptions, ...otherOptions } as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof options }>>["values"];

const help: Help = {
  usage: "masklet segment IMAGE... (--point | --box | --mask)... [options]",
  about: `Find objects in images, and cut them out.

IMAGE is a JPEG, PNG, WebP, AVIF, TIFF, GIF or BMP file, a folder of them, an https address, a pattern such as "*.jpg",
or - for standard input. Every image is given the same prompts. Coordinates are pixels from the top
left corner, or percents of the image's size: 50%,50%.`,
  sections: {
    "What to find": promptOptions,
    "What to write": outputOptions,
    "How to find it": findOptions,
    Others: otherOptions,
  },
  notes: `${maskNotes}

Results are named after the image: scene.png gives scene.cutout.png, scene.mask.png, scene.overlay.png,
scene.svg and scene.json. With several objects each has its own cutout and mask, scene.ID.cutout.png and
scene.ID.mask.png; with --multimask scene.ID.1.mask.png to scene.ID.3.mask.png. Overlay, SVG and JSON show all objects;
an overlay only the best of three masks. The files written are listed on standard output.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 some images failed, 130 interrupted.`,
  examples: [
    "masklet segment photo.jpg --point 581,532 -o out",
    "masklet segment photo.jpg --box 45,35,224,209#cat --point 130,121,-#cat --box 300,40,420,200#dog",
    'masklet segment "photos/*.jpg" --point 50%,50% --format cutout --crop --padding 8 --webp -o cutouts',
    "masklet segment - --box 45,35,224,209 --format mask -o - < photo.jpg > mask.png",
    "masklet segment photo.jpg --point 581,532 --multimask --json --model sam2.1-hiera-large",
  ],
};

/** A command line, understood. */
interface Job extends Work, ModelSettings {
  readonly inputs: readonly Input[];
  /** `undefined`: standard output. */
  readonly folder: string | undefined;
  readonly outputs: OutputSettings;
  readonly skipExisting: boolean;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly predictor: ImagePredictorOptions;
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
  const masks = new MaskPictures(host.signal);
  const objects = parsePrompts(given, syntax);
  const asked = understand(values, { objects, boxFormat, masks, inputs: await findInputs(positionals) });
  // What is wrong with the command line is said before any picture is read.
  await checkOutputs(asked);
  const job = { ...asked, objects: parsePrompts(await eachLabel(given, syntax, masks), syntax) };
  await checkOutputs(job);
  return perform(job, host);
}

function understand(
  values: Values,
  { objects, boxFormat, masks, inputs }: Pick<Job, "objects" | "boxFormat" | "masks" | "inputs">,
): Job {
  if (objects.length === 0) throw new UsageError("needs at least one --point, --box or --mask: what to look for");
  const { multimask = false, json = false, crop = false, webp = false, quiet = false } = values;
  const refine = numberOption("--refine", values.refine, { min: 1, max: 100, integer: true }) ?? 0;
  if (multimask && refine > 0) {
    throw new UsageError("--refine makes one mask of each object, --multimask three: give one of them");
  }
  if (values.padding !== undefined && !crop) throw new UsageError(`--padding ${values.padding} needs --crop`);
  const wanted = choicesOption("--format", values.format ?? ["cutout,mask,overlay,json"], formats, {
    objects: "mask",
    alpha: "cutout",
  });
  const toStdout = values.output === "-";
  if (toStdout && json) throw new UsageError("--json and -o - both want standard output: give one of them");
  const skipExisting = values["skip-existing"] ?? false;
  const nothingElse = json && values.output === undefined && values.format === undefined;
  checkUsed(values, nothingElse ? [] : wanted);
  if (skipExisting && (toStdout || nothingElse)) {
    throw new UsageError("--skip-existing is for results in files: give a folder with -o");
  }
  const pixels = { min: 0, max: 4096 } as const;
  const area = { min: 0, integer: true } as const;
  return {
    objects,
    boxFormat,
    inputs,
    masks,
    multimask,
    refine,
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
    },
    predictor: {
      maskThreshold: numberOption("--mask-threshold", values["mask-threshold"], {}) ?? 0,
      maxHoleArea: numberOption("--max-hole-area", values["max-hole-area"], area) ?? 0,
      maxSpeckArea: numberOption("--max-speck-area", values["max-speck-area"], area) ?? 0,
    },
    maxPixels: numberOption("--max-pixels", values["max-pixels"], { min: 1, integer: true }),
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
async function checkOutputs({ folder, inputs, objects, multimask, outputs }: Job): Promise<void> {
  const masks = maskIds(objects, multimask);
  if (folder !== undefined) {
    const promptMasks = objects.flatMap(({ mask }) => mask ?? []);
    return checkCollisions(folder, inputs, masks, { promptMasks, ...outputs });
  }
  const [format, ...otherFormats] = outputs.formats;
  if (format === undefined || otherFormats.length > 0) {
    throw new UsageError(`-o - takes exactly one --format, got ${outputs.formats.join(",")}`);
  }
  const results = inputs.flatMap((input) => resultNames(input, masks, outputs));
  if (results.length !== 1) throw new UsageError(`-o - takes exactly one result, but there are ${results.length}`);
}

async function perform(job: Job, host: Host): Promise<ExitCode> {
  const { folder, outputs, quiet } = job;
  const progress = new Progress(host, quiet);
  try {
    const inputs = folder !== undefined && outputs.formats.length > 0 ? await prepare(job, folder) : job.inputs;
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

/** Makes the folder ready, after a run that was killed too. -> the images to segment. */
async function prepare(
  { inputs, objects, multimask, outputs, skipExisting }: Job,
  folder: string,
): Promise<readonly Input[]> {
  await prepareFolder(folder);
  const masks = maskIds(objects, multimask);
  const results = new Map(inputs.map((input) => [input, resultNames(input, masks, outputs)]));
  const own = [...results.values()].flat();
  await removeMatching(folder, (name) => isUnfinished(name) && own.some((result) => isUnfinished(name, result)));
  if (!skipExisting) return inputs;
  const there = new Set((await listed(folder)).map(folded));
  return inputs.filter((input) => !results.get(input)?.every((name) => there.has(folded(name))));
}

async function segmentAll(
  job: Job,
  host: Host,
  { model, facts }: { readonly model: Sam2; readonly facts: ModelFacts },
  progress: Progress,
): Promise<ExitCode> {
  const { inputs, folder, json, outputs, quiet } = job;
  const { signal } = host;
  let [done, failed] = [0, 0];
  const announce = (): void => {
    const input = inputs[done];
    if (input === undefined) return;
    progress.show(`${inputs.length === 1 ? "" : `[${done + 1}/${inputs.length}] `}${input.source}`);
  };
  announce();
  for await (const result of segmentMany(
    model,
    inputJobs(job, inputs, model, { host, progress }),
    segmentOptions(job, signal),
  )) {
    const { input } = result.job;
    try {
      if ("error" in result) throw result.error;
      const { record, files } = await resultsOf({ ...result, input }, { work: job, outputs, model: facts, signal });
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
      const found = `${input.source}: ${summary(record)}`;
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

/** Below this the model itself thinks little of its mask: half of it, or of the object, is probably something else. */
const poorIou = 0.5;

function summary({ annotations }: ImageRecord): string {
  const masks = annotations.map(({ id, multimask, area, predicted_iou }) => {
    const name = multimask === undefined ? `${id}` : `${id}.${multimask}`;
    const poor = predicted_iou < poorIou ? " (poor)" : "";
    return `object ${name}: ${count(area, "pixel")}, predicted IoU ${predicted_iou.toFixed(2)}${poor}`;
  });
  return masks.join("; ");
}
