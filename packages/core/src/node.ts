/** For Node: all of core, and models by name or path, pictures from files. */
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { ByteSource } from "./checkpoint/byte-source.ts";
import { CheckpointError } from "./errors.ts";
import { parseConfig, type Sam2Config } from "./model/config.ts";
import { obtainModel } from "./node/download/download.ts";
import { fileSource } from "./node/file-source.ts";
import { loadingSteps } from "./progress.ts";
import { checkLoadOptions, type LoadOptions, loadSam2 as loadOpened, type Sam2 } from "./sam2.ts";

export { officialUrl } from "./checkpoint/official.ts";
export * from "./index.ts";
export {
  type DownloadOptions,
  downloadFile,
  downloadModel,
  obtainModel,
} from "./node/download/download.ts";
export { removeModel, type VerifiedFile, type VerifyOptions, verifyModel } from "./node/download/manage.ts";
export { fileSource } from "./node/file-source.ts";
export {
  encodeMaskPng,
  encodePng,
  encodeWebp,
  type ImageSource,
  type ReadImageOptions,
  type ReadMaskOptions,
  readImage,
  readMask,
  readMaskPicture,
  type WebpOptions,
  type WriteOptions,
  writeFileAtomic,
} from "./node/image.ts";
export { decodeLabelPng, encodeLabelPng } from "./node/label-png.ts";
export {
  type CachedModel,
  cacheFolder,
  type Environment,
  listCachedModels,
  type ModelFiles,
  type ResolveOptions,
  resolveModel,
} from "./node/resolve.ts";
export { type FfmpegProgram, ffmpegInstallHint, ffmpegVersion, findFfmpeg } from "./node/video/ffmpeg.ts";
export { type FolderFrames, type FolderOptions, framesFromFolder } from "./node/video/folder.ts";
export { createFrameFolder, type FrameFolderOptions } from "./node/video/frame-folder.ts";
export {
  type OpenVideoOptions,
  openVideo,
  type VideoFrames,
  type VideoInfo,
  type VideoSource,
} from "./node/video/video-file.ts";
export { type StreamFrame, type VideoStreamOptions, videoStream } from "./node/video/video-stream.ts";
export { createVideo, type VideoWriter, type VideoWriterOptions } from "./node/video/video-writer.ts";

/**
 * Loads a SAM 2 model. `source` is what `resolveModel` finds (`sam2.1-hiera-tiny`, `facebook/sam2.1-hiera-tiny`, a file, a
 * folder), a file URL, bytes or a `ByteSource`. One of Meta's models that is not on this machine is downloaded from Hugging
 * Face first, as `downloadModel` does with the process's environment; rejects as that does, and as `loadSam2` of
 * `@masklet/core`. Where neither the tensors nor `options` tell the model's sizes, the config that lies beside the file
 * does.
 */
export async function loadSam2(source: string | URL | ByteSource | Uint8Array, options: LoadOptions): Promise<Sam2> {
  if (typeof source !== "string" && !(source instanceof URL)) return loadOpened(source, options);
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
    return parseConfig(JSON.parse(new TextDecoder().decode(bytes)));
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
