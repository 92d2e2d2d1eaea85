/** `--detector` and `--text`: a mask for each box that a detector finds. */
import { readFile, stat } from "node:fs/promises";
import type { DetectorLayout } from "@masklet/backend-ort/node";
import {
  type Detection,
  type DetectionPipeline,
  type Detector,
  DetectorError,
  encodeRle,
  type ImageJob,
  type ImagePrediction,
  pipelineDetector,
  type Sam2,
  segmentMany,
  systemReason,
} from "@masklet/core/node";
import { yoloClassNames } from "@masklet/labels";
import type { BackendSettings } from "../models.ts";
import { choiceOption, numberOption, UsageError } from "../usage.ts";
import type { Input } from "./inputs.ts";
import type { Category, FoundMask } from "./record.ts";
import { type CommonWork, type Finding, type ImageHost, inputReader } from "./segmenter.ts";

/** backend-ort's own list is loaded with it, where it is needed. */
const layouts = Object.keys({
  yolo: true,
  yolov5: true,
  "yolo-end2end": true,
  "ultralytics-rtdetr": true,
  rtdetr: true,
  "transformers-rtdetr": true,
  detr: true,
  "deformable-detr": true,
  "rf-detr": true,
  torchvision: true,
} satisfies Record<DetectorLayout, true>) as readonly DetectorLayout[];

/** Of transformers.js' own examples. */
const textModel = "Xenova/owlvit-base-patch32";

export const detectorOptions = {
  detector: {
    type: "string",
    value: "ONNX",
    help: "Make a mask of each box that this detector finds: an ONNX file of YOLO, RT-DETR, D-FINE, DETR, RF-DETR or torchvision, or a model for transformers.js on Hugging Face, owner/model.",
  },
  text: {
    type: "string",
    multiple: true,
    value: "WORDS",
    help: 'Make a mask of each box that shows this, "red car"; as often as needed. Needs @huggingface/transformers.',
  },
  "text-model": {
    type: "string",
    value: "OWNER/MODEL",
    help: "With --text: the zero-shot detector on Hugging Face. Default Xenova/owlvit-base-patch32.",
  },
  "detector-layout": {
    type: "string",
    value: "NAME",
    help: "What the detector's outputs mean, where they do not tell: yolo, yolov5, yolo-end2end, ultralytics-rtdetr, rtdetr, transformers-rtdetr, detr, deformable-detr, rf-detr or torchvision.",
  },
  names: {
    type: "string",
    value: "LIST",
    help: "What the detector's classes are called, where its file does not say: a data.yaml, a text file of one a line, or a list with commas.",
  },
  conf: { type: "string", value: "N", help: "Only boxes whose score is above it. Default 0.25; 0.1 with --text." },
  iou: {
    type: "string",
    value: "N",
    help: "Of YOLO's boxes of one class that overlap by a higher IoU the best stays. Default 0.7.",
  },
  imgsz: { type: "string", value: "N", help: "The detector's input, where it takes any: N or H,W. Default: its own." },
  "max-det": { type: "string", value: "N", help: "At most so many boxes of an image, the best. Default 300." },
  classes: { type: "string", value: "LIST", help: "Only these classes, names or numbers with commas." },
} as const;

type DetectorValues = {
  readonly [K in Exclude<keyof typeof detectorOptions, "text">]?: string | undefined;
} & { readonly text?: string[] | undefined };

/** What `--detector` or `--text` finds. */
export interface DetectorWork extends CommonWork {
  readonly source:
    | { readonly kind: "onnx"; readonly path: string; readonly layout: DetectorLayout | undefined }
    | { readonly kind: "pipeline"; readonly model: string; readonly texts: readonly string[] | undefined };
  readonly names: readonly string[] | undefined;
  readonly conf: number | undefined;
  readonly iou: number | undefined;
  readonly imgsz: { readonly width: number; readonly height: number } | undefined;
  readonly maxDet: number | undefined;
  readonly classes: readonly string[] | undefined;
  /** Decoder runs after the first, at most. */
  readonly refine: number;
}

