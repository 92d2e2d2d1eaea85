/**
 * How a client and a host talk: the client calls methods of the host by name, each call with an id of its own; the host
 * answers every call once, with a result or an error, after any number of events. What has to stay with the host (a
 * model, an iterator) is called by a handle, a number. For a video's frames the host calls the client, in the same way
 * on the same port. All of it is plain data for structured clone.
 *
 * Every message carries the protocol's version as `masklet`, so that two releases that do not fit say so. That field,
 * `type`, `id` and the shape of an "error" stay the same in all versions. Other messages on the port are left alone.
 */
import { RemoteError } from "../errors.ts";
import type { RawImage, Size } from "../image/image.ts";
import type { Sam2Config } from "../model/config.ts";
import type { Precision } from "../model/precision.ts";
import type { ImagePrediction } from "../predict/finish.ts";
import type { ImagePredictorOptions, PredictOptions, RefineOptions } from "../predict/image-predictor.ts";
import type { LoadProgress } from "../progress.ts";
import type { Prompt } from "../prompt/prompt.ts";
import type { HostTensor } from "../tensor/tensor.ts";
import type { FrameResult } from "../video/frame-result.ts";
import type { VideoOptions } from "../video/options.ts";
import type { ObjectMask, ObjectPrompt, OnFrame, PropagateOptions } from "../video/video-session.ts";
import type { WireError } from "./wire-error.ts";

/** Goes up with every change that an older side would not understand. */
export const protocolVersion = 2;

export type ToHost =
  | { readonly type: "call"; readonly id: number; readonly method: string; readonly params: unknown }
  | { readonly type: "abort"; readonly id: number; readonly reason: WireError };

export type ToClient =
  | { readonly type: "event"; readonly id: number; readonly value: unknown }
  | { readonly type: "result"; readonly id: number; readonly value: unknown }
  | { readonly type: "error"; readonly id: number; readonly error: WireError }
  /** The host has ended: no call will be answered any more. */
  | { readonly type: "lost"; readonly error: WireError };

export const message = <T extends ToHost | ToClient>(content: T): T & { readonly masklet: number } => ({
  masklet: protocolVersion,
  ...content,
});

/** The version of a message of this protocol; undefined for any other. */
export function versionOf(data: unknown): number | undefined {
  if (typeof data !== "object" || data === null || !("masklet" in data)) return undefined;
  return typeof data.masklet === "number" ? data.masklet : undefined;
}

/** `whose` has the other version: "host" or "client". */
export function versionMismatch(whose: string, theirs: number): RemoteError {
  return new RemoteError(
    "protocol-version",
    `the ${whose} speaks version ${theirs} of the protocol, this side version ${protocolVersion}: take both from one release`,
    { details: { expected: protocolVersion, got: theirs } },
  );
}

/** A thing of type T that stays with the host. */
export interface Handle<T> {
  readonly handle: number;
  /** Never there; makes handles of different things different types. */
  readonly of?: T;
}

/** Of methods that answer only that they are done. */
type Done = unknown;

/** What one method takes and gives. */
export interface Method {
  readonly params: unknown;
  readonly result: unknown;
  /** What it reports on its way; `never` if nothing. */
  readonly event: unknown;
}

export type Methods<M> = { readonly [K in keyof M]: Method };

/** Methods of every host. */
export interface CommonMethods {
  /** One step of an iterable. */
  next: { params: Handle<AsyncIterable<unknown>>; result: IteratorResult<unknown, unknown>; event: never };
  /** Frees what is behind a handle; ends an iterable. An unknown handle is freed already. */
  release: { params: Handle<unknown>; result: Done; event: never };
  /** Aborts all other calls and frees all that the host holds for the client. */
  close: { params: undefined; result: Done; event: never };
}

/** What a predictor on the host stands for: encoded images, with settings. */
export interface ServedImages {
  readonly kind: "images";
}
/** A loaded model on the host. */
export interface ServedModel {
  readonly kind: "model";
}

