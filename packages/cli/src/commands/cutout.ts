/** `masklet cutout`: pictures in, what they are about out, on transparent ground. */
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import type { OnnxSubjectFinder, OrtBackend, SubjectModelKind } from "@masklet/backend-ort/node";
import {
  type BackgroundOptions,
  BackgroundRemover,
  compressRle,
  encodeMaskPng,
  encodePng,
  encodeRle,
  encodeWebp,
  type Foreground,
  flatten,
  type RawImage,
  type Rgb,
  rleArea,
  rleBox,
  type Sam2,
  subjectDoubts,
  writeFileAtomic,
} from "@masklet/core/node";
import { describeError, type ExitCode, type Host, isBrokenPipe, onceEach, print } from "../host.ts";
import {
  computeOptions,
  type ModelSettings,
  maxPixelsOf,
  modelSettings,
  otherOptions,
  resultOptions,
} from "../model-options.ts";
import { createBackend, type ModelFacts, withModel } from "../models.ts";
import { Progress } from "../progress.ts";
import { findInputs, type Input } from "../segment/inputs.ts";
import { checkCollisions, type MaskId, prepareResults, resultNames } from "../segment/outputs.ts";
import type { Annotation } from "../segment/record.ts";
import { readInput } from "../segment/segmenter.ts";
import {
  choiceOption,
  choicesOption,
  count,
  type Help,
  listed,
  numberOption,
  parsing,
  renderHelp,
  UsageError,
} from "../usage.ts";
import { version } from "../version.ts";

const formats = ["cutout", "mask", "json"] as const;

/** Literal, because the package is loaded only where its models are asked for. */
const kinds: readonly SubjectModelKind[] = ["u2net", "isnet", "birefnet", "modnet", "rmbg-1.4", "rmbg-2.0"];

const subjectOptions = {
  "subject-model": {
    type: "string",
    value: "FILE.onnx",
    help: "Find the subject with a model of saliency or matting: U2-Net, IS-Net, BiRefNet, MODNet. Default: with SAM 2 alone.",
  },
  "subject-kind": {
    type: "string",
    value: "NAME",
    help: `Which model it is, where the file does not say: ${listed(kinds, "or")}. The last two are not for commercial use.`,
  },
  soft: {
    type: "boolean",
    help: "Take the subject model's soft mask as it is, without SAM 2: better for hair.",
  },
  "no-flat": { type: "boolean", help: "Do not cut pictures with a flat background by its colour." },
  "fill-holes": {
    type: "boolean",
    help: "On flat backgrounds: keep what the object encloses, though it has the background's colour.",
  },
} as const;

const outputOptions = {
  format: {
    type: "string",
    short: "f",
    multiple: true,
    value: "LIST",
    help: `What to write, of ${formats.join(",")}. Default: cutout.`,
  },
  ...resultOptions,
  feather: { type: "string", value: "N", help: "Soften SAM 2's outlines, N pixels to both sides. Default 1." },
  "no-decontaminate": {
    type: "boolean",
    help: "Leave pixels at the edge the colour they have, a mix with the background's.",
  },
  background: { type: "string", value: "COLOUR", help: "Put the subject on a colour, #rrggbb, white or black." },
} as const;

const options = { ...subjectOptions, ...outputOptions, ...computeOptions, ...otherOptions } as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof options }>>["values"];

const help: Help = {
  usage: "masklet cutout IMAGE... [options]",
  about: `Cut out what pictures are about, without a prompt.

IMAGE is a file, a folder, an https address, a pattern such as "*.jpg", or - for standard input, as for masklet segment.`,
  sections: {
    "How to find the subject": subjectOptions,
    "What to write": outputOptions,
    "How to compute": computeOptions,
    Others: otherOptions,
  },
  notes: `A picture on a flat background (a logo, a product) is cut by the background's colour, exactly, holes and antialiased edges
too; no model is loaded for it. In others the subject is found by the subject model, or else by SAM 2: of the masks of
everything, the one that is large, central, whole and firm, also in the mirrored picture. SAM 2 then draws its outline.

photo.jpg gives photo.cutout.png, photo.mask.png and photo.json. Where it is unsure it says why, on standard error and in
the record, and the exit code is 4: look at those.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 some images failed, 4 done but unsure of some, 130 interrupted.`,
  examples: [
    'masklet cutout "products/*.jpg" --crop --padding 8 -o out',
    "masklet cutout portrait.jpg --subject-model birefnet.onnx --subject-kind birefnet --soft",
    "masklet cutout logo.png --background white --webp",
    "masklet cutout photos --skip-existing -o out --format cutout,json",
  ],
};

