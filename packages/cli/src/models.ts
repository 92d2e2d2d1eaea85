/** Models and backends by the names that the command line gives them. */
import { fileURLToPath } from "node:url";
import type { OrtNodeDevice } from "@masklet/backend-ort/node";
import type { TfjsNodeEngine } from "@masklet/backend-tfjs/node";
import {
  autoModel,
  type Backend,
  BackendError,
  changeUserSettings,
  checkpointSha256,
  type DownloadOptions,
  type Environment,
  fileSource,
  isPresetName,
  loadSam2,
  type ModelFiles,
  obtainModel,
  presets,
  readConfig,
  readUserSettings,
  resolveModel,
  type Sam2,
  type Sam2Config,
} from "@masklet/core/node";
import { nanoModel } from "@masklet/model-nano";
import type { Host } from "./host.ts";
import type { ModelSettings } from "./model-options.ts";
import { ignoreUnwritable, offered, offerModel, remember } from "./offer.ts";
import { megabytes, type Progress, percent } from "./progress.ts";
import { inProcess } from "./quiet.ts";
import { missingRuntime } from "./runtimes.ts";

/** The model that ships with the command line. */
export const nano = "nano";

/** What `--model` is unless it is given. */
export const auto = "auto";

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
export async function obtain(
  name: string,
  { env, signal }: Pick<Host, "env" | "signal">,
  progress: Progress,
): Promise<FoundModel> {
  if (name === nano) return findModel(name, env);
  return { name, ...(await obtainModel(name, { env, signal, onProgress: showDownload(name, progress) })) };
}

/** Shows how far a download is. */
export function showDownload(name: string, progress: Progress): NonNullable<DownloadOptions["onProgress"]> {
  const doing = { download: "downloading", wait: "another process downloads", verify: "verifying" } as const;
  return ({ stage, item, loaded, total = 0 }) =>
    progress.show(`${doing[stage]} ${name}: ${item} ${percent(loaded, total)} of ${megabytes(total)}`);
}

/** What the user sees of a model's loading. */
export interface ModelHost {
  readonly host: Host;
  readonly progress: Progress;
  readonly quiet: boolean;
}

/** Whether the environment forbids to download, by `huggingface_hub`'s rules. */
function isOffline(env: Environment): boolean {
  return ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"].some((name) => /^(1|on|yes|true)$/i.test(env[name] ?? ""));
}

/** What the model would be where none is named, without fetching or asking. Rejects as `readUserSettings`. */
export async function autoName(env: Environment): Promise<string> {
  const { model } = await readUserSettings(env);
  return model ?? (await autoModel({ env }))?.name ?? nano;
}

/**
 * The model where none is named: the one that was chosen, which is fetched where it is missing, else the best of the
 * published models on this machine, else nano. It is said which, on standard error.
 *
 * With nano and a terminal a real one is offered, once: the answer is remembered. Rejects as `obtain` and `autoModel`.
 */
export async function findAuto(asking: ModelHost): Promise<FoundModel> {
  const { host, progress, quiet } = asking;
  const { env, stderr, stdin } = host;
  const silent = quiet || isOffline(env);
  const say = (text: string): void => {
    progress.clear();
    if (!silent) stderr.write(`masklet: ${text}\n`);
  };
  const { model: chosen, offerDeclined = false, roughNoted } = await readUserSettings(env);
  if (chosen !== undefined) {
    const found = await obtain(chosen, host, progress);
    say(`the model is ${chosen}, as chosen with "masklet models use"`);
    return found;
  }
  const cached = await autoModel({ env });
  if (cached !== undefined) {
    say(`the model is ${cached.name}, the best that is here`);
    return cached;
  }
  const shipped = await findModel(nano, env);
  if (silent) return shipped;
  if (!offerDeclined && stderr.isTTY === true && stdin.isTTY === true) {
    progress.clear();
    const answer = await offerModel(host);
    if (answer !== undefined) {
      const found = await obtain(answer, host, progress);
      await remember(host, { model: answer });
      return found;
    }
    await remember(host, { offerDeclined: true });
  }
  const today = new Date().toISOString().slice(0, 10);
  if (roughNoted === today) {
    say("the model is nano");
  } else {
    say(
      "the model is nano, made for drawings and tests: its masks of photographs are rough. " +
        `SAM 2's: masklet models pull ${offered[0]}`,
    );
    await changeUserSettings(env, { roughNoted: today }).catch(ignoreUnwritable); // then it is said again
  }
  return shipped;
}

