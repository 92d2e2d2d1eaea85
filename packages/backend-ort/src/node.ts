import { readFileSync } from "node:fs";
import { mkdtemp, readdir, readFile, realpath, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join, parse, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import type { ByteSource } from "@masklet/core";
import { checkKeys, type Keys, MaskletError, precisions, Queue } from "@masklet/core/backend";
import {
  createRemoveBackground,
  createSegment,
  fileSource,
  type ImageSource,
  type RemoveBackground,
  type Segment,
  type SegmentModelSource,
} from "@masklet/core/node";
import { createBackend } from "./backend.ts";
import { type DetectorOptions, type OrtDetector, openDetectorModel } from "./detect/detector.ts";
import { deviceUnavailable, messageOf } from "./errors.ts";
import { modelCache } from "./model-cache.ts";
import { nodeRuntimeMissing } from "./node-runtime.ts";
import type { SharedFolder } from "./onnx/weights.ts";
import { probeModel } from "./probe.ts";
import { type Profiling, parseProfile } from "./profile.ts";
import type { OrtBackend, OrtRuntime, OrtTuning } from "./runtime.ts";
import { sessionOptions } from "./session-options.ts";
import { type OnnxSubjectFinder, openSubjectModel, type SubjectFinderOptions } from "./subject-finder.ts";

export type { DetectorOptions, OrtDetector } from "./detect/detector.ts";
export { type DetectorLayout, detectorLayouts } from "./detect/layout.ts";
export type { OnnxModel, OnnxValue } from "./onnx-model.ts";
export type { Profile, ProfiledNode } from "./profile.ts";
export type { OrtBackend, OrtExecutable, OrtRuntime, OrtTuning } from "./runtime.ts";
export type { OnnxSubjectFinder, SubjectFinderOptions } from "./subject-finder.ts";
export { type SubjectModel, type SubjectModelKind, subjectModelKinds, subjectModels } from "./subject-models.ts";

// Read when the native library is loaded, which the application may do itself once this module is there; see the README.
process.env["ORT_DISABLE_TELEMETRY"] ??= "1";

/** Devices of `onnxruntime-node`. */
export type OrtNodeDevice = "cpu" | "webgpu" | "cuda" | "coreml" | "dml";

const devices: readonly OrtNodeDevice[] = ["cpu", "webgpu", "cuda", "coreml", "dml"];

export interface OrtNodeOptions extends OrtTuning {
  /** `onnxruntime-node`, imported whole; imported when it is needed by default. */
  readonly ort?: OrtRuntime;
  /** Default "cpu". */
  readonly device?: OrtNodeDevice;
  /** Record the time of every node, for `OrtExecutable.endProfile`. Default false. */
  readonly profile?: boolean;
  /**
   * A folder in which models are kept as ONNX Runtime optimised them, so that they load in a fraction of the time when
   * they are compiled again, also by another process: about as large as their weights in the precision they are computed
   * in. For device "cpu" and checkpoints in files; it may be removed at any time. Default: none.
   */
  readonly modelCache?: string;
}

/**
 * ONNX Runtime in Node. Weights in files are mapped by the runtime itself, not read into JavaScript's memory.
 *
 * Compiling and running block the event loop while they compute: use a worker thread where that matters. A run cannot be
 * stopped; an abort while it computes takes effect when it is over.
 *
 * Rejects with a `BackendError`: "runtime-missing" if `onnxruntime-node` cannot be loaded, "device-unavailable" (with
 * `details.available`) for a device that this machine does not have.
 */
export async function createOrtBackend(options: OrtNodeOptions = {}): Promise<OrtBackend> {
  checkKeys("createOrtBackend", options, nodeKeys);
  const { device = "cpu", profile = false } = options;
  const ort = options.ort ?? (await loadRuntime());
  if (device !== "cpu") await requireDevice(ort, device);
  const session = sessionOptions(device, { ...options, threads: options.threads ?? physicalCores() });
  return createBackend({
    ort,
    target: device === "cpu" ? "cpu" : "gpu",
    capabilities: {
      device,
      // The GPU providers hand their outputs over in host memory.
      deviceTensors: device === "cpu",
      // Elsewhere float16 has not been run: a GPU without it fails only when it computes.
      dtypes: device === "cpu" ? precisions : ["fp32", "q8", "q4"],
      fusedOps: ["quantizedLinear", "attention", "layerNormalization", "gelu", "conv2d", "resample2d"],
    },
    sessionOptions: session,
    lock: new Queue(),
    shareFolder,
    ...(options.modelCache !== undefined &&
      device === "cpu" && { modelCache: modelCache(options.modelCache, ort, session) }),
    ...(profile && { profiling: profileToFile }),
  });
}

/** The devices that `createOrtBackend` would accept on this machine, by trying each on a model of one node. */
export async function availableDevices(options: Pick<OrtNodeOptions, "ort"> = {}): Promise<readonly OrtNodeDevice[]> {
  checkKeys("availableDevices", options, { ort: true });
  const ort = options.ort ?? (await loadRuntime());
  const found: OrtNodeDevice[] = [];
  for (const device of devices) if ((await whyNot(ort, device)) === undefined) found.push(device);
  return found;
}

async function requireDevice(ort: OrtRuntime, device: OrtNodeDevice): Promise<void> {
  const cause = await whyNot(ort, device);
  if (cause === undefined) return;
  throw deviceUnavailable(device, await availableDevices({ ort }), { cause, reason: messageOf(cause) });
}

/** The error that a device fails with, or `undefined` if it works. */
async function whyNot(ort: OrtRuntime, device: string): Promise<unknown> {
  try {
    const session = await ort.InferenceSession.create(probeModel(), {
      executionProviders: [device],
      logSeverityLevel: 4,
    });
    await session.release();
    return undefined;
  } catch (error) {
    return error ?? new Error("it failed without an error");
  }
}

async function loadRuntime(): Promise<OrtRuntime> {
  let ort: OrtRuntime;
  try {
    ort = await import("onnxruntime-node");
  } catch (error) {
    throw nodeRuntimeMissing(error);
  }
  // Failures come as errors; the runtime's own lines on stderr would only repeat them.
  ort.env.logLevel = "fatal";
  return ort;
}

/** Two threads of one core share its arithmetic: more threads than cores only get in each other's way. */
function physicalCores(): number {
  const threads = availableParallelism();
  return hasHyperthreads() ? Math.max(1, Math.ceil(threads / 2)) : threads;
}

function hasHyperthreads(): boolean {
  if (process.platform !== "linux") return process.arch === "x64";
  try {
    return readFileSync("/sys/devices/system/cpu/smt/active", "utf8").trim() === "1";
  } catch {
    return false;
  }
}

/** ONNX Runtime reads files below one folder alone, and does not follow links out of it. */
async function shareFolder(paths: readonly string[]): Promise<SharedFolder | undefined> {
  let files: readonly string[];
  try {
    files = await Promise.all(paths.map((path) => realpath(path)));
  } catch {
    return undefined; // reading through the source reports it
  }
  const [first, ...rest] = files;
  if (first === undefined) return undefined;
  let folder = dirname(first);
  while (rest.some((file) => !file.startsWith(folder.endsWith(sep) ? folder : folder + sep))) {
    if (folder === parse(folder).root) return undefined; // another drive
    folder = dirname(folder);
  }
  const locations = paths.map((path, i): [string, string] => {
    return [
      path,
      relative(folder, files[i] ?? "")
        .split(sep)
        .join("/"),
    ];
  });
  return { folder, locations: new Map(locations) };
}

async function profileToFile(): Promise<Profiling> {
  const folder = await mkdtemp(join(tmpdir(), "masklet-profile-")).catch((cause: Error) => {
    const problem = `${tmpdir()}: no temporary folder for the profile can be made there: ${cause.message}`;
    throw new MaskletError("write-failed", `${problem}; set TMPDIR`, { cause, details: { path: tmpdir() } });
  });
  const discard = (): Promise<void> => rm(folder, { recursive: true, force: true });
  return {
    sessionOptions: { enableProfiling: true, profileFilePrefix: join(folder, "profile") },
    collect: async () => {
      const [file = ""] = await readdir(folder);
      const profile = parseProfile(await readFile(join(folder, file), "utf8"));
      await discard();
      return profile;
    },
    discard,
  };
}

const nodeKeys: Keys<OrtNodeOptions> = {
  ort: true,
  device: true,
  profile: true,
  modelCache: true,
  threads: true,
  arena: true,
  memoryPattern: true,
  graphOptimization: true,
};
/**
 * One object of an image in one call, on the CPU unless another `backend` is given. Images are what `readImage` of
 * `@masklet/core/node` opens: a path, an address, bytes, pixels. Files are bytes.
 *
 *     const found = await segment("photo.jpg", { points: [[581, 532]] });
 *     await found.cutout();
 */
export const segment: Segment<ImageSource, Uint8Array, SegmentModelSource> = /* @__PURE__ */ createSegment({
  createBackend: () => createOrtBackend(),
  nano: async () => (await import("@masklet/model-nano")).nanoModel,
});

/**
 * What an image is about, cut out in one call: by colour on a flat background, else with the model that `segment` keeps,
 * whose options it shares.
 *
 *     const { cutout, sure } = await removeBackground("photo.jpg");
 */
export const removeBackground: RemoveBackground<ImageSource, Uint8Array, SegmentModelSource> =
  /* @__PURE__ */ createRemoveBackground(segment);

/**
 * A detector's ONNX file, which any exporter may have written, as a `Detector`. `source` is its path or a `file:` URL, bytes
 * or a `ByteSource`. A model whose shapes are not written is run once on black to see them.
 *
 * Rejects with a `DetectorError` for a model whose layout is not clear, with a `PromptError` for an option, as `fileSource`
 * of `@masklet/core/node` and `OrtBackend.openModel`.
 */
export async function openDetector(source: OnnxSource, options: DetectorOptions): Promise<OrtDetector> {
  return openDetectorModel(() => opened(source), options);
}

/**
 * Opens a published model that finds what pictures are about: `finder` of `removeBackground`. `source` is the path of its
 * ONNX file or a `file:` URL, bytes or a `ByteSource`.
 *
 * Rejects as `fileSource` of `@masklet/core/node` and `OrtBackend.openModel`; with a `BackendError` "model-ambiguous"
 * where the file does not say which model it is (`details.choices`: name it with `kind`), "unsupported" for a file that
 * takes no picture or gives no mask.
 */
export async function openSubjectFinder(source: OnnxSource, options: SubjectFinderOptions): Promise<OnnxSubjectFinder> {
  return openSubjectModel(() => opened(source), options);
}

/** Where an ONNX file is: its path or a `file:` URL, its bytes, or a `ByteSource`. */
export type OnnxSource = string | URL | ByteSource | Uint8Array;

async function opened(source: OnnxSource): Promise<ByteSource | Uint8Array> {
  const named = typeof source === "string" || source instanceof URL;
  const path = source instanceof URL && source.protocol === "file:" ? fileURLToPath(source) : String(source);
  return named ? fileSource(path) : source;
}
