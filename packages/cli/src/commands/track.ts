/** `masklet track`: a video and prompts in, every frame's masks and what is made of them out. */
import { createHash } from "node:crypto";
import { join, relative, sep } from "node:path";
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";
import {
  decompressRle,
  encodeRle,
  type Mask,
  rleArea,
  rleBox,
  type Sam2,
  VideoError,
  type VideoOptions,
} from "@masklet/core/node";
import { fileKey } from "../folder.ts";
import { describeError, type ExitCode, type Host, print } from "../host.ts";
import { eachLabel, MaskPictures } from "../mask-pictures.ts";
import {
  boxFormatOption,
  computeOptions,
  type ModelSettings,
  maxPixelsOf,
  modelSettings,
  otherOptions,
} from "../model-options.ts";
import { type ModelFacts, withModel } from "../models.ts";
import { megabytes, Progress } from "../progress.ts";
import {
  type BoxFormat,
  boxFormats,
  boxNote,
  isLabel,
  maskNotes,
  type ObjectPrompt,
  parsePrompts,
  promptFor,
  promptOptionsOf,
  videoSyntax,
} from "../prompts.ts";
import { isAddress } from "../segment/inputs.ts";
import { type Clip, digest, openClip } from "../track/clip.ts";
import { type Direction, planPasses } from "../track/plan.ts";
import { readPromptsFile } from "../track/prompts-file.ts";
import {
  checkResults,
  effects,
  formatAliases,
  formats,
  makeResults,
  type ResultSettings,
  resultFiles,
  type WantedResults,
} from "../track/results.ts";
import { type RunFacts, RunFolder } from "../track/run-folder.ts";
import { type Shown, track as trackClip } from "../track/tracker.ts";
import {
  choiceOption,
  choicesOption,
  count,
  type Help,
  numberOption,
  parsing,
  renderHelp,
  UsageError,
} from "../usage.ts";
import { version } from "../version.ts";

const promptOptions = {
  point: {
    type: "string",
    multiple: true,
    value: "X,Y[,+|-][@FRAME][#ID]",
    help: "A pixel on the object (+, the default) or not on it (-), on a frame; frame 0 if not given. Several on it need an ID: the same for one object, others for others.",
  },
  box: {
    type: "string",
    multiple: true,
    value: "X0,Y0,X1,Y1[@FRAME][#ID]",
    help: "A box around the object. Each box without an ID is an object of its own.",
  },
  mask: {
    type: "string",
    multiple: true,
    value: "PNG[@FRAME][#ID]",
    help: "The object's mask: a picture that shows it, in any of the ways below, stretched over the frame. Each without an ID is an object of its own.",
  },
  ...boxFormatOption,
  prompts: { type: "string", value: "JSON", help: "A file with prompts; see below." },
} as const;

const frameOptions = {
  start: {
    type: "string",
    value: "FRAME",
    help: "Where tracking starts. Default: the first frame with a prompt; with --reverse the last.",
  },
  count: { type: "string", value: "N", help: "Track N frames at most, with --both N each way. Default: all." },
  reverse: { type: "boolean", help: "Track backwards." },
  both: { type: "boolean", help: "Track forwards to the end, then backwards to the beginning." },
} as const;

const outputOptions = {
  output: { type: "string", short: "o", value: "DIR", help: "Where results go." },
  format: {
    type: "string",
    short: "f",
    multiple: true,
    value: "LIST",
    help: `What to write besides masks, of ${formats.join(",")}. Default: overlay, where ffmpeg is there; mask adds nothing.`,
  },
  effect: {
    type: "string",
    short: "e",
    multiple: true,
    value: "LIST",
    help: `Videos to make, of ${effects.join(",")}.`,
  },
  json: {
    type: "boolean",
    help: "Print each frame's record on standard output, one a line. Without --format and --effect no more is made.",
  },
  fps: { type: "string", value: "N", help: "Frames per second, where VIDEO is a folder. Default: 24." },
} as const;

