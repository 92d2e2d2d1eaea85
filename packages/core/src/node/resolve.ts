import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { CheckpointError } from "../errors.ts";
import { isPresetName, type PresetName, presets } from "../model/config.ts";
import { officialUrl, presetNamed, presetsIn, published } from "../model/published.ts";
import { nearest } from "../nearest.ts";
import { checkKeys, type Keys } from "../options.ts";
import { homeFolder } from "./files.ts";

/** Where a model's files are on this machine. */
export interface ModelFiles {
  /** The `.pt` or `.safetensors` file. */
  readonly checkpoint: string;
  /** The JSON file with its config, where there is one. */
  readonly config?: string;
}

/** Environment variables, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface ResolveOptions {
  /** Where the cache's variables are read from. */
  readonly env: Environment;
  /** The Hugging Face cache (the folder with `models--*`), instead of the one `env` names. */
  readonly cacheDir?: string;
}

export const resolveKeys: Keys<ResolveOptions> = { env: true, cacheDir: true };

/** A published model in the Hugging Face cache. */
export interface CachedModel extends ModelFiles {
  readonly name: PresetName;
}

/**
 * Finds a model on this machine; nothing is downloaded. It is given as
 * - a published model's name (`sam2.1-hiera-tiny`, `facebook/sam2.1-hiera-tiny`, ...), found in the Hugging Face cache,
 * - a `.pt` or `.safetensors` file, its config beside it (`model.json` for `model.pt`, else `config.json`),
 * - a folder: transformers' `model.safetensors` and `config.json`, or a single checkpoint,
 * - any other Hugging Face name `owner/model` that the cache holds.
 *
 * A folder that is called like a published model needs a leading `./`. Rejects with a `CheckpointError`:
 * "not-downloaded" says which file to put where and from which address, "not-found" what was looked for.
 */
export async function resolveModel(nameOrPath: string, options: ResolveOptions): Promise<ModelFiles> {
  checkKeys("resolveModel", options, resolveKeys);
  const name = presetNamed(nameOrPath);
  if (name !== undefined) {
    const cache = options.cacheDir ?? cacheFolder(options.env);
    const found = await findPreset(cache, name);
    if (found !== undefined) return found;
    throw notDownloaded(name, cache);
  }
  if (await isFile(nameOrPath)) return withConfig(nameOrPath);
  if (await isFolder(nameOrPath)) {
    const found = await inFolder(nameOrPath);
    if (found !== undefined) return found;
    throw new CheckpointError(
      "not-found",
      `${nameOrPath}: the folder has no model.safetensors and no single .pt file`,
      {
        details: { file: nameOrPath },
      },
    );
  }
  const cache = options.cacheDir ?? cacheFolder(options.env);
  const found = /^[\w.-]+\/[\w.-]+$/.test(nameOrPath) ? await findInCache(cache, nameOrPath) : undefined;
  if (found !== undefined) return found;
  throw new CheckpointError(
    "not-found",
    `${nameOrPath}: there is no such file or folder, it is not in ${cache}, and it is none of the published models` +
      `${meant(nameOrPath)} (${Object.keys(presets).join(", ")})`,
    { details: { file: nameOrPath, cache, names: Object.keys(presets) } },
  );
}

/** Those of the published models that the Hugging Face cache holds, in the order of `presets`; none without a cache. */
export async function listCachedModels(env: Environment, cacheDir?: string): Promise<readonly CachedModel[]> {
  const cache = cacheDir ?? cacheAt(env);
  if (cache === undefined) return [];
  const models = await Promise.all(
    Object.keys(presets)
      .filter(isPresetName)
      .map(async (name) => {
        const files = await findPreset(cache, name);
        return files === undefined ? [] : [{ name, ...files }];
      }),
  );
  return models.flat();
}