type Format = (typeof formats)[number];

/** A command line, understood. */
interface Job extends ModelSettings {
  readonly inputs: readonly Input[];
  /** `undefined`: standard output. */
  readonly folder: string | undefined;
  readonly formats: readonly Format[];
  readonly webp: boolean;
  readonly background: Rgb | undefined;
  readonly subjectModel: string | undefined;
  readonly subjectKind: SubjectModelKind | undefined;
  readonly removal: BackgroundOptions;
  readonly maxPixels: number | undefined;
  readonly skipExisting: boolean;
  readonly json: boolean;
  readonly quiet: boolean;
}

/** What was cut out of an image, as JSON. */
interface CutoutRecord {
  readonly image: { readonly file_name: string; readonly width: number; readonly height: number };
  readonly method: Foreground["method"];
  readonly sure: boolean;
  readonly unsure: Foreground["unsure"];
  readonly segmentation: Annotation["segmentation"];
  readonly bbox: Annotation["bbox"];
  readonly area: number;
  readonly predicted_iou?: number;
  /** Which found the subject, where one was given. */
  readonly subject_model?: { readonly file: string; readonly kind: SubjectModelKind; readonly licence: string };
  /** SAM 2's, where it was asked. */
  readonly model?: ModelFacts;
  /** Of masklet. */
  readonly version: string;
}

/** One subject in each image. */
const onlyMask: readonly MaskId[] = [{ id: "1" }];

/** See `help`. Rejects with a `UsageError` before any work. */
export async function cutout(args: readonly string[], host: Host): Promise<ExitCode> {
  const { values, positionals } = parsing(options, args, (given) =>
    parseArgs({ args: given, options, allowPositionals: true }),
  );
  if (values.help === true) {
    await print(host, renderHelp(help));
    return 0;
  }
  if (positionals.length === 0) throw new UsageError("needs an image: a file, a pattern, or - for standard input");
  const job = understand(values, await findInputs(positionals));
  const { folder, inputs } = job;
  if (folder !== undefined) await checkCollisions(folder, inputs, onlyMask, { ...job, promptMasks: [] });
  else {
    const results = inputs.length * job.formats.length;
    if (results !== 1) throw new UsageError(`-o - takes exactly one result, but there are ${results}`);
  }
  return perform(job, host);
}

function understand(values: Values, inputs: readonly Input[]): Job {
  const { json = false, crop = false, webp = false, quiet = false, soft = false } = values;
  const wanted = choicesOption("--format", values.format ?? ["cutout"], formats);
  const toStdout = values.output === "-";
  const nothingElse = json && values.output === undefined && values.format === undefined;
  const skipExisting = values["skip-existing"] ?? false;
  if (toStdout && json) throw new UsageError("--json and -o - both want standard output: give one of them");
  if (skipExisting && (toStdout || nothingElse)) {
    throw new UsageError("--skip-existing is for results in files: give a folder with -o");
  }
  if (values.padding !== undefined && !crop) throw new UsageError(`--padding ${values.padding} needs --crop`);
  const written = nothingElse ? [] : wanted;
  const unused = (["crop", "feather", "webp", "background", "no-decontaminate"] as const).find(
    (name) => values[name] !== undefined && values[name] !== false,
  );
  if (unused !== undefined && !written.includes("cutout")) {
    throw new UsageError(`--${unused} is for cutouts, and there are none: see --format`);
  }
  const subjectModel = values["subject-model"];
  const kind = values["subject-kind"];
  for (const [name, given] of Object.entries({ "subject-kind": kind, soft: soft || undefined })) {
    if (given !== undefined && subjectModel === undefined) throw new UsageError(`--${name} needs --subject-model`);
  }
  const pixels = { min: 0, max: 4096 } as const;
  const maxPixels = maxPixelsOf(values);
  return {
    inputs,
    folder: toStdout ? undefined : (values.output ?? "."),
    formats: written,
    webp,
    background: values.background === undefined ? undefined : colourOption("--background", values.background),
    subjectModel,
    subjectKind: kind === undefined ? undefined : choiceOption("--subject-kind", kind, kinds),
    removal: {
      crop,
      padding: numberOption("--padding", values.padding, { ...pixels, integer: true }) ?? 0,
      feather: numberOption("--feather", values.feather, pixels) ?? 1,
      sharpen: !soft,
      flat: !(values["no-flat"] ?? false),
      holes: !(values["fill-holes"] ?? false),
      decontaminate: !(values["no-decontaminate"] ?? false),
      maxPixels: Number.POSITIVE_INFINITY, // reading refuses what is too large
    },
    maxPixels,
    skipExisting,
    json,
    quiet,
    ...modelSettings(values),
  };
}

