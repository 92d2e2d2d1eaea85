/** Options that several commands have: which model to compute with and where, what is read, and what is printed. */
import type { OrtNodeDevice } from "@masklet/backend-ort/node";
import type { TfjsNodeEngine } from "@masklet/backend-tfjs/node";
import { type ImagePredictorOptions, type Precision, precisions } from "@masklet/core/node";
import type { BackendSettings } from "./models.ts";
import { choiceOption, commonOptions, listed, numberOption, type OneOption, UsageError } from "./usage.ts";

const backends = ["ort", "tfjs", "reference"] as const;
const devices: readonly OrtNodeDevice[] = ["cpu", "webgpu", "cuda", "coreml", "dml"];
const engines: readonly TfjsNodeEngine[] = ["node-gpu", "node", "wasm", "cpu"];

type ModelOption = "model" | "config" | "dtype" | "backend" | "device" | "threads" | "model-cache";

export const modelOptions: Readonly<
  Record<ModelOption, OneOption<"string">> & Record<"offline", OneOption<"boolean">>
> = {
  model: {
    type: "string",
    short: "m",
    value: "MODEL",
    help: "A name (sam2.1-hiera-tiny, edgetam), a .pt or .safetensors file, a folder, nano, the small one that ships with masklet, or auto, the default: the one chosen with masklet models use, else the best of the published models on this machine, else nano.",
  },
  offline: {
    type: "boolean",
    help: "Download nothing and ask nothing, as with HF_HUB_OFFLINE=1.",
  },
  config: {
    type: "string",
    value: "JSON",
    help: "The model's config, where it is none of the published models and none lies beside it; or the name of a published model, where several have such tensors (efficienttam-s-1).",
  },
  dtype: {
    type: "string",
    value: "NAME",
    help: `What to compute in: ${listed(precisions, "or")}. Default: fp32. What there is depends on backend and device.`,
  },
  backend: {
    type: "string",
    value: "NAME",
    help: "ort (ONNX Runtime), tfjs (TensorFlow.js) or reference (plain TypeScript, very slow). Default: ort, or tfjs where ONNX Runtime is not installed.",
  },
  device: {
    type: "string",
    value: "NAME",
    help: `With ort: ${listed(devices, "or")}; default: cpu. With tfjs: ${listed(engines, "or")} (plain JavaScript); default: the first of them that starts. See masklet doctor.`,
  },
  threads: { type: "string", value: "N", help: "With ort: threads for the CPU. Default: one for each core." },
  "model-cache": {
    type: "string",
    value: "FOLDER",
    help: "With ort on the CPU: keep the model here as it was optimized, so that it loads faster the next time. It takes about as much room as the weights, and may be removed at any time.",
  },
};

/** Of commands that read pictures or videos. */
export const computeOptions: typeof modelOptions & Readonly<Record<"max-pixels", OneOption<"string">>> = {
  ...modelOptions,
  "max-pixels": {
    type: "string",
    value: "N",
    help: "Take images and frames of at most N pixels, width times height. Default: 134217728.",
  },
};

/** The value of `--max-pixels`. Throws a `UsageError`. */
export function maxPixelsOf(values: { readonly "max-pixels"?: string | undefined }): number | undefined {
  return numberOption("--max-pixels", values["max-pixels"], { min: 1, integer: true });
}

export const boxFormatOption = {
  "box-format": {
    type: "string",
    value: "NAME",
    help: "What the numbers of boxes are: xyxy, two corners (the default), or xywh, a corner and the size, as COCO has them.",
  },
} as const;

/** Of commands that write files for each picture. */
export const resultOptions = {
  output: {
    type: "string",
    short: "o",
    value: "DIR",
    help: "Where results go, the current folder if not given. With - the only result goes to standard output.",
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
  webp: { type: "boolean", help: "Write cutouts as WebP." },
} as const;

export const otherOptions: Readonly<Record<"quiet" | "help", OneOption<"boolean">>> = {
  quiet: { type: "boolean", short: "q", help: "Print errors only, and what was asked for on standard output." },
  ...commonOptions,
};

/** How masks are made of what the model says. */
export const maskOptions = {
  "mask-threshold": { type: "string", value: "N", help: "The logit above which a pixel is on the object. Default 0." },
  "max-hole-area": { type: "string", value: "N", help: "Fill holes of at most N low-resolution pixels. Default 0." },
  "max-speck-area": {
    type: "string",
    value: "N",
    help: "Remove specks of at most N low-resolution pixels. Default 0.",
  },
} as const;

/** Throws a `UsageError`. */
export function maskSettings(
  values: { readonly [K in keyof typeof maskOptions]?: string | undefined },
): Required<Pick<ImagePredictorOptions, "maskThreshold" | "maxHoleArea" | "maxSpeckArea">> {
  const area = { min: 0, integer: true } as const;
  return {
    maskThreshold: numberOption("--mask-threshold", values["mask-threshold"], {}) ?? 0,
    maxHoleArea: numberOption("--max-hole-area", values["max-hole-area"], area) ?? 0,
    maxSpeckArea: numberOption("--max-speck-area", values["max-speck-area"], area) ?? 0,
  };
}

/** What `parseArgs` makes of `modelOptions`. */
export type ModelValues = { readonly [K in ModelOption]?: string | undefined } & {
  readonly offline?: boolean | undefined;
};

/** Which model to compute with, and where. */
export interface ModelSettings {
  /** As `findModel` takes it, or "auto". */
  readonly model: string;
  /** Nothing may be downloaded or asked. */
  readonly offline: boolean;
  /** The file of the config. */
  readonly config: string | undefined;
  readonly dtype: Precision;
  readonly backend: BackendSettings;
}

/** Throws a `UsageError`. */
export function modelSettings({
  model = "auto",
  offline = false,
  config,
  dtype = "fp32",
  ...values
}: ModelValues): ModelSettings {
  const precision = choiceOption("--dtype", dtype, precisions);
  return { model, offline, config, dtype: precision, backend: backendSettings(values, precision) };
}

function backendSettings(
  { backend, device, threads, "model-cache": modelCache }: Omit<ModelValues, "model" | "offline" | "config" | "dtype">,
  dtype: Precision,
): BackendSettings {
  const name = choiceOption("--backend", backend ?? "ort", backends);
  if (name === "ort") {
    const own = [backend, device, threads, modelCache].some((value) => value !== undefined) || dtype !== "fp32";
    return {
      name,
      elseTfjs: !own,
      device: choiceOption("--device", device ?? "cpu", devices),
      threads: numberOption("--threads", threads, { min: 1, max: 1024, integer: true }),
      modelCache,
    };
  }
  if (modelCache !== undefined)
    throw new UsageError(`--model-cache ${modelCache} is for --backend ort, not for ${name}`);
  if (threads !== undefined) throw new UsageError(`--threads ${threads} is for --backend ort, not for ${name}`);
  if (name === "tfjs") {
    return { name, engine: device === undefined ? undefined : choiceOption("--device", device, engines) };
  }
  if (device !== undefined && device !== "cpu") {
    throw new UsageError(`--backend reference runs on the CPU alone, got --device ${device}`);
  }
  return { name };
}
