/** What `masklet mcp` offers to a language model: it reads, and writes nothing. */
import { realpath, stat } from "node:fs/promises";
import { isAbsolute, relative, resolve } from "node:path";
import {
  compressRle,
  type EmbeddingCache,
  encodePng,
  encodeRle,
  ImagePredictor,
  MemoryEmbeddingCache,
  maskBox,
  overlay,
  PromptError,
  readImage,
  rleArea,
  type Sam2,
} from "@masklet/core/node";
import { LabelError, labelStats } from "@masklet/labels";
import { allFindings } from "../labels/findings.ts";
import { openLabels } from "../labels/read.ts";
import { fittedSize, smallImage, smallMask } from "../small.ts";
import type { Content, Tool } from "./server.ts";

/** The longer side of the pictures in answers. */
const SHOWN = 1024;
/** Findings that are listed; the others are counted. */
const LISTED = 50;

const formats = "COCO, YOLO, LabelMe, CVAT, Label Studio, Pascal VOC, DAVIS, Cityscapes and others";

const pathOf = { path: { type: "string", description: "A folder, or a label file" } } as const;
const numbers = (count: number, description?: string): object => ({
  type: "array",
  items: { type: "number" },
  minItems: count,
  maxItems: count,
  ...(description !== undefined && { description }),
});

export interface ToolSettings {
  /** The folder that is read, and nothing outside of it. */
  readonly root: string;
  readonly maxPixels: number | undefined;
  /** The model, loaded when it is first asked for. */
  readonly model: () => Promise<Sam2>;
}

export function toolsOf(settings: ToolSettings): readonly Tool[] {
  // A picture that is asked about again is not encoded again.
  const cache = new MemoryEmbeddingCache();
  return [
    {
      name: "masklet_segment",
      title: "Segment an object",
      description:
        "Finds one object in an image with SAM 2, from points or a box in pixels. Answers with the model's own score, area, bounding box, COCO run lengths, and a picture in which the object is tinted: look at it to see whether it is the right one.",
      inputSchema: {
        type: "object",
        required: ["image"],
        properties: {
          image: { type: "string", description: "Path of the image" },
          points: { type: "array", items: numbers(2), description: "[x, y] in pixels from the top left" },
          labels: {
            type: "array",
            items: { enum: [0, 1] },
            description: "For each point: 1 is on the object, 0 is not. All 1 if not given",
          },
          box: numbers(4, "[x0, y0, x1, y1] in pixels around the object"),
        },
        additionalProperties: false,
      },
      call: (args, signal) => segment(args, { ...settings, cache }, signal),
    },
    {
      name: "masklet_labels_check",
      title: "Check labels",
      description: `Reads image labels (${formats}) and lists what is wrong with them: file, place, message.`,
      inputSchema: { type: "object", required: ["path"], properties: pathOf, additionalProperties: false },
      call: async (args, signal) => {
        const { read, path } = await labelsAt(args, settings, signal);
        const findings = await allFindings(read, path);
        const errors = findings.filter(({ severity }) => severity === "error");
        const { images } = read.dataset;
        return told({
          format: read.format,
          images: images.length,
          objects: images.reduce((sum, { objects }) => sum + objects.length, 0),
          errors: errors.length,
          warnings: findings.length - errors.length,
          findings: [...errors, ...findings.filter(({ severity }) => severity !== "error")].slice(0, LISTED),
          ...(findings.length > LISTED && { notListed: findings.length - LISTED }),
        });
      },
    },
    {
      name: "masklet_dataset_stats",
      title: "Count a dataset",
      description: `Reads image labels (${formats}) and counts images, objects, classes, sizes and areas.`,
      inputSchema: { type: "object", required: ["path"], properties: pathOf, additionalProperties: false },
      call: async (args, signal) => {
        const { read } = await labelsAt(args, settings, signal);
        return told({ format: read.format, ...labelStats(read.dataset) });
      },
    },
  ];
}

function told(value: unknown): readonly Content[] {
  return [{ type: "text", text: JSON.stringify(value, undefined, 1) }];
}

type Args = Readonly<Record<string, unknown>>;