function colourOption(option: string, text: string): Rgb {
  if (text === "white") return [255, 255, 255];
  if (text === "black") return [0, 0, 0];
  const digits = /^#?([0-9a-f]{6})$/i.exec(text)?.[1];
  if (digits === undefined) throw new UsageError(`${option} takes #rrggbb, white or black, got "${text}"`);
  const number = Number.parseInt(digits, 16);
  return [number >> 16, (number >> 8) & 255, number & 255];
}

async function perform(job: Job, host: Host): Promise<ExitCode> {
  const progress = new Progress(host, job.quiet);
  const { folder, formats: wanted, skipExisting } = job;
  const namesOf = (input: Input): readonly string[] => resultNames(input, onlyMask, job);
  try {
    const inputs =
      folder !== undefined && wanted.length > 0
        ? await prepareResults(folder, job.inputs, { namesOf, skipExisting })
        : job.inputs;
    const skipped = job.inputs.length - inputs.length;
    if (skipped > 0) {
      progress.note(`masklet cutout: ${skipped} of ${count(job.inputs.length, "image")} had all results already`);
    }
    if (inputs.length === 0) return 0;
    await using models = new Models(job, host, progress);
    return await cutAll({ ...job, inputs }, host, models, progress);
  } finally {
    progress.clear();
  }
}

/** What is loaded when the first picture needs it. */
class Models {
  readonly #job: Job;
  readonly #host: Host;
  readonly #progress: Progress;
  #subject: Promise<{ readonly backend: OrtBackend; readonly finder: OnnxSubjectFinder }> | undefined;
  #sam2: Promise<{ readonly model: Sam2; readonly facts: Promise<ModelFacts> }> | undefined;
  #release: () => void = () => {};
  #released: Promise<void> = Promise.resolve();
  /** Of SAM 2, once it was asked. */
  facts: Promise<ModelFacts> | undefined;
  /** Why it could not be loaded. */
  loadError: unknown;

  constructor(job: Job, host: Host, progress: Progress) {
    this.#job = job;
    this.#host = host;
    this.#progress = progress;
  }

  /** SAM 2, which is kept until the end. */
  async sam2(): Promise<Sam2> {
    this.#sam2 ??= new Promise((resolve, reject) => {
      const ended = new Promise<void>((release) => {
        this.#release = release;
      });
      const asking = { host: this.#host, progress: this.#progress, quiet: this.#job.quiet };
      this.#released = withModel(this.#job, asking, async (model, facts) => {
        resolve({ model, facts });
        await ended;
      });
      this.#released.catch(reject);
    });
    try {
      const { model, facts } = await this.#sam2;
      this.facts = facts;
      return model;
    } catch (error) {
      this.loadError = error;
      throw error;
    }
  }

  /** The subject model, if there is one. */
  async finder(): Promise<OnnxSubjectFinder | undefined> {
    const { subjectModel, subjectKind: kind, backend: settings } = this.#job;
    if (subjectModel === undefined) return undefined;
    this.#subject ??= (async () => {
      // It needs ONNX Runtime, whatever computes SAM 2.
      const own = settings.name === "ort" ? settings : ({ name: "ort", device: "cpu", threads: undefined } as const);
      const backend = (await createBackend({ ...own, elseTfjs: false })) as OrtBackend;
      try {
        const { openSubjectFinder } = await import("@masklet/backend-ort/node");
        this.#progress.show(`loading ${subjectModel}`);
        const { signal } = this.#host;
        const finder = await openSubjectFinder(subjectModel, { backend, signal, ...(kind && { kind }) });
        if (finder.nonCommercial) {
          this.#progress.note(`masklet cutout: ${finder.kind} is not for commercial use: ${finder.licence}`);
        }
        return { backend, finder };
      } catch (error) {
        await backend.dispose();
        throw error;
      }
    })();
    return (await this.#subject).finder;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#release();
    const subject = await this.#subject?.catch(() => undefined);
    await subject?.backend.dispose();
    await this.#released.catch(() => {}); // it was told when it was asked for
  }
}

