/** What a user has chosen for all of Masklet's programs on this machine. */
import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { MaskletError } from "../errors.ts";
import { homeFolder } from "./files.ts";
import { writeFileAtomic } from "./image.ts";
import type { Environment } from "./resolve.ts";

/** The content of the settings file; what is not set is left out. */
export interface UserSettings {
  /** The model that "auto" is: a name, or the path of a file or folder. */
  readonly model?: string;
  /** `masklet` has offered to fetch a model, and was told not to ask again. */
  readonly offerDeclined?: boolean;
  /** The day, as 2026-01-31, on which `masklet` last said that nano's masks are rough. */
  readonly roughNoted?: string;
}

/**
 * Where the settings are: `masklet/settings.json` in `XDG_CONFIG_HOME`, on Windows in `APPDATA`, else in `~/.config`.
 * `undefined` where there is none of them and no home.
 */
export function settingsFile(env: Environment): string | undefined {
  const home = homeFolder();
  const folder =
    env["XDG_CONFIG_HOME"] || (process.platform === "win32" && env["APPDATA"]) || (home && join(home, ".config"));
  return folder === undefined ? undefined : join(folder, "masklet", "settings.json");
}

/**
 * The settings; none where there is no file, or no place for one. Rejects with a `MaskletError` "settings-invalid" for a
 * file that makes no sense.
 */
export async function readUserSettings(env: Environment): Promise<UserSettings> {
  const path = settingsFile(env);
  const text = path === undefined ? undefined : await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return {};
  const invalid = (problem: string, cause?: unknown): MaskletError =>
    new MaskletError("settings-invalid", `${path}: ${problem}; correct the file, or remove it`, {
      cause,
      details: { file: path },
    });
  let found: unknown;
  try {
    found = JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (cause) {
    throw invalid("is not JSON", cause);
  }
  if (typeof found !== "object" || found === null) throw invalid("is no object");
  const { model } = found as UserSettings;
  if (model !== undefined && (typeof model !== "string" || model === ""))
    throw invalid("model must be a name or a path");
  return found as UserSettings;
}

/**
 * Changes settings; `undefined` removes one. Rejects with a `MaskletError` "write-failed" where they cannot be kept, and
 * as `readUserSettings`.
 */
export async function changeUserSettings(
  env: Environment,
  changes: { readonly [K in keyof UserSettings]: UserSettings[K] | undefined },
): Promise<void> {
  const path = settingsFile(env);
  if (path === undefined) {
    throw new MaskletError("write-failed", "there is no home folder to keep settings in: set XDG_CONFIG_HOME");
  }
  const settings = { ...(await readUserSettings(env)), ...changes };
  await mkdir(dirname(path), { recursive: true }).catch((cause: Error) => {
    throw new MaskletError("write-failed", `cannot make the folder of ${path}: ${cause.message}`, {
      cause,
      details: { path },
    });
  });
  await writeFileAtomic(path, `${JSON.stringify(settings, undefined, 2)}\n`);
}