const findOptions = {
  ...computeOptions,
  "non-overlap": { type: "boolean", help: "At each pixel only the strongest object, also in the objects' own masks." },
  "fill-hole-area": { type: "string", value: "N", help: "Fill holes of at most N low-resolution pixels. Default: 8." },
  "memory-stride": { type: "string", value: "N", help: "Remember every Nth frame, the nearest aside. Default: 1." },
  memories: {
    type: "string",
    value: "N",
    help: "Look at N remembered frames, one of them for the prompted ones: 3 are much faster. Default: the model's own, 7.",
  },
  "max-conditioning-frames": {
    type: "string",
    value: "N",
    help: "Look at N prompted frames at most, the nearest ones. Default: all.",
  },
} as const;

const runOptions = {
  "save-every": { type: "string", value: "N", help: "Save after every N frames where tracking stands. Default: 20." },
  resume: { type: "boolean", help: "Go on with the run in DIR; begin one if there is none." },
  overwrite: { type: "boolean", help: "Remove the results of an earlier run from DIR first." },
  ...otherOptions,
} as const;

const options = { ...promptOptions, ...frameOptions, ...outputOptions, ...findOptions, ...runOptions } as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof options }>>["values"];

const help: Help = {
  usage: "masklet track VIDEO (--point | --box | --mask | --prompts)... -o DIR [options]",
  about: `Track objects through a video.

VIDEO is a folder of images, in the order of the numbers in their names, or a video file, which needs ffmpeg; or an
https address of one, which is fetched first.
Coordinates are pixels from the top left corner, or percents of the frame's size: 50%,50%. Frames count from 0. IDs are
numbers from 1 to 255. All prompts are shown before tracking begins; more of them on other frames make it surer.`,
  sections: {
    "What to track": promptOptions,
    "Which frames": frameOptions,
    "What to write": outputOptions,
    "How to find it": findOptions,
    Others: runOptions,
  },
  notes: `DIR/masks/00000.png and on are always written, frame by frame: the pixel is the object's ID, the strongest's where
objects overlap. Made of them at the end: objects: DIR/objects/ID/00000.png, which keep overlaps; json:
DIR/masklets.json, as SA-V has it; overlay: DIR/overlay.mp4; cutout: DIR/alpha.webm, the objects on transparent ground;
cutout-png: the same as DIR/alpha/00000.png; an effect: DIR/EFFECT.mp4. What was written is listed on standard output.

A run that was stopped, in whatever way, goes on with --resume and ends with the same bytes. With --resume a finished
run makes other formats and effects without tracking again. What this takes is kept in DIR/.track.

The file of --prompts is a list: [{ "object": 1, "frame": 0, "points": [[581, 532], ["50%", "50%"]], "labels": [1, 0],
"box": [45, 35, 224, 209], "mask": "mask.png", "maskLabel": 3 }]; all but object may be left out.

${maskNotes}

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 stopped at a frame that cannot be read (what comes before it is kept),
130 interrupted.`,
  examples: [
    "masklet track clip.mp4 --point 581,532 -o out",
    "masklet track clip.mp4 --box 45,35,224,209#1 --point 130,121,-#1 --point 300,200@48#2 --both -o out",
    "masklet track frames/ --mask 00000.png --format objects,json -o out",
    "masklet track clip.mp4 --point 581,532 --format overlay,cutout --effect blur,spotlight -o out --resume",
  ],
};

/** A command line, understood. */
interface Job extends ModelSettings, ResultSettings {
  readonly video: string;
  readonly fps: number | undefined;
  readonly prompts: readonly ObjectPrompt[];
  readonly masks: MaskPictures;
  readonly boxFormat: BoxFormat;
  readonly start: number | undefined;
  readonly count: number | undefined;
  readonly direction: Direction;
  readonly folder: string;
  readonly settings: VideoOptions;
  readonly saveEvery: number;
  readonly maxPixels: number | undefined;
  readonly resume: boolean;
  readonly overwrite: boolean;
  /** Whether nothing was said about what to make of the masks. */
  readonly byDefault: boolean;
  readonly json: boolean;
  readonly quiet: boolean;
}