/** The config to use: the published model's or the file given, else the one beside the checkpoint, if there is one. */
export async function configOf(model: ModelFiles, given: string | undefined): Promise<Sam2Config | undefined> {
  if (given !== undefined && isPresetName(given)) return presets[given];
  const path = given ?? model.config;
  return path === undefined ? undefined : readConfig(path);
}

/** Which model it was, for what is written as JSON. */
export interface ModelFacts {
  readonly name: string;
  /** Of its checkpoint's file. */
  readonly sha256: string;
}

/**
 * Loads a model, hands it to `use`, and disposes of it and its backend when that is over. What model it is takes longer to
 * know, because the whole file is hashed beside the loading: `use` waits for it where it needs it. Rejects as
 * `obtainModel`, `autoModel`, `createBackend`, `loadSam2` and `use` do.
 */
export async function withModel<T>(
  { model: name, offline, config: given, dtype, backend: settings }: ModelSettings,
  { host, progress, quiet }: ModelHost,
  use: (model: Sam2, facts: Promise<ModelFacts>) => Promise<T>,
): Promise<T> {
  const env = offline ? { ...host.env, HF_HUB_OFFLINE: "1" } : host.env;
  const { signal, stderr } = host;
  const asking = { host: { ...host, env }, progress, quiet };
  const found = name === auto ? await findAuto(asking) : await obtain(name, { env, signal }, progress);
  const hashed = checkpointSha256(found.checkpoint, { signal });
  hashed.catch(() => {}); // a model that fails to load is told first
  const backend = await createBackend(settings, quiet ? () => {} : (line) => stderr.write(line));
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
      const facts = hashed.then((sha256) => ({ name: model.config.name, sha256 }));
      facts.catch(() => {}); // is told where it is waited for
      return await use(model, facts);
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
      /** Take TensorFlow.js where ONNX Runtime is not installed: nothing was asked for that it has not. */
      readonly elseTfjs?: boolean;
    }
  | { readonly name: "tfjs"; readonly engine: TfjsNodeEngine | undefined }
  | { readonly name: "reference" };

/**
 * Rejects with a `BackendError` for a device that this machine does not have. `warn` is told when another backend than
 * the one named is taken.
 */
export async function createBackend(
  settings: BackendSettings,
  warn: (line: string) => void = () => {},
): Promise<Backend> {
  // Each imported here, as they take their time to load.
  if (settings.name === "reference") {
    const { createReferenceBackend } = await import("@masklet/core/testing");
    return createReferenceBackend();
  }
  if (settings.name === "ort") {
    if (settings.device !== "cpu") await requireDevice(settings.device);
    const { createOrtBackend } = await import("@masklet/backend-ort/node");
    const { device, threads, modelCache, profile = false, elseTfjs = false } = settings;
    try {
      return await createOrtBackend({
        device,
        profile,
        ...(threads !== undefined && { threads }),
        ...(modelCache !== undefined && { modelCache }),
      });
    } catch (error) {
      const missing = missingRuntime(error);
      if (missing === undefined || !elseTfjs) throw missing ?? error;
      const backend = await createBackend({ name: "tfjs", engine: undefined });
      const { device: engine } = backend.capabilities;
      warn(`masklet: computing with TensorFlow.js (${engine}), several times slower: ${missing.message}\n`);
      return backend;
    }
  }
  const { createTfjsBackend } = await import("@masklet/backend-tfjs/node");
  const { engine } = settings;
  return createTfjsBackend(engine === undefined ? {} : { engine });
}

/** What became of trying a device. */
type Tried = { readonly works: true } | Pick<BackendError, "code" | "message" | "details">;

/** In another process first: where a device is missing, the drivers of all others are asked, and write what they like. */
async function requireDevice(device: OrtNodeDevice): Promise<void> {
  const tried = await inProcess<Tried>(`
    const { createOrtBackend } = await import("@masklet/backend-ort/node");
    try {
      await (await createOrtBackend({ device: ${JSON.stringify(device)} })).dispose();
      return { works: true };
    } catch ({ code, message, details }) {
      return { code, message, details };
    }
  `);
  // What failed otherwise fails again below, with its own error.
  if ("code" in tried && tried.code === "device-unavailable") {
    throw new BackendError(tried.code, tried.message, { details: tried.details });
  }
}