/** Methods of a host that serves SAM 2. */
export interface Sam2Methods {
  load: {
    params: {
      readonly source: unknown;
      readonly config?: Sam2Config;
      readonly dtype?: Precision;
      readonly backend?: unknown;
    };
    result: Handle<ServedModel> & {
      readonly config: Sam2Config;
      readonly dtype: Precision;
      readonly source: string;
      readonly backendName: string;
    };
    event: LoadProgress;
  };
  imagePredictor: {
    params: { readonly model: Handle<ServedModel>; readonly options: ImagePredictorOptions };
    result: Handle<ServedImages>;
    event: never;
  };
  /** Encodes images beside those of the handle, with the same settings: the client lets go of one of the two. */
  setImages: {
    params: { readonly images: readonly RawImage[]; readonly like: Handle<ServedImages> };
    result: Handle<ServedImages> & { readonly sizes: readonly Size[] };
    event: never;
  };
  predict: {
    params: {
      readonly images: Handle<ServedImages>;
      readonly prompts: readonly Prompt[];
      readonly options: Omit<PredictOptions, "latest" | "signal">;
    };
    result: readonly ImagePrediction[];
    event: never;
  };
  refine: {
    params: {
      readonly images: Handle<ServedImages>;
      readonly prompt: Prompt;
      readonly options: Omit<RefineOptions, "latest" | "signal" | "onStep">;
    };
    result: ImagePrediction;
    event: { readonly prediction: ImagePrediction; readonly iteration: number };
  };
  saveImage: {
    params: { readonly images: Handle<ServedImages>; readonly index: number };
    result: Uint8Array;
    event: never;
  };
  /** As `setImages`, of what `saveImage` wrote. */
  loadImages: {
    params: { readonly files: readonly Uint8Array[]; readonly like: Handle<ServedImages> };
    result: Handle<ServedImages> & { readonly sizes: readonly Size[] };
    event: never;
  };
  imageEmbedding: {
    params: { readonly images: Handle<ServedImages>; readonly index: number };
    result: HostTensor;
    event: never;
  };
  reset: { params: { readonly images: Handle<ServedImages> }; result: Done; event: never };
  /** A session, new or as it was saved. */
  startVideo: {
    params: {
      readonly model: Handle<ServedModel>;
      readonly options: VideoOptions;
      readonly frames: VideoFrames;
      readonly saved?: Uint8Array;
    };
    result: Handle<ServedVideo> & { readonly size: Size; readonly count?: number; readonly state: SessionState };
    event: never;
  };
  addPrompt: OnSession<{ readonly prompt: ObjectPrompt & OnFrame }, FrameResult>;
  addMask: OnSession<{ readonly prompt: ObjectMask & OnFrame }, FrameResult>;
  clearPrompts: OnSession<{ readonly prompt: { readonly object: number } & OnFrame }, FrameResult>;
  removeObject: OnSession<{ readonly object: number; readonly strict?: boolean | undefined }, readonly FrameResult[]>;
  resetVideo: OnSession<unknown, Done>;
  saveVideo: OnSession<unknown, Uint8Array>;
  propagate: {
    params: { readonly session: Handle<ServedVideo>; readonly options: Omit<PropagateOptions, "signal"> };
    result: Handle<AsyncIterable<TrackedFrame>>;
    event: never;
  };
}

/** A session on the host. */
export interface ServedVideo {
  readonly kind: "video";
}

/** Where a session's frames come from: the client, by its own number for them, or a video that the host opens. */
export type VideoFrames =
  | { readonly source: number; readonly size: Size; readonly count?: number }
  | { readonly video: unknown };

/** What a client knows of a session without asking. */
export interface SessionState {
  readonly objectIds: readonly number[];
  readonly memoryBytes: number;
}

export interface TrackedFrame {
  readonly frame: FrameResult;
  readonly state: SessionState;
}

/** Reports what the session is like afterwards, also when it fails. */
interface OnSession<Params, Result> {
  params: { readonly session: Handle<ServedVideo> } & Params;
  result: Result;
  event: SessionState;
}

/** Methods of a client whose videos are tracked by the host. */
export interface ClientMethods {
  frame: { params: { readonly source: number; readonly index: number }; result: RawImage | undefined; event: never };
}
