/** What the environment says about the hub, by the rules of `huggingface_hub` (its `constants.py` and token lookup). */
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { DownloadError } from "../../errors.ts";
import { homeFolder } from "../files.ts";
import { cacheFolder, type Environment } from "../resolve.ts";

export interface HubSettings {
  /** Without a slash at its end. */
  readonly endpoint: string;
  readonly token: string | undefined;
  readonly offline: boolean;
  /** How long the other side may stay silent. */
  readonly timeoutMs: number;
}

/**
 * Rejects with a `DownloadError`: "endpoint-invalid" for an `HF_ENDPOINT` that is no plain http(s) address,
 * "token-invalid" for a token that no header can carry. Neither repeats a secret.
 */
export async function hubSettings(env: Environment): Promise<HubSettings> {
  const timeout = Number(value(env, "HF_HUB_DOWNLOAD_TIMEOUT"));
  return {
    endpoint: endpointOf(env),
    token: await tokenOf(env),
    offline: isOn(env, "HF_HUB_OFFLINE") || isOn(env, "TRANSFORMERS_OFFLINE"),
    timeoutMs: timeout > 0 ? timeout * 1000 : 30_000,
  };
}

function endpointOf(env: Environment): string {
  const given = value(env, "HF_ENDPOINT") ?? "https://huggingface.co";
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username + url.password + url.search !== "") {
    throw new DownloadError(
      "endpoint-invalid",
      "HF_ENDPOINT must be an http or https address without user, password and query, such as https://huggingface.co",
    );
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, "");
}

async function tokenOf(env: Environment): Promise<string | undefined> {
  if (isOn(env, "HF_HUB_DISABLE_IMPLICIT_TOKEN")) return undefined;
  const given = value(env, "HF_TOKEN") ?? value(env, "HUGGING_FACE_HUB_TOKEN") ?? (await readFileToken(env));
  const token = given?.replace(/[\r\n]/g, "").trim();
  if (token === undefined || token === "") return undefined;
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new DownloadError("token-invalid", "the Hugging Face token has characters that no HTTP header can carry");
  }
  return token;
}

/** Where `hf auth login` leaves the token; that there is none is no mistake. */
async function readFileToken(env: Environment): Promise<string | undefined> {
  try {
    const given = value(env, "HF_TOKEN_PATH");
    const home = value(env, "HF_HOME");
    const beside = (): string => home ?? dirname(cacheFolder({ XDG_CACHE_HOME: env["XDG_CACHE_HOME"] }));
    const path = given ?? join(beside(), "token");
    return await readFile(
      path.replace(/^~(?=$|[/\\])/, () => homeFolder() ?? "~"),
      "utf8",
    );
  } catch {
    return undefined;
  }
}

function value(env: Environment, name: string): string | undefined {
  return env[name] === "" ? undefined : env[name];
}

function isOn(env: Environment, name: string): boolean {
  return /^(1|on|yes|true)$/i.test(env[name] ?? "");
}