/** Throws a `UsageError`. */
export async function detectorWork(
  values: DetectorValues,
  common: CommonWork & Pick<DetectorWork, "refine">,
): Promise<DetectorWork> {
  const { detector, text, classes } = values;
  if (detector !== undefined && text !== undefined) {
    throw new UsageError("--detector and --text both say what to find: give one of them");
  }
  const [height, width = height] = (values.imgsz ?? "").split(",");
  const side = (part: string | undefined): number | undefined =>
    numberOption("--imgsz", values.imgsz === undefined ? undefined : part, { min: 1, max: 16384, integer: true });
  const share = { min: 0, max: 1 } as const;
  const layout = values["detector-layout"];
  const source: DetectorWork["source"] =
    detector !== undefined && !(await isOnHub(detector))
      ? {
          kind: "onnx",
          path: detector,
          layout: layout === undefined ? undefined : choiceOption("--detector-layout", layout, layouts),
        }
      : { kind: "pipeline", model: detector ?? values["text-model"] ?? textModel, texts: text };
  const onlyOnnx = (["detector-layout", "names", "iou", "imgsz", "classes"] as const).find(
    (name) => values[name] !== undefined,
  );
  if (source.kind === "pipeline" && onlyOnnx !== undefined) {
    throw new UsageError(`--${onlyOnnx} is for an ONNX file, and transformers.js sees to that by itself`);
  }
  return {
    ...common,
    source,
    names: values.names === undefined ? undefined : await readNames(values.names),
    conf: numberOption("--conf", values.conf, share),
    iou: numberOption("--iou", values.iou, share),
    imgsz: values.imgsz === undefined ? undefined : { width: side(width) ?? 0, height: side(height) ?? 0 },
    maxDet: numberOption("--max-det", values["max-det"], { min: 1, integer: true }),
    classes: classes?.split(","),
  };
}

/** `owner/model`, unless there is such a file. */
async function isOnHub(detector: string): Promise<boolean> {
  if (!/^[\w.-]+\/[\w.-]+$/.test(detector) || /\.onnx$/i.test(detector)) return false;
  return (await stat(detector).catch(() => undefined)) === undefined;
}

async function readNames(given: string): Promise<readonly string[]> {
  if (!/\.(ya?ml|txt|names)$/i.test(given)) return given.split(",");
  let text: string;
  try {
    text = await readFile(given, "utf8");
  } catch (error) {
    throw new UsageError(`--names ${given} cannot be read: ${systemReason(error)}`);
  }
  if (/\.ya?ml$/i.test(given)) return yoloClassNames(text, given);
  return text.split(/\r?\n/).filter((line) => line !== "");
}

/** A detector that holds what it runs on. */
export type OpenDetector = Detector & { dispose(): Promise<void> };

/** Rejects with a `DetectorError`, or as `openDetector` of backend-ort does. */
export async function openDetector(work: DetectorWork, backend: BackendSettings): Promise<OpenDetector> {
  const { source, names: labels, conf, iou, imgsz, maxDet, classes } = work;
  const limits = { ...(conf !== undefined && { conf }), ...(maxDet !== undefined && { maxDet }) };
  if (source.kind === "pipeline") return openPipeline(source.model, source.texts, limits);
  const { createOrtBackend, openDetector: open } = await import("@masklet/backend-ort/node");
  // Also where masks are computed by another backend.
  const ort = await createOrtBackend(
    backend.name === "ort" && backend.threads !== undefined ? { threads: backend.threads } : {},
  );
  try {
    const detector = await open(source.path, {
      backend: ort,
      ...limits,
      ...(iou !== undefined && { iou }),
      ...(imgsz !== undefined && { imgsz }),
      ...(labels !== undefined && { labels }),
      ...(source.layout !== undefined && { layout: source.layout }),
      ...(classes !== undefined && { classes: classes.map((one) => (/^\d+$/.test(one) ? Number(one) : one)) }),
    });
    return {
      labels: detector.labels,
      detect: (image, options) => detector.detect(image, options),
      dispose: () => ort.dispose(),
    };
  } catch (error) {
    await ort.dispose();
    throw error;
  }
}

/** What is used of `@huggingface/transformers`. */
interface Transformers {
  pipeline(task: string, model: string): Promise<DetectionPipeline & { dispose?(): Promise<unknown> }>;
  readonly RawImage: new (
    data: Uint8Array | Uint8ClampedArray,
    width: number,
    height: number,
    channels: number,
  ) => unknown;
}

