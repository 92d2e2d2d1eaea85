/** Models and backends by the names that the command line gives them. */
import { fileURLToPath } from "node:url";
import { createOrtBackend, type OrtNodeDevice } from "@masklet/backend-ort/node";
import {
  type AbortSignalLike,
  type Backend,
  type DownloadOptions,
  type Environment,
  fileSource,
  type LoadProgress,
  listCachedModels,
  type ModelFiles,
  obtainModel,
  readConfig,
  resolveModel,
  Sam2,
  type Sam2Config,
} from "@masklet/core/node";
import { createReferenceBackend } from "@masklet/core/testing";
import { nanoModel } from "@masklet/model-nano";
import type { Host } from "./host.ts";
import { megabytes, type Progress, percent } from "./progress.ts";

/** The model that ships with the command line. */
export const nano = "nano";

/** A model, found but not loaded. */
export interface FoundModel extends ModelFiles {
  /** What the user called it, or would. */
  readonly name: string;
}

/** Finds a model by what `--model` was given: nano, or whatever `resolveModel` takes. Rejects as that does. */
export async function findModel(name: string, env: Environment): Promise<FoundModel> {
  if (name !== nano) return { name, ...(await resolveModel(name, { env })) };
  return { name, checkpoint: fileURLToPath(nanoModel.checkpoint), config: fileURLToPath(nanoModel.config) };
}

/** As `findModel`; one of Meta's models that is not on this machine is downloaded. Rejects as `obtainModel`. */
export async function obtain(name: string, { env, signal }: Host, progress: Progress): Promise<FoundModel> {
  if (name === nano) return findModel(name, env);
  return { name, ...(await obtainModel(name, { env, signal, onProgress: showDownload(name, progress) })) };
}

/** Shows how far a download is. */
export function showDownload(name: string, progress: Progress): NonNullable<DownloadOptions["onProgress"]> {
  const doing = { download: "downloading", wait: "another process downloads", verify: "verifying" } as const;
  return ({ file, phase, loaded, total }) =>
    progress.show(`${doing[phase]} ${name}: ${file} ${percent(loaded, total)} of ${megabytes(total)}`);
}

/** What is used where no model is named: the smallest of Meta's that is on this machine, else nano. */
export async function findDefaultModel(env: Environment): Promise<FoundModel> {
  const [cached] = await listCachedModels(env);
  return cached ?? findModel(nano, env);
}

/** The config to use: the file given, else the one beside the checkpoint, if there is one. */
export async function configOf(model: ModelFiles, given: string | undefined): Promise<Sam2Config | undefined> {
  const path = given ?? model.config;
  return path === undefined ? undefined : readConfig(path);
}

/** What loading takes besides the model. */
export interface LoadSettings {
  readonly backend: Backend;
  readonly config: string | undefined;
  readonly signal: AbortSignalLike;
  readonly onProgress: (progress: LoadProgress) => void;
}

/** Loads a model that was found. Rejects as `Sam2.load`. */
export async function loadModel(model: FoundModel, { config: given, ...options }: LoadSettings): Promise<Sam2> {
  const config = await configOf(model, given);
  return Sam2.load(await fileSource(model.checkpoint), config === undefined ? options : { ...options, config });
}

export const devices: readonly OrtNodeDevice[] = ["cpu", "webgpu", "cuda", "coreml", "dml"];

export const backends = ["ort", "reference"] as const;

/** Where and how to compute. */
export interface BackendSettings {
  readonly backend: (typeof backends)[number];
  readonly device: OrtNodeDevice;
  readonly threads: number | undefined;
}

/** Rejects with a `BackendError` for a device that this machine does not have. The reference has none but the CPU. */
export async function createBackend({ backend, device, threads }: BackendSettings): Promise<Backend> {
  if (backend === "reference") return createReferenceBackend();
  return createOrtBackend({ device, ...(threads === undefined ? {} : { threads }) });
}
