/** Models and backends by the names that the command line gives them. */
import { fileURLToPath } from "node:url";
import type { OrtNodeDevice } from "@masklet/backend-ort/node";
import type { TfjsNodeEngine } from "@masklet/backend-tfjs/node";
import {
  type Backend,
  type DownloadOptions,
  type Environment,
  fileSource,
  isPresetName,
  listCachedModels,
  loadSam2,
  type ModelFiles,
  obtainModel,
  presets,
  readConfig,
  resolveModel,
  type Sam2,
  type Sam2Config,
} from "@masklet/core/node";
import { nanoModel } from "@masklet/model-nano";
import type { Host } from "./host.ts";
import type { ModelSettings } from "./model-options.ts";
import { megabytes, type Progress, percent } from "./progress.ts";

/** The model that ships with the command line. */
const nano = "nano";

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

/** As `findModel`; a published model that is not on this machine is downloaded. Rejects as `obtainModel`. */
async function obtain(name: string, { env, signal }: Host, progress: Progress): Promise<FoundModel> {
  if (name === nano) return findModel(name, env);
  return { name, ...(await obtainModel(name, { env, signal, onProgress: showDownload(name, progress) })) };
}

/** Shows how far a download is. */
export function showDownload(name: string, progress: Progress): NonNullable<DownloadOptions["onProgress"]> {
  const doing = { download: "downloading", wait: "another process downloads", verify: "verifying" } as const;
  return ({ stage, item, loaded, total = 0 }) =>
    progress.show(`${doing[stage]} ${name}: ${item} ${percent(loaded, total)} of ${megabytes(total)}`);
}

/** What is used where no model is named: the first of the published models that is on this machine, else nano. */
export async function findDefaultModel(env: Environment): Promise<FoundModel> {
  const [cached] = await listCachedModels(env);
  return cached ?? findModel(nano, env);
}

/** The config to use: the published model's or the file given, else the one beside the checkpoint, if there is one. */
export async function configOf(model: ModelFiles, given: string | undefined): Promise<Sam2Config | undefined> {
  if (given !== undefined && isPresetName(given)) return presets[given];
  const path = given ?? model.config;
  return path === undefined ? undefined : readConfig(path);
}

const nanoNote =
  "masklet: none of the published models is on this machine, using nano, the small one that ships with masklet; " +
  "its masks are rough. Name one with --model sam2.1-hiera-tiny, or edgetam, which is faster: it is downloaded.\n";

/** What the user sees of a model's loading. */
export interface ModelHost {
  readonly host: Host;
  readonly progress: Progress;
  readonly quiet: boolean;
}

/**
 * Loads a model, hands it to `use`, and disposes of it and its backend when that is over. Rejects as `obtainModel`,
 * `createBackend`, `loadSam2` and `use` do.
 */
export async function withModel<T>(
  { model: name, config: given, dtype, backend: settings }: ModelSettings,
  { host, progress, quiet }: ModelHost,
  use: (model: Sam2) => Promise<T>,
): Promise<T> {
  const { env, signal, stderr } = host;
  const found = name === undefined ? await findDefaultModel(env) : await obtain(name, host, progress);
  if (name === undefined && found.name === nano && !quiet) stderr.write(nanoNote);
  const backend = await createBackend(settings);
  try {
    const config = await configOf(found, given);
    const model = await loadSam2(await fileSource(found.checkpoint), {
      backend,
      dtype,
      signal,
      onProgress: ({ item, fraction }) => progress.show(`loading ${found.name}: ${item} ${percent(fraction, 1)}`),
      ...(config !== undefined && { config }),
    });
    try {
      return await use(model);
    } finally {
      await model.dispose();
    }
  } finally {
    await backend.dispose();
  }
}

/** Where and how to compute. */
export type BackendSettings =
  | {
      readonly name: "ort";
      readonly device: OrtNodeDevice;
      readonly threads: number | undefined;
      readonly modelCache?: string | undefined;
      readonly profile?: boolean;
    }
  | { readonly name: "tfjs"; readonly engine: TfjsNodeEngine | undefined }
  | { readonly name: "reference" };

/** Rejects with a `BackendError` for a device that this machine does not have. */
export async function createBackend(settings: BackendSettings): Promise<Backend> {
  // Each imported here, as they take their time to load.
  if (settings.name === "reference") {
    const { createReferenceBackend } = await import("@masklet/core/testing");
    return createReferenceBackend();
  }
  if (settings.name === "ort") {
    const { createOrtBackend } = await import("@masklet/backend-ort/node");
    const { device, threads, modelCache, profile = false } = settings;
    return createOrtBackend({
      device,
      profile,
      ...(threads !== undefined && { threads }),
      ...(modelCache !== undefined && { modelCache }),
    });
  }
  const { createTfjsBackend } = await import("@masklet/backend-tfjs/node");
  const { engine } = settings;
  return createTfjsBackend(engine === undefined ? {} : { engine });
}