async function openPipeline(
  model: string,
  texts: readonly string[] | undefined,
  limits: { readonly conf?: number; readonly maxDet?: number },
): Promise<OpenDetector> {
  const name = "@huggingface/transformers"; // not known to the compiler: it is no dependency
  let library: Transformers;
  try {
    library = (await import(name)) as Transformers;
  } catch (cause) {
    throw new DetectorError(
      "pipeline-missing",
      `${texts === undefined ? `--detector ${model}` : "--text"} needs transformers.js; this installs it: npm install ${name}`,
      { cause, details: { package: name } },
    );
  }
  const task = texts === undefined ? "object-detection" : "zero-shot-object-detection";
  const pipeline = await library.pipeline(task, model).catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DetectorError("pipeline-missing", `transformers.js cannot load ${model} for ${task}: ${reason}`, {
      cause,
      details: { model, task },
    });
  });
  const detector = pipelineDetector(pipeline, {
    ...limits,
    toImage: ({ data, width, height, channels }) => new library.RawImage(data, width, height, channels),
    ...(texts !== undefined && { texts }),
  });
  return { ...detector, dispose: async () => void (await pipeline.dispose?.()) };
}

/** A mask of each box, in the order of the images; boxes by score. */
export async function* detected(
  work: DetectorWork,
  inputs: readonly Input[],
  { model, backend }: { readonly model: Sam2; readonly backend: BackendSettings },
  imageHost: ImageHost,
): AsyncGenerator<Finding, void, void> {
  const { signal } = imageHost.host;
  const read = inputReader(work, imageHost);
  const detector = await openDetector(work, backend);
  try {
    const seen = new Map<Input, readonly Detection[]>();
    const jobs = inputs.map((input): ImageJob & { readonly input: Input } => ({
      input,
      image: () => read(input),
      prompts: async (image) => {
        const found = await detector.detect(image, { signal });
        seen.set(input, found);
        return found.map(({ box }) => ({ box }));
      },
    }));
    const options = {
      ...work.predictor,
      multimaskOutput: false,
      ...(work.refine === 0 ? {} : { refine: { iterations: work.refine } }),
      readAhead: 1,
      signal,
    };
    for await (const result of segmentMany(model, jobs, options)) {
      const { input } = result.job;
      if ("error" in result) {
        yield { input, error: result.error };
        continue;
      }
      const detections = seen.get(input) ?? [];
      seen.delete(input);
      const categories = categoriesOf(detector.labels, detections);
      const masks = result.predictions.map((prediction, i) =>
        foundMask(prediction, detections[i] as Detection, { number: i + 1, categories }),
      );
      yield { input, image: result.image, masks, categories };
    }
  } finally {
    await detector.dispose();
  }
}

/** The detector's classes, from 1; where it does not say them, those that were found. */
function categoriesOf(labels: readonly string[] | undefined, detections: readonly Detection[]): readonly Category[] {
  if (labels !== undefined) return labels.map((name, i) => ({ id: i + 1, name }));
  // Numbers keep their places; other words have none.
  const found = [...new Set(detections.map(({ label }) => label))];
  return found.every((label) => /^\d+$/.test(label))
    ? found.map((name) => ({ id: Number(name) + 1, name })).sort((a, b) => a.id - b.id)
    : found.sort().map((name, i) => ({ id: i + 1, name }));
}

function foundMask(
  { best, iouPredictions, stabilityScores, objectScore }: ImagePrediction,
  { box, label, score }: Detection,
  { number, categories }: { readonly number: number; readonly categories: readonly Category[] },
): FoundMask {
  const category = categories.find(({ name }) => name === label);
  return {
    id: String(number),
    rle: encodeRle(best),
    mask: best,
    best: true,
    predictedIou: iouPredictions[0] as number,
    stabilityScore: stabilityScores[0] as number,
    label: `${label} ${score.toFixed(2)}`,
    facts: {
      object_score: objectScore,
      score,
      ...(category !== undefined && { category_id: category.id }),
      prompt: { box },
    },
  };
}
