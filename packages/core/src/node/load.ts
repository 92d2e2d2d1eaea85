import process from "node:process";
import { fileURLToPath } from "node:url";
import type { ByteSource } from "../checkpoint/byte-source.ts";
import { CheckpointError } from "../errors.ts";
import { parseConfig, type Sam2Config } from "../model/config.ts";
import { loadingSteps } from "../progress.ts";
import { checkLoadOptions, type LoadOptions, loadSam2 as loadOpened, type Sam2 } from "../sam2.ts";
import { obtainModel } from "./download/download.ts";
import { fileSource } from "./file-source.ts";
import { parseJson } from "./files.ts";
import { type ImageSource, readImage } from "./image.ts";

/**
 * Loads a SAM 2 model. `source` is what `resolveModel` finds (`sam2.1-hiera-tiny`, `facebook/sam2.1-hiera-tiny`, a file, a
 * folder), a file URL, bytes or a `ByteSource`. One of Meta's models that is not on this machine is downloaded from Hugging
 * Face first, as `downloadModel` does with the process's environment; rejects as that does, and as `loadSam2` of
 * `@masklet/core`. Where neither the tensors nor `options` tell the model's sizes, the config that lies beside the file
 * does. The model's predictors open what `readImage` opens.
 */
export async function loadSam2(
  source: string | URL | ByteSource | Uint8Array,
  options: LoadOptions<ImageSource>,
): Promise<Sam2<ImageSource>> {
  if (typeof source !== "string" && !(source instanceof URL)) return loadOpened(source, { readImage, ...options });
  checkLoadOptions(options);
  options.signal?.throwIfAborted();
  const { signal, onProgress } = options;
  const steps = onProgress && loadingSteps(onProgress);
  const files = await obtainModel(typeof source === "string" ? source : filePath(source), {
    env: process.env,
    ...(signal && { signal }),
    ...(steps && { onProgress: steps.fetching }),
  });
  const beside = files.config;
  return loadOpened(await fileSource(files.checkpoint), {
    ...(beside !== undefined && { config: () => readConfig(beside) }),
    readImage,
    ...options,
    ...(steps && { onProgress: steps.compiling }),
  });
}

function filePath(url: URL): string {
  if (url.protocol === "file:") return fileURLToPath(url);
  throw new CheckpointError("not-found", `${url}: only file: URLs are opened; download it, and give its path`, {
    details: { url: String(url) },
  });
}

/**
 * A model's config from a JSON file. Rejects with a `CheckpointError`: "not-found" or "read-failed" for a file that
 * cannot be read, "config-invalid" for what is no JSON or what `parseConfig` refuses.
 */
export async function readConfig(path: string): Promise<Sam2Config> {
  const source = await fileSource(path);
  const bytes = await source.read(0, source.size).finally(() => source.close?.());
  try {
    return parseConfig(parseJson(bytes));
  } catch (cause) {
    if (!(cause instanceof CheckpointError)) {
      throw new CheckpointError("config-invalid", `${path}: is not JSON`, { cause, details: { file: path } });
    }
    throw new CheckpointError(cause.code, `${path}: ${cause.message}`, {
      cause,
      details: { ...cause.details, file: path },
    });
  }
}
