/** For Node: all of core, and models by name or path, pictures from files. */
import { readConfig } from "./node/load.ts";
import { serveWorkerWith } from "./node/worker.ts";
import type { RemoteHost, Sam2HostOptions } from "./remote/host.ts";

export * from "./index.ts";
export { nearest } from "./nearest.ts";
export { type AutoModel, autoModel } from "./node/auto-model.ts";
export { type FetchOptions, fetchBytes, fetchToFile } from "./node/download/address.ts";
export {
  type DownloadOptions,
  downloadFile,
  downloadModel,
  modelBytes,
  obtainModel,
} from "./node/download/download.ts";
export {
  checkpointSha256,
  removeModel,
  type VerifiedFile,
  type VerifyOptions,
  verifyModel,
} from "./node/download/manage.ts";
export { fileSource } from "./node/file-source.ts";
export { parseJson, systemReason, temporaryFolder } from "./node/files.ts";
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
export { loadSam2, readConfig } from "./node/load.ts";
export {
  type CachedModel,
  cacheFolder,
  type Environment,
  listCachedModels,
  type ModelFiles,
  type ResolveOptions,
  resolveModel,
} from "./node/resolve.ts";
export {
  type CreateSegmentOptions,
  createRemoveBackground,
  createSegment,
  type SegmentModelSource,
} from "./node/segment.ts";
export { changeUserSettings, readUserSettings, settingsFile, type UserSettings } from "./node/settings.ts";
export { type FfmpegProgram, ffmpegInstallHint, ffmpegVersion, findFfmpeg } from "./node/video/ffmpeg.ts";
export { type FolderFrames, type FolderOptions, framesFromFolder, isImageName } from "./node/video/folder.ts";
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
 * Serves SAM 2 in a worker thread to whoever made it, a `RemoteClient` or `createWorkerPredictor` of
 * `@masklet/core/remote`. A checkpoint is what `loadSam2` takes and a message can carry: a name or a path, a `file:` URL,
 * bytes; unless `open` says otherwise. Whoever sends messages may thus have any model file of this machine opened.
 *
 * Throws a `StateError` "no-parent" outside worker threads.
 */
export function serveWorker(options: Sam2HostOptions): RemoteHost {
  return serveWorkerWith(options, readConfig);
}