/** See `help`. Rejects with a `UsageError` before any work. */
export async function track(args: readonly string[], host: Host): Promise<ExitCode> {
  const { values, positionals, tokens } = parsing(options, args, (given) =>
    parseArgs({ args: given, options, allowPositionals: true, tokens: true }),
  );
  if (values.help === true) {
    await print(host, renderHelp(help));
    return 0;
  }
  const [video, ...more] = positionals;
  if (video === undefined || more.length > 0) throw new UsageError(`takes one VIDEO, got ${positionals.length}`);
  const boxFormat = choiceOption("--box-format", values["box-format"] ?? "xyxy", boxFormats);
  const syntax = { ...videoSyntax, boxFormat };
  const given = values.prompts === undefined ? [] : await readPromptsFile(values.prompts, boxFormat);
  const shown = promptOptionsOf(tokens);
  const masks = new MaskPictures(host, "masklet track");
  const asked = understand(values, { video, prompts: parsePrompts(shown, syntax, given), boxFormat, masks });
  await checkCollisions(asked.folder, [
    ...(isAddress(video) ? [] : [video]),
    ...(values.prompts === undefined ? [] : [values.prompts]),
    ...asked.prompts.flatMap(({ mask }) => mask ?? []),
  ]);
  // What is wrong with the command line is said before any picture is read.
  const job = { ...asked, prompts: parsePrompts(await eachLabel(shown, syntax, masks), syntax, given) };
  const progress = new Progress(host, job.quiet);
  try {
    const { fps, maxPixels } = job;
    const clip = await openClip(video, { fps, maxPixels, signal: host.signal, progress });
    try {
      return await perform(job, clip, host);
    } finally {
      await clip.close();
    }
  } finally {
    progress.clear();
  }
}

function understand(
  values: Values,
  { video, prompts, boxFormat, masks }: Pick<Job, "video" | "prompts" | "boxFormat" | "masks">,
): Job {
  const {
    output,
    reverse = false,
    both = false,
    resume = false,
    overwrite = false,
    json = false,
    quiet = false,
  } = values;
  if (prompts.length === 0) {
    throw new UsageError("needs at least one --point, --box or --mask, or --prompts: what to track");
  }
  if (!prompts.every(({ id }) => isLabel(Number(id)))) throw new UsageError("takes at most 255 objects");
  if (output === undefined) throw new UsageError("needs -o DIR: where results go");
  if (reverse && both) throw new UsageError("--reverse is backwards only, --both also forwards: give one of them");
  if (resume && overwrite) throw new UsageError("--resume goes on, --overwrite begins anew: give one of them");
  const natural = { min: 0, integer: true } as const;
  const positive = { min: 1, integer: true } as const;
  const max = numberOption("--max-conditioning-frames", values["max-conditioning-frames"], { min: 2, integer: true });
  const memories = numberOption("--memories", values.memories, positive);
  return {
    video,
    prompts,
    masks,
    boxFormat,
    fps: numberOption("--fps", values.fps, { min: 0.01, max: 1e6 }),
    start: numberOption("--start", values.start, natural),
    count: numberOption("--count", values.count, positive),
    direction: both ? "both" : reverse ? "reverse" : "forward",
    folder: output,
    formats: choicesOption("--format", values.format ?? [], formats, formatAliases),
    byDefault: values.format === undefined && values.effect === undefined && !json,
    json,
    effects: choicesOption("--effect", values.effect ?? [], effects),
    settings: {
      nonOverlappingMasks: values["non-overlap"] ?? false,
      fillHoleArea: numberOption("--fill-hole-area", values["fill-hole-area"], natural) ?? 8,
      memoryStride: numberOption("--memory-stride", values["memory-stride"], positive) ?? 1,
      ...(memories !== undefined && { memories }),
      ...(max !== undefined && { maxConditioningFrames: max }),
    },
    saveEvery: numberOption("--save-every", values["save-every"], positive) ?? 20,
    maxPixels: maxPixelsOf(values),
    resume,
    overwrite,
    quiet,
    ...modelSettings(values),
  };
}

