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
export class MaskletError extends Error {
  /** Written out in each class, because a minifier renames the classes. */
  override readonly name: string = "MaskletError";
  /** Stable, kebab-case; see the leaf for its codes. */
  readonly code: string;
  /** The facts of the message as fields. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: string, message: string, { cause, details = {} }: MaskletErrorOptions = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.details = details;
  }
}

/** A model file that cannot be read, or is not the model that was asked for. */
export class CheckpointError extends MaskletError {
  override readonly name: string = "CheckpointError";
}

/**
 * A model that could not be fetched. `details.url` is the address without its query, where one was asked;
 * `details.status` the HTTP status, where there was one.
 */
export class DownloadError extends MaskletError {
  override readonly name: string = "DownloadError";
}

/** A graph that does not fit together: shapes, dtypes, names. */
export class GraphError extends MaskletError {
  override readonly name: string = "GraphError";
}

/** A runtime that is missing, cannot do what was asked, or failed while doing it. */
export class BackendError extends MaskletError {
  override readonly name: string = "BackendError";
}

/** Pixels, or an image file, that cannot be used. */
export class ImageError extends MaskletError {
  override readonly name: string = "ImageError";
}

/** Points, boxes, labels or masks that do not describe a prompt, or an option of a predictor that is out of range. */
export class PromptError extends MaskletError {
  override readonly name: string = "PromptError";
}

/** A mask, run lengths or a polygon that cannot be converted. */
export class MaskError extends MaskletError {
  override readonly name: string = "MaskError";
}

/** A call that came too early or too late: before `setImage`, after `dispose`. */
export class StateError extends MaskletError {
  override readonly name: string = "StateError";
}

/**
 * A frame of a video that cannot be had; `details.frame` is its number. Codes: "no-such-frame", "frame-unreadable" (the
 * source's error is the cause), "frame-size", "frame-forgotten".
 */
export class FrameError extends MaskletError {
  override readonly name: string = "FrameError";
}

/** What a frame was remembered by has been dropped, as the session's history says: "frame-forgotten". */
export class FrameForgottenError extends FrameError {
  override readonly name: string = "FrameForgottenError";
}

/**
 * A video file, a folder of frames or a live stream that cannot be read, or a video that cannot be written. `details`
 * names it where it is known.
 */
export class VideoError extends MaskletError {
  override readonly name: string = "VideoError";
}

/**
 * The way to a model that runs elsewhere, in a worker for instance, is broken or misused. Codes: "lost" (the other side
 * ended or cannot be understood), "protocol-version", "not-sendable", "bad-message".
 */
export class RemoteError extends MaskletError {
  override readonly name: string = "RemoteError";
}
