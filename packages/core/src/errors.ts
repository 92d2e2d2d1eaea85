/** What an error carries besides its sentence. */
export interface MaskletErrorOptions {
  /** The error underneath, if there is one. */
  readonly cause?: unknown;
  /** The facts of the message as fields, for programs: what was expected, what came, where. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/**
 * Base of every error Masklet throws. `code` is stable across releases and meant for programs; the message is meant
 * for people and says where it happened, what was expected and what came.
 */
export class MaskletError<Code extends string = string> extends Error {
  /** Written out in each class, because a minifier renames the classes. */
  override readonly name: string = "MaskletError";
  /** Stable, kebab-case; see the leaf for its codes. */
  readonly code: Code;
  /** The facts of the message as fields. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: Code, message: string, { cause, details = {} }: MaskletErrorOptions = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.details = details;
  }
}

export type CheckpointErrorCode =
  | "checksum-mismatch"
  | "config-invalid"
  | "config-missing"
  | "duplicate-name"
  | "embedding-malformed"
  | "embedding-mismatch"
  | "misshapen-tensor"
  | "missing-tensor"
  | "no-home"
  | "no-such-tensor"
  | "not-downloaded"
  | "not-found"
  | "not-this-model"
  | "pickle-forbidden"
  | "pickle-malformed"
  | "pytorch-malformed"
  | "read-failed"
  | "safetensors-malformed"
  | "session-malformed"
  | "session-mismatch"
  | "state-malformed"
  | "truncated"
  | "unknown-format"
  | "unsupported-dtype"
  | "zip-malformed";

/** A model file that cannot be read, or is not the model that was asked for. */
export class CheckpointError extends MaskletError<CheckpointErrorCode> {
  override readonly name: string = "CheckpointError";
}

export type DownloadErrorCode =
  | "cache-unavailable"
  | "cache-unwritable"
  | "connection-failed"
  | "disk-full"
  | "endpoint-invalid"
  | "forbidden"
  | "hash-mismatch"
  | "http-error"
  | "in-use"
  | "not-on-server"
  | "offline"
  | "quota-exceeded"
  | "range-refused"
  | "rate-limited"
  | "response-malformed"
  | "server-error"
  | "stalled"
  | "token-invalid"
  | "too-large"
  | "unauthorized";

/**
 * A model that could not be fetched. `details.url` is the address without its query, where one was asked;
 * `details.status` the HTTP status, where there was one.
 */
export class DownloadError extends MaskletError<DownloadErrorCode> {
  override readonly name: string = "DownloadError";
}

export type GraphErrorCode =
  | "bad-dim"
  | "duplicate-name"
  | "index-out-of-range"
  | "invalid-graph"
  | "shape-mismatch"
  | "unbound-dim";

/** A graph that does not fit together: shapes, dtypes, names. */
export class GraphError extends MaskletError<GraphErrorCode> {
  override readonly name: string = "GraphError";
}

export type BackendErrorCode =
  | "bad-feeds"
  | "compile-failed"
  | "contract-mismatch"
  | "device-lost"
  | "device-unavailable"
  | "disposed"
  | "dtype-unsupported"
  | "model-ambiguous"
  | "out-of-memory"
  | "run-failed"
  | "runtime-missing"
  | "unsupported";

/** A runtime that is missing, cannot do what was asked, or failed while doing it. */
export class BackendError extends MaskletError<BackendErrorCode> {
  override readonly name: string = "BackendError";
}

export type ImageErrorCode =
  | "image-channels"
  | "image-corrupt"
  | "image-cross-origin"
  | "image-data"
  | "image-data-length"
  | "image-encode"
  | "image-format"
  | "image-not-found"
  | "image-size"
  | "image-too-large"
  | "image-unreadable"
  | "image-url"
  | "sharp-missing";

/** Pixels, or an image file, that cannot be used. */
export class ImageError extends MaskletError<ImageErrorCode> {
  override readonly name: string = "ImageError";
}

export type PromptErrorCode =
  | "bad-box"
  | "bad-label"
  | "bad-object"
  | "bad-option"
  | "bad-prompt"
  | "box-keeps-points"
  | "empty"
  | "empty-mask"
  | "labels-mismatch"
  | "mask-input-size"
  | "no-such-image"
  | "not-finite"
  | "out-of-image"
  | "prompts-invalid"
  | "prompts-unreadable"
  | "unknown-option";

/**
 * Points, boxes, labels or masks that do not describe a prompt, an option of a predictor that is out of range, or one of
 * any call that there is not.
 */
export class PromptError extends MaskletError<PromptErrorCode> {
  override readonly name: string = "PromptError";
}

export type MaskErrorCode =
  | "cutout-option"
  | "effect-option"
  | "empty-mask"
  | "label-id"
  | "mask-data-length"
  | "mask-size"
  | "mask-size-mismatch"
  | "masklet-empty"
  | "masklet-length"
  | "no-objects"
  | "no-such-label"
  | "overlay-option"
  | "polygon"
  | "rle-counts"
  | "rle-size"
  | "rle-string"
  | "sav-malformed"
  | "sav-option"
  | "several-labels"
  | "tolerance";

/** A mask, run lengths or a polygon that cannot be converted. */
export class MaskError extends MaskletError<MaskErrorCode> {
  override readonly name: string = "MaskError";
}

export type DetectorErrorCode =
  | "input-size"
  | "labels-mismatch"
  | "layout-ambiguous"
  | "layout-mismatch"
  | "layout-unknown"
  | "model-malformed"
  | "no-such-class"
  | "pipeline-answer"
  | "pipeline-missing";

/** A detector's model or pipeline that cannot be understood; `details` has what was found in it, and what to choose from. */
export class DetectorError extends MaskletError<DetectorErrorCode> {
  override readonly name: string = "DetectorError";
}

export type StateErrorCode =
  | "disposed"
  | "no-frame"
  | "no-image"
  | "no-objects"
  | "no-parent"
  | "no-prompt"
  | "no-such-object"
  | "resume-mismatch"
  | "superseded";

/** A call that came too early or too late: before `setImage`, after `dispose`. */
export class StateError extends MaskletError<StateErrorCode> {
  override readonly name: string = "StateError";
}

export type FrameErrorCode = "frame-forgotten" | "frame-size" | "frame-unreadable" | "no-such-frame";

/**
 * A frame of a video that cannot be had; `details.frame` is its number. The cause of "frame-unreadable"
 * is the source's error.
 */
export class FrameError extends MaskletError<FrameErrorCode> {
  override readonly name: string = "FrameError";
}

/** What a frame was remembered by has been dropped, as the session's history says: "frame-forgotten". */
export class FrameForgottenError extends FrameError {
  override readonly name: string = "FrameForgottenError";
}

export type VideoErrorCode =
  | "ambiguous-frames"
  | "codec-unsupported"
  | "decode-failed"
  | "encode-failed"
  | "ffmpeg-missing"
  | "mediabunny-missing"
  | "no-encoder"
  | "no-frames"
  | "no-video-track"
  | "not-a-video"
  | "not-found"
  | "stream-failed"
  | "truncated"
  | "video-format"
  | "video-option";

/**
 * A video file, a folder of frames or a live stream that cannot be read, or a video that cannot be written. `details`
 * names it where it is known.
 */
export class VideoError extends MaskletError<VideoErrorCode> {
  override readonly name: string = "VideoError";
}

export type RemoteErrorCode = "bad-message" | "lost" | "not-sendable" | "protocol-version";

/**
 * The way to a model that runs elsewhere, in a worker for instance, is broken or misused. "lost": the other side
 * ended or cannot be understood.
 */
export class RemoteError extends MaskletError<RemoteErrorCode> {
  override readonly name: string = "RemoteError";
}
