/**
 * Every method that a client calls of a host, and the one that a host calls of its client: what it takes, answers and
 * reports, and as what kinds these cross the port. Both sides are written against these tables: a method left out does
 * not compile.
 */
import type { RawImage, Size } from "../image/image.ts";
import type { ImagePrediction } from "../predict/finish.ts";
import type { ImagePredictorOptions, PredictOptions, RefineOptions } from "../predict/image-predictor.ts";
import type { LoadProgress } from "../progress.ts";
import type { Prompt } from "../prompt/prompt.ts";
import type { LoadOptions, Sam2 } from "../sam2.ts";
import type { FoundSubject } from "../subject/subject.ts";
import type { HostTensor } from "../tensor/tensor.ts";
import type { FrameResult } from "../video/frame-result.ts";
import type { VideoOptions } from "../video/options.ts";
import type { ObjectMask, ObjectPrompt, OnFrame, PropagateOptions } from "../video/video-session.ts";
import {
  data,
  fields,
  file,
  frameResult,
  given,
  handle,
  image,
  integer,
  type Kind,
  list,
  objectMask,
  objectPrompt,
  optional,
  prompt,
  written,
} from "./kind.ts";

/** What one method takes and gives. */
export interface Method<Params = unknown, Result = unknown, Event = unknown> {
  readonly params: Params;
  readonly result: Result;
  /** What it reports on its way; `never` if nothing. */
  readonly event: Event;
}

export type Methods<M> = { readonly [K in keyof M]: Method };

/** How one method crosses the port. */
export interface Crossing<M extends Method = Method> {
  readonly takes: Kind<M["params"]>;
  readonly answers: Kind<M["result"]>;
  /** Its events, which are cloned; without this it has none. */
  readonly reports?: Kind<M["event"]>;
}

export type Table<M extends Methods<M>> = { readonly [K in keyof M]: Crossing<M[K]> };

/** A thing of type T that stays with the host. */
export interface Handle<T> {
  readonly handle: number;
  /** Never there; makes handles of different things different types. */
  readonly of?: T;
}

/** Of methods that answer only that they are done. */
type Done = unknown;

/** Methods of every host. */
export interface CommonMethods {
  /** One step of an iterable. */
  next: Method<Handle<AsyncIterable<unknown>>, IteratorResult<unknown, unknown>, never>;
  /** Frees what is behind a handle; ends an iterable. An unknown handle is freed already. */
  release: Method<Handle<unknown>, Done, never>;
  /** Aborts all other calls and frees all that the host holds for the client. */
  close: Method<undefined, Done, never>;
}

export const commonMethods: Table<CommonMethods> = {
  next: { takes: handle(), answers: given() },
  release: { takes: handle(), answers: data() },
  close: { takes: data(), answers: data() },
};

/** What a predictor on the host stands for: encoded images, with settings. */
export interface ServedImages {
  readonly kind: "images";
}

/** A loaded model on the host. */
export interface ServedModel {
  readonly kind: "model";
}

