/** Live pictures in browsers, for `StreamSession.push`. */
import { type AbortSignalLike, abortable } from "../abort.ts";
import { VideoError } from "../errors.ts";
import type { ImageLimits, RawImage } from "../image/image.ts";
import { checkKeys, type Keys } from "../options.ts";
import { imageFrom } from "./image.ts";

/** Options of `cameraFrames`. */
export interface CameraFramesOptions extends ImageLimits {
  /** Aborting ends the iteration with the signal's reason. */
  readonly signal?: AbortSignalLike;
}

/**
 * The pictures of a camera, a shared screen or a playing video, as they come: whoever takes them gets the newest there
 * is, and what came while it was busy is dropped, so that memory and delay stay bounded however slow the model. Ends when
 * the track or the video has ended; leaving the loop stops neither, they stay the caller's.
 *
 * A track works in workers too, where the browser has `MediaStreamTrackProcessor`; else it needs a window. Rejects with a
 * `VideoError`: "no-video-track" (a track of sound), "stream-failed" (the element cannot play, or nothing here can read
 * the track); an `ImageError` as `imageFrom`.
 */
export async function* cameraFrames(
  source: MediaStreamTrack | HTMLVideoElement,
  options: CameraFramesOptions = {},
): AsyncGenerator<RawImage, void, undefined> {
  checkKeys("cameraFrames", options, cameraKeys);
  const { signal, ...limits } = options;
  signal?.throwIfAborted();
  if (!(source instanceof MediaStreamTrack)) return yield* elementFrames(source, limits, signal);
  if (source.kind !== "video") {
    throw new VideoError("no-video-track", `cameraFrames: the track is of ${source.kind}`, {
      details: { tracks: [source.kind] },
    });
  }
  const { MediaStreamTrackProcessor: Processor } = globalThis as unknown as {
    readonly MediaStreamTrackProcessor?: TrackProcessor;
  };
  if (Processor !== undefined) yield* trackFrames(new Processor({ track: source, maxBufferSize: 1 }), limits, signal);
  else {
    if (typeof document === "undefined") {
      throw new VideoError("stream-failed", "cameraFrames: this browser reads tracks in windows only");
    }
    const element = document.createElement("video");
    element.muted = true;
    element.playsInline = true;
    element.srcObject = new MediaStream([source]);
    try {
      await element.play().catch(failed);
      yield* elementFrames(element, limits, signal);
    } finally {
      element.srcObject = null;
    }
  }
}

/** Not in the types of a page yet (W3C mediacapture-transform). It holds `maxBufferSize` frames and drops older ones. */
type TrackProcessor = new (init: {
  readonly track: MediaStreamTrack;
  readonly maxBufferSize: number;
}) => {
  readonly readable: ReadableStream<VideoFrame>;
};

async function* trackFrames(
  { readable }: InstanceType<TrackProcessor>,
  limits: ImageLimits,
  signal: AbortSignalLike | undefined,
): AsyncGenerator<RawImage, void, undefined> {
  const reader = readable.getReader();
  try {
    for (;;) {
      const { done, value } = await abortable(reader.read(), signal, ({ value }) => value?.close());
      if (done) return;
      yield await imageFrom(value, limits).finally(() => value.close());
    }
  } finally {
    await reader.cancel();
  }
}

async function* elementFrames(
  video: HTMLVideoElement,
  limits: ImageLimits,
  signal: AbortSignalLike | undefined,
): AsyncGenerator<RawImage, void, undefined> {
  for (;;) {
    if (!(await abortable(nextPicture(video, signal), signal))) return;
    yield await imageFrom(video, limits);
  }
}

/** Whether another picture has come before the end. */
function nextPicture(video: HTMLVideoElement, signal: AbortSignalLike | undefined): Promise<boolean> {
  if (video.error !== null) failed(video.error);
  if (video.ended) return Promise.resolve(false);
  return new Promise((resolve, reject) => {
    const done = (): void => {
      video.cancelVideoFrameCallback(callback);
      video.removeEventListener("ended", onEnded);
      video.removeEventListener("error", onError);
      signal?.removeEventListener("abort", done);
    };
    const callback = video.requestVideoFrameCallback(() => {
      done();
      resolve(true);
    });
    const onEnded = (): void => {
      done();
      resolve(false);
    };
    const onError = (): void => {
      done();
      reject(streamFailed(video.error));
    };
    video.addEventListener("ended", onEnded);
    video.addEventListener("error", onError);
    signal?.addEventListener("abort", done, { once: true });
  });
}

function failed(cause: unknown): never {
  throw streamFailed(cause);
}

function streamFailed(cause: unknown): VideoError {
  const problem = cause instanceof Error || cause instanceof MediaError ? cause.message : String(cause);
  return new VideoError("stream-failed", `cameraFrames: the video does not play: ${problem}`, { cause });
}

const cameraKeys: Keys<CameraFramesOptions> = { maxPixels: true, signal: true };
