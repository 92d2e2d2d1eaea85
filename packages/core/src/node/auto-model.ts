import { CheckpointError } from "../errors.ts";
import { presetsByQuality } from "../model/preset-rank.ts";
import { checkKeys } from "../options.ts";
import { listCachedModels, type ModelFiles, type ResolveOptions, resolveKeys, resolveModel } from "./resolve.ts";
import { readUserSettings } from "./settings.ts";

/** A model that nobody named. */
export interface AutoModel extends ModelFiles {
  readonly name: string;
  /** Why it is this one: chosen with `masklet models use`, or the best that the cache has. */
  readonly by: "choice" | "cache";
}

/** What `autoModel` is when it is chosen: the small model that ships with Masklet, which core does not have. */
export const nanoName = "nano";

/**
 * The model for "auto": the one chosen with `masklet models use`, else the best of the published ones in the cache, in the
 * order of `presetsByQuality`. `undefined`: nano. Nothing is downloaded.
 *
 * Rejects as `resolveModel` for a chosen model that is not here any more, and as `readUserSettings`.
 */
export async function autoModel(options: ResolveOptions): Promise<AutoModel | undefined> {
  checkKeys("autoModel", options, resolveKeys);
  const { model: chosen } = await readUserSettings(options.env);
  if (chosen === nanoName) return undefined;
  if (chosen !== undefined) {
    const files = await resolveModel(chosen, options).catch((cause: unknown) => {
      if (!(cause instanceof CheckpointError)) throw cause;
      const problem = `the model that "masklet models use" has chosen: ${cause.message}`;
      throw new CheckpointError(cause.code, problem, { cause, details: cause.details });
    });
    return { name: chosen, by: "choice", ...files };
  }
  const cached = new Map((await listCachedModels(options.env, options.cacheDir)).map((model) => [model.name, model]));
  const [best] = presetsByQuality().flatMap((name) => cached.get(name) ?? []);
  return best && { ...best, by: "cache" };
}