/** A finder of subjects on the host. */
export interface ServedFinder {
  readonly kind: "finder";
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

interface LoadParams extends Pick<LoadOptions, "config" | "dtype"> {
  readonly source: unknown;
  readonly backend?: unknown;
}

interface StartParams {
  readonly model: Handle<ServedModel>;
  readonly options: VideoOptions;
  readonly frames: VideoFrames;
  readonly saved?: Uint8Array;
}

/** A finder by a loaded model alone, or else what the host's `openFinder` makes of a source. */
interface FinderParams {
  readonly model?: Handle<ServedModel>;
  readonly source?: unknown;
  readonly backend?: unknown;
}

/** Of predictions: what is not about this one call stays with the client. */
type Asked<Options> = Omit<Options, "latest" | "signal" | "onStep">;
/** Images, and which of them. */
type OneImage = { readonly images: Handle<ServedImages>; readonly index: number };
type Encoded = Handle<ServedImages> & { readonly sizes: readonly Size[] };
type Started = Handle<ServedVideo> & { readonly size: Size; readonly count?: number; readonly state: SessionState };
/** Reports what the session is like afterwards, also when it fails. */
type OnSession<Params, Result> = Method<{ readonly session: Handle<ServedVideo> } & Params, Result, SessionState>;

/** Methods of a host that serves SAM 2. */
export interface Sam2Methods {
  load: Method<
    LoadParams,
    Handle<ServedModel> & Pick<Sam2, "config" | "dtype" | "source" | "backendName">,
    LoadProgress
  >;
  imagePredictor: Method<
    { readonly model: Handle<ServedModel>; readonly options: ImagePredictorOptions },
    Handle<ServedImages>,
    never
  >;
  /** Encodes images beside those of the handle, with the same settings: the client lets go of one of the two. */
  setImages: Method<{ readonly images: readonly RawImage[]; readonly like: Handle<ServedImages> }, Encoded, never>;
  /** As `setImages`, of what `saveImage` wrote. */
  loadImages: Method<{ readonly files: readonly Uint8Array[]; readonly like: Handle<ServedImages> }, Encoded, never>;
  saveImage: Method<OneImage, Uint8Array, never>;
  predict: Method<
    {
      readonly images: Handle<ServedImages>;
      readonly prompts: readonly Prompt[];
      readonly options: Asked<PredictOptions>;
    },
    readonly ImagePrediction[],
    never
  >;
  refine: Method<
    { readonly images: Handle<ServedImages>; readonly prompt: Prompt; readonly options: Asked<RefineOptions> },
    ImagePrediction,
    { readonly prediction: ImagePrediction; readonly iteration: number }
  >;
  imageEmbedding: Method<OneImage, HostTensor, never>;
  reset: Method<{ readonly images: Handle<ServedImages> }, Done, never>;
  openFinder: Method<FinderParams, Handle<ServedFinder> & { readonly kind?: string }, never>;
  findSubject: Method<{ readonly finder: Handle<ServedFinder>; readonly image: RawImage }, FoundSubject, never>;
  /** A session, new or as it was saved. */
  startVideo: Method<StartParams, Started, never>;
  addPrompt: OnSession<{ readonly prompt: ObjectPrompt & OnFrame }, FrameResult>;
  addMask: OnSession<{ readonly prompt: ObjectMask & OnFrame }, FrameResult>;
  clearPrompts: OnSession<{ readonly prompt: { readonly object: number } & OnFrame }, FrameResult>;
  removeObject: OnSession<{ readonly object: number; readonly strict: boolean }, readonly FrameResult[]>;
  resetVideo: OnSession<unknown, Done>;
  saveVideo: OnSession<unknown, Uint8Array>;
  propagate: Method<
    { readonly session: Handle<ServedVideo>; readonly options: Omit<PropagateOptions, "signal"> },
    Handle<AsyncIterable<TrackedFrame>>,
    never
  >;
}

/** Options are checked by what they are for. */
const predictOptions: { readonly [K in keyof Asked<PredictOptions>]-?: Kind<Asked<PredictOptions>[K]> } = {
  image: data(),
  multimaskOutput: data(),
  returnLogits: data(),
};
const isOptions = (value: unknown): boolean => typeof value === "object" && value !== null;
const state: Kind<SessionState> = fields<SessionState>({ objectIds: list(integer), memoryBytes: data() });
const session = handle<Handle<ServedVideo>>();
const encoded = fields<Encoded>({ handle: integer, of: data(), sizes: list(data(isOptions)) });

/** The items of `propagate`. */
export const trackedFrame: Kind<TrackedFrame> = fields<TrackedFrame>({ frame: frameResult, state });

export const sam2Methods: Table<Sam2Methods> = {
  load: {
    takes: fields<LoadParams>({ source: data(), config: data(), dtype: data(), backend: data() }),
    answers: handle(),
    reports: data(isOptions),
  },
  imagePredictor: { takes: fields({ model: handle(), options: data(isOptions) }), answers: handle() },
  setImages: { takes: fields({ images: list(image), like: handle() }), answers: encoded },
  loadImages: { takes: fields({ files: list(file), like: handle() }), answers: encoded },
  saveImage: { takes: fields({ images: handle(), index: data() }), answers: written },
  predict: {
    takes: fields({
      images: handle(),
      prompts: list(prompt),
      options: fields<Asked<PredictOptions>>(predictOptions),
    }),
    answers: list(given()),
  },
  refine: {
    takes: fields({
      images: handle(),
      prompt,
      options: fields<Asked<RefineOptions>>({ ...predictOptions, iterations: data(), until: data() }),
    }),
    answers: given(),
    reports: fields({ prediction: data(isOptions), iteration: integer }),
  },
  imageEmbedding: { takes: fields({ images: handle(), index: data() }), answers: given() },
  reset: { takes: fields({ images: handle() }), answers: data() },
  openFinder: {
    takes: fields<FinderParams>({ model: optional(handle()), source: data(), backend: data() }),
    answers: handle(),
  },
  findSubject: { takes: fields({ finder: handle(), image }), answers: given() },
  startVideo: {
    takes: fields<StartParams>({
      model: handle(),
      options: data(isOptions),
      frames: data(isOptions),
      saved: optional(file),
    }),
    answers: fields<Started>({ handle: integer, of: data(), size: data(isOptions), count: data(), state }),
  },
  addPrompt: { takes: fields({ session, prompt: objectPrompt }), answers: frameResult, reports: state },
  addMask: { takes: fields({ session, prompt: objectMask }), answers: frameResult, reports: state },
  clearPrompts: {
    takes: fields({ session, prompt: fields({ object: data(), frame: data() }) }),
    answers: frameResult,
    reports: state,
  },
  removeObject: {
    takes: fields({ session, object: data(), strict: data() }),
    answers: list(frameResult),
    reports: state,
  },
  resetVideo: { takes: fields({ session }), answers: data(), reports: state },
  saveVideo: { takes: fields({ session }), answers: written, reports: state },
  propagate: {
    takes: fields({
      session,
      options: fields<Omit<PropagateOptions, "signal">>({ start: data(), count: data(), reverse: data() }),
    }),
    answers: handle(),
  },
};

/** Methods of a client whose videos are tracked by the host. */
export interface ClientMethods {
  frame: Method<{ readonly source: number; readonly index: number }, RawImage | undefined, never>;
}

export const clientMethods: Table<ClientMethods> = {
  frame: { takes: fields({ source: integer, index: integer }), answers: optional(image) },
};