/** Throws a `UsageError` if a file that is read could be replaced by a result. */
async function checkCollisions(folder: string, read: readonly string[]): Promise<void> {
  const target = await fileKey(folder);
  const results = ["masks", "objects", "alpha", ".track", ...resultFiles];
  for (const path of read) {
    const [first = ""] = relative(target, await fileKey(path)).split(sep);
    if (results.includes(first)) {
      throw new UsageError(`${path} is read, and could be replaced by a result; give another folder (-o)`);
    }
  }
}

async function perform(job: Job, clip: Clip, host: Host): Promise<ExitCode> {
  const { folder, prompts, masks, quiet } = job;
  const { signal } = host;
  const passes = planPasses({
    ...job,
    prompted: prompts.map(({ frame }) => frame),
    frames: clip.frames.count,
  });
  const shown = await Promise.all(prompts.map((prompt) => show(prompt, clip, masks)));
  const progress = new Progress(host, quiet);
  for (const prompt of prompts) {
    const note = boxNote(prompt, clip.frames.size, job.boxFormat);
    if (note !== undefined) progress.note(`masklet track: ${note}`);
  }
  const wanted: WantedResults = {
    ...job,
    clip,
    signal,
    prompted: countFrames(shown),
    onFrame: (done, all) => progress.show(`writing results: ${done}/${all}`),
  };
  let begun = false;
  try {
    return await withModel(job, { host, progress, quiet }, async (model, known) => {
      const { resume, overwrite, settings, saveEvery } = job;
      const facts = await factsOf(job, clip, shown, model);
      const run = await RunFolder.open(folder, facts, { resume, overwrite, files: resultFiles });
      const results = await checked(job, wanted, progress);
      begun = true;
      const onFrame = meter(progress);
      const stopped = await trackClip(model, run, {
        ...{ clip, passes, settings, saveEvery, signal, onFrame },
        prompts: shown,
        onStart: (bytes) => {
          const objects = `${results.prompted.size} object${results.prompted.size === 1 ? "" : "s"}`;
          progress.keep(`${objects}, ${clip.frames.count} frames; remembering takes ${megabytes(bytes)} at most`);
        },
      });
      const frames = await run.frames(passes);
      const modelFacts = await known;
      const written = await makeResults(run, frames, { ...results, model: modelFacts });
      progress.clear();
      if (job.json) await printFrames(run, frames, clip, modelFacts, host);
      else if (!quiet) for (const path of [join(folder, "masks"), ...written]) await print(host, `${path}\n`);
      for (const line of await summaries(run, frames)) progress.note(`${clip.shown}: ${line}`);
      if (stopped === undefined) return 0;
      host.stderr.write(`masklet track: ${describeError(stopped)}; what comes before it is kept\n`);
      return 3;
    });
  } catch (error) {
    progress.clear();
    if (begun && signal.aborted && !quiet) host.stderr.write("masklet track: stopped; --resume goes on\n");
    throw error;
  } finally {
    progress.clear();
  }
}

/** What is to be made, once it is known that it can be; an overlay that nobody asked for only where ffmpeg is there. */
async function checked({ folder, byDefault }: Job, wanted: WantedResults, progress: Progress): Promise<WantedResults> {
  if (!byDefault) {
    await checkResults(folder, wanted);
    return wanted;
  }
  const overlay: WantedResults = { ...wanted, formats: ["overlay"] };
  try {
    await checkResults(folder, overlay);
    return overlay;
  } catch (error) {
    if (!(error instanceof VideoError)) throw error;
    progress.note(`masklet track: no overlay is made: ${describeError(error)}`);
    return wanted;
  }
}