async function cutAll(job: Job, host: Host, models: Models, progress: Progress): Promise<ExitCode> {
  const { inputs } = job;
  const { signal } = host;
  const finder = await models.finder(); // before any picture: what is wrong with the file is wrong for all of them
  const remover = new BackgroundRemover(() => models.sam2(), { ...job.removal, ...(finder && { finder }) });
  const onWarning = onceEach((problem) => progress.note(`masklet cutout: ${problem}`));
  const read = (input: Input | undefined): Promise<RawImage> | undefined => {
    const reading = input && readInput(input, job, { host, progress }, onWarning);
    reading?.catch(() => {}); // told in its turn
    return reading;
  };
  let [failed, unsure] = [0, 0];
  let next = read(inputs[0]);
  for (const [i, input] of inputs.entries()) {
    const reading = next as Promise<RawImage>;
    progress.show(`${inputs.length === 1 ? "" : `[${i + 1}/${inputs.length}] `}${input.source}`);
    try {
      const image = await reading.finally(() => {
        next = read(inputs[i + 1]); // while this one is computed
      });
      const found = await remover.remove(image, { signal });
      await writeResults(job, host, { input, image, found, finder, facts: await models.facts });
      if (!found.sure) unsure++;
      progress.note(`${input.source}: ${summary(found)}`);
    } catch (error) {
      if (signal.aborted || isBrokenPipe(error) || error === models.loadError) throw error;
      progress.clear();
      const told = describeError(error);
      const named = told.startsWith(input.source) ? told : `${input.source}: ${told}`;
      host.stderr.write(`masklet cutout: ${named}\n`);
      failed++;
    }
  }
  if (failed > 0) return failed === inputs.length ? 1 : 3;
  return unsure > 0 ? 4 : 0;
}

interface Result {
  readonly input: Input;
  readonly image: RawImage;
  readonly found: Foreground;
  readonly finder: OnnxSubjectFinder | undefined;
  readonly facts: ModelFacts | undefined;
}

async function writeResults(job: Job, host: Host, result: Result): Promise<void> {
  const { folder, formats: wanted, webp, background, json, quiet } = job;
  const { signal } = host;
  const { input, found } = result;
  const record = recordOf(job, result);
  const encoders: { readonly [F in Format]: () => Promise<Uint8Array> } = {
    cutout: () => {
      const pixels = background === undefined ? found.cutout : flatten(found.cutout, background);
      return webp ? encodeWebp(pixels) : encodePng(pixels);
    },
    mask: () => encodeMaskPng(found.mask),
    json: async () => Buffer.from(`${JSON.stringify(record, undefined, 2)}\n`),
  };
  for (const format of wanted) {
    signal.throwIfAborted();
    const [name = ""] = resultNames(input, onlyMask, { formats: [format], webp });
    const bytes = await encoders[format]();
    if (folder === undefined) {
      await print(host, bytes);
      continue;
    }
    await writeFileAtomic(join(folder, name), bytes, { signal });
    if (!json && !quiet) await print(host, `${join(folder, name)}\n`);
  }
  if (json) await print(host, `${JSON.stringify(record)}\n`);
}

function recordOf({ subjectModel }: Job, { input, image, found, finder, facts }: Result): CutoutRecord {
  const { method, sure, unsure, predictedIou } = found;
  const rle = encodeRle(found.mask);
  const { x, y, width, height } = rleBox(rle);
  const byColour = method === "flat-background";
  return {
    image: {
      file_name: input.source === "-" ? "-" : basename(input.source),
      width: image.width,
      height: image.height,
    },
    method,
    sure,
    unsure,
    segmentation: compressRle(rle),
    bbox: [x, y, width, height],
    area: rleArea(rle),
    ...(predictedIou !== undefined && { predicted_iou: Number(predictedIou.toFixed(6)) }),
    ...(finder !== undefined &&
      !byColour && {
        subject_model: { file: basename(subjectModel as string), kind: finder.kind, licence: finder.licence },
      }),
    ...(facts !== undefined && !byColour && { model: facts }),
    version,
  };
}

const methods: { readonly [M in Foreground["method"]]: string } = {
  "flat-background": "cut from a flat background",
  outline: "outlined by SAM 2",
  "soft-mask": "cut by its soft mask",
};

function summary({ method, predictedIou, unsure }: Foreground): string {
  const firm = predictedIou === undefined ? "" : `, predicted IoU ${predictedIou.toFixed(2)}`;
  const doubts = unsure.map((doubt) => subjectDoubts[doubt]).join("; ");
  return `${methods[method]}${firm}${doubts === "" ? "" : `; unsure: ${doubts}`}`;
}
