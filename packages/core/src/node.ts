/** For Node: all of core, and models by name or path, pictures from files. */
export { officialUrl } from "./checkpoint/official.ts";
export * from "./index.ts";
export { type AutoModel, autoModel } from "./node/auto-model.ts";
export {
  type DownloadOptions,
  downloadFile,
  downloadModel,
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
export { type CreateSegmentOptions, createSegment, type SegmentModelSource } from "./node/segment.ts";
export { changeUserSettings, readUserSettings, settingsFile, type UserSettings } from "./node/settings.ts";
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