/** A line for each frame, with COCO's words. */
async function printFrames(
  run: RunFolder,
  frames: readonly number[],
  { name, frames: { size } }: Clip,
  model: ModelFacts,
  host: Host,
): Promise<void> {
  for (const frame of frames) {
    const { objects } = await run.record(frame);
    const annotations = objects.map(({ id, segmentation }) => {
      const rle = decompressRle(segmentation);
      const { x, y, width, height } = rleBox(rle);
      return { id, segmentation, bbox: [x, y, width, height], area: rleArea(rle) };
    });
    const image = { video: name, frame, width: size.width, height: size.height };
    await print(host, `${JSON.stringify({ image, annotations, model, version })}\n`);
  }
}

/** A line for each object: where it was seen, and how large it is there. */
async function summaries(run: RunFolder, frames: readonly number[]): Promise<readonly string[]> {
  const areas = new Map<number, number[]>();
  for (const frame of frames) {
    for (const { id, segmentation } of (await run.record(frame)).objects) {
      const seen = areas.get(id) ?? [];
      areas.set(id, seen);
      const area = rleArea(decompressRle(segmentation));
      if (area > 0) seen.push(area);
    }
  }
  return [...areas].map(([id, seen]) => {
    const where = `object ${id}: seen on ${seen.length} of ${count(frames.length, "frame")}`;
    if (seen.length === 0) return `${where} (poor)`;
    const mean = Math.round(seen.reduce((sum, area) => sum + area, 0) / seen.length);
    return `${where}, ${count(mean, "pixel")} on average`;
  });
}

async function show(prompt: ObjectPrompt, { frames }: Clip, masks: MaskPictures): Promise<Shown> {
  const { id, frame, mask } = prompt;
  return {
    object: Number(id),
    frame,
    prompt: promptFor(prompt, frames.size),
    ...(mask !== undefined && { mask: await masks.maskOf({ ...prompt, mask }) }),
  };
}

/** On how many frames each object is shown. */
function countFrames(shown: readonly Shown[]): ReadonlyMap<number, number> {
  const counts = new Map<number, number>();
  for (const { object } of shown) counts.set(object, (counts.get(object) ?? 0) + 1);
  return counts;
}

/** All that the masks follow from. */
async function factsOf(job: Job, clip: Clip, shown: readonly Shown[], model: Sam2): Promise<RunFacts> {
  const { start = null, count = null, direction, settings, backend, dtype } = job;
  return {
    masklet: version,
    video: clip.identity,
    model: { name: model.config.name, config: hash(JSON.stringify(model.config)), weights: await digest(model.source) },
    prompts: shown.map(({ mask, ...one }) => ({ ...one, ...(mask !== undefined && { mask: hashOf(mask) }) })),
    // Where a model is kept changes nothing about it, nor whether another backend would have done.
    settings: {
      ...{ ...settings, start, count, direction, dtype },
      backend: { ...backend, modelCache: undefined, elseTfjs: undefined },
    },
  };
}

function hashOf(mask: Mask): string {
  return hash(JSON.stringify(encodeRle(mask)));
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** Shows how far tracking is, how fast, and how long it will take. */
function meter(progress: Progress): (done: number, all: number) => void {
  let first: { readonly done: number; readonly time: number } | undefined;
  return (done, all) => {
    const now = performance.now();
    first ??= { done, time: now }; // the first frame's time is also that of the prompts
    const rate = (1000 * (done - first.done)) / (now - first.time);
    const pace = rate > 0 ? `, ${rate.toFixed(1)} frames/s, ${duration((all - done) / rate)} left` : "";
    progress.show(`tracking: ${done}/${all}${pace}`);
  };
}

/** `1:05` or `1:02:05`. */
function duration(seconds: number): string {
  const whole = Math.ceil(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const padded = (value: number): string => String(value).padStart(2, "0");
  return hours === 0 ? `${minutes}:${padded(rest)}` : `${hours}:${padded(minutes)}:${padded(rest)}`;
}