async function segment(
  args: Args,
  { root, maxPixels, model: load, cache }: ToolSettings & { readonly cache: EmbeddingCache },
  signal: AbortSignal,
): Promise<readonly Content[]> {
  const path = await within(root, textOf(args, "image"));
  const prompt = promptOf(args);
  const { mtimeMs, size: bytes } = await stat(path); // of the file before it is read: a newer one has another key
  const warnings: string[] = [];
  const image = await readImage(path, {
    signal,
    ...(maxPixels !== undefined && { maxPixels }),
    onWarning: ({ message }) => warnings.push(message),
  });
  const model = await load();
  await using predictor = new ImagePredictor(model);
  await predictor.setImage(image, { cache, key: `${path} ${bytes} ${mtimeMs}`, signal });
  // A lone point may mean a part or the whole: the best of three.
  const isAmbiguous = prompt.box === undefined && prompt.points?.length === 1;
  const prediction = await predictor.predict(prompt, { multimaskOutput: isAmbiguous, signal });
  const mask = prediction.best;
  const rle = encodeRle(mask);
  const size = fittedSize(image, SHOWN);
  const shown = overlay(smallImage(image, size), [{ mask: smallMask(mask, size) }]);
  const found = {
    model: model.config.name,
    image: { width: image.width, height: image.height },
    score: prediction.bestIou,
    area: rleArea(rle),
    box: maskBox(mask),
    rle: compressRle(rle),
    ...(warnings.length > 0 && { warnings }),
  };
  const picture = Buffer.from(await encodePng(shown)).toString("base64");
  return [
    { type: "text", text: JSON.stringify(found) },
    { type: "image", data: picture, mimeType: "image/png" },
  ];
}

async function labelsAt(
  args: Args,
  { root }: ToolSettings,
  signal: AbortSignal,
): Promise<{ readonly read: Awaited<ReturnType<typeof openLabels>>; readonly path: string }> {
  const path = await within(root, textOf(args, "path"));
  return { read: await openLabels(path, { problems: "collect" }, signal), path: relative(root, path) || "." };
}

/** The real path of a file that is in the folder, links followed. Rejects with a `LabelError` "file-missing". */
async function within(root: string, given: string): Promise<string> {
  const missing = (): LabelError =>
    new LabelError("file-missing", `${given}: is not in ${root}`, { details: { file: given } });
  const path = await realpath(resolve(root, given)).catch(() => Promise.reject(missing()));
  const inside = relative(root, path);
  if (inside.startsWith("..") || isAbsolute(inside)) throw missing();
  return path;
}

function textOf(args: Args, name: string): string {
  const value = args[name];
  if (typeof value !== "string" || value === "") throw wrong(name, "a path", value);
  return value;
}

interface ToolPrompt {
  readonly points?: readonly (readonly [number, number])[];
  readonly labels?: readonly (0 | 1)[];
  readonly box?: readonly [number, number, number, number];
}

/** Throws a `PromptError` for what is not as the schema says; the model's own checks follow. */
function promptOf({ image: _, points, labels, box, ...others }: Args): ToolPrompt {
  const [other] = Object.keys(others);
  if (other !== undefined) throw wrong(other, "nothing: there is no such argument", others[other]);
  const isNumbers = (value: unknown, count: number): boolean =>
    Array.isArray(value) && value.length === count && value.every((one) => Number.isFinite(one));
  const isPoints = Array.isArray(points) && points.length > 0 && points.every((one) => isNumbers(one, 2));
  if (points !== undefined && !isPoints) throw wrong("points", "a list of [x, y]", points);
  const isLabels = Array.isArray(labels) && labels.every((one) => one === 0 || one === 1);
  if (labels !== undefined && !isLabels) throw wrong("labels", "a list of 0 and 1", labels);
  if (box !== undefined && !isNumbers(box, 4)) throw wrong("box", "[x0, y0, x1, y1]", box);
  return {
    ...(points !== undefined && { points: points as NonNullable<ToolPrompt["points"]> }),
    ...(labels !== undefined && { labels: labels as NonNullable<ToolPrompt["labels"]> }),
    ...(box !== undefined && { box: box as NonNullable<ToolPrompt["box"]> }),
  };
}

function wrong(name: string, expected: string, got: unknown): PromptError {
  return new PromptError("bad-prompt", `${name} takes ${expected}, got ${JSON.stringify(got)}`);
}