/** Which of the published names was probably meant, as the end of a sentence. */
export function meant(name: string): string {
  const names = [...Object.keys(presets), "nano"];
  const word = name.replace(/^facebook\//, "").replace(/\.(pt|pth|safetensors)$/, "");
  const found = nearest(word, names) ?? shortFor(word, names);
  return found === undefined ? "" : `; did you mean ${found}?`;
}

/**
 * The first of the names whose words begin with all of these, in their order: `sam2.1_t` and `tiny` leave out the rest.
 * What has a digit is meant as it is.
 */
function shortFor(text: string, names: readonly string[]): string | undefined {
  const words = (name: string): readonly string[] => name.toLowerCase().split(/[^a-z0-9.]+/);
  const wanted = words(text).filter((one) => one !== "");
  if (!wanted.some(({ length }) => length > 2)) return undefined;
  const fits = (word: string, short: string): boolean => (/\d/.test(short) ? word === short : word.startsWith(short));
  return names.find((name) => {
    let next = 0;
    for (const word of words(name)) if (next < wanted.length && fits(word, wanted[next] as string)) next++;
    return next === wanted.length;
  });
}

/**
 * The Hugging Face cache, by the rules of `huggingface_hub`. Throws a `CheckpointError` "no-home" where no variable names
 * it and this user has no home.
 */
export function cacheFolder(env: Environment): string {
  const cache = cacheAt(env);
  if (cache !== undefined) return cache;
  throw new CheckpointError(
    "no-home",
    "models are kept in the home folder, and this user has none: set HF_HOME to a folder for them, or give a model's path",
  );
}

function cacheAt(env: Environment): string | undefined {
  const set = (name: string): string | undefined => {
    const value = env[name];
    if (value === undefined || value === "") return undefined;
    return value.replace(/^~(?=$|[/\\])/, () => homeFolder() ?? "~");
  };
  const hub = set("HF_HUB_CACHE") ?? set("HUGGINGFACE_HUB_CACHE");
  if (hub !== undefined) return hub;
  const home = set("HF_HOME");
  if (home !== undefined) return join(home, "hub");
  const user = homeFolder();
  const caches = set("XDG_CACHE_HOME") ?? (user === undefined ? undefined : join(user, ".cache"));
  return caches === undefined ? undefined : join(caches, "huggingface", "hub");
}

/** A repository's folder in the cache: `models--facebook--sam2.1-hiera-tiny`, `datasets--owner--name`. */
export function repositoryFolder(cache: string, repository: string): string {
  const path = repository.startsWith("datasets/") ? repository : `models/${repository}`;
  return join(cache, path.replaceAll("/", "--"));
}

/** A published model in the cache. */
export function findPreset(cache: string, name: PresetName): Promise<ModelFiles | undefined> {
  const { repository } = published[name];
  return findInCache(cache, repository, sharedFile(name));
}

/** The file of a model whose repository holds others too; `undefined` where it has one of its own. */
export function sharedFile(name: PresetName): string | undefined {
  const { repository, file } = published[name];
  return presetsIn(repository).length > 1 ? file : undefined;
}

/**
 * The revision that `main` points to comes first; a snapshot without any reference counts too. With `file` only that
 * file counts, and no config that may be another model's.
 */
export async function findInCache(cache: string, repository: string, file?: string): Promise<ModelFiles | undefined> {
  const folder = repositoryFolder(cache, repository);
  const main = await readFile(join(folder, "refs", "main"), "utf8").catch(() => "");
  const snapshots = await readdir(join(folder, "snapshots")).catch((): string[] => []);
  const revisions = new Set([main.trim(), ...snapshots.sort()].filter((revision) => snapshots.includes(revision)));
  for (const revision of revisions) {
    const snapshot = join(folder, "snapshots", revision);
    const found = file === undefined ? await inFolder(snapshot) : await theFile(join(snapshot, file));
    if (found !== undefined) return found;
  }
  return undefined;
}

async function theFile(checkpoint: string): Promise<ModelFiles | undefined> {
  return (await isFile(checkpoint)) ? { checkpoint } : undefined;
}

async function inFolder(folder: string): Promise<ModelFiles | undefined> {
  const transformers = join(folder, "model.safetensors");
  if (await isFile(transformers)) return withConfig(transformers);
  const checkpoints: string[] = [];
  for (const name of await readdir(folder).catch((): string[] => [])) {
    const path = join(folder, name);
    if (/\.(pt|pth|safetensors)$/i.test(name) && (await isFile(path))) checkpoints.push(path);
  }
  const [only, second] = checkpoints;
  return only === undefined || second !== undefined ? undefined : withConfig(only);
}

async function withConfig(checkpoint: string): Promise<ModelFiles> {
  const folder = dirname(checkpoint);
  for (const name of [`${basename(checkpoint, extname(checkpoint))}.json`, "config.json"]) {
    const config = join(folder, name);
    if (await isFile(config)) return { checkpoint, config };
  }
  return { checkpoint };
}

/** A link whose target is gone counts as no file. */
async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

function notDownloaded(name: PresetName, cache: string): CheckpointError {
  const { file, repository } = published[name];
  const put = join(repositoryFolder(cache, repository), "snapshots", "main", file);
  const url = officialUrl(name);
  return new CheckpointError(
    "not-downloaded",
    `${name} is not on this machine. downloadModel and "masklet models pull ${name}" fetch it; or get ${url} and put ` +
      `it at ${put}, or give the path of a ${file} that you have. (What Python tools downloaded from https://huggingface.co/${repository} is found in ${cache}.)`,
    { details: { model: name, url, put, cache, repository } },
  );
}
