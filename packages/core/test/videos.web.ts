/** Videos whose frames show their number, made by the browser. */
import {
  BufferTarget,
  CanvasSource,
  MkvOutputFormat,
  Mp4OutputFormat,
  Output,
  QUALITY_HIGH,
  type VideoCodec,
  WebMOutputFormat,
} from "mediabunny";
import type { RawImage } from "../src/image/image.ts";

const BITS = 6;
const formats = { mp4: Mp4OutputFormat, webm: WebMOutputFormat, mkv: MkvOutputFormat };

export interface NumberedVideo {
  readonly codec?: VideoCodec;
  readonly container?: "mp4" | "webm" | "mkv";
  readonly width?: number;
  readonly height?: number;
  /** When each frame is shown, in seconds. */
  readonly times?: readonly number[];
  readonly rotation?: 0 | 90 | 180 | 270;
  /** Seconds between key frames. */
  readonly keyFrameInterval?: number;
}

/** Frames 0.1 s apart. */
export const steady = (frames: number): readonly number[] => Array.from({ length: frames }, (_, i) => i / 10);

export async function numberedVideo({
  codec = "vp8",
  container = "webm",
  width = 96,
  height = 48,
  times = steady(12),
  rotation = 0,
  keyFrameInterval = 0.5,
}: NumberedVideo = {}): Promise<Uint8Array> {
  const surface = new OffscreenCanvas(width, height);
  const context = surface.getContext("2d") as OffscreenCanvasRenderingContext2D;
  const target = new BufferTarget();
  const output = new Output({ format: new formats[container](), target });
  const source = new CanvasSource(surface, { codec, quality: QUALITY_HIGH, keyFrameInterval });
  output.addVideoTrack(source, { rotation });
  await output.start();
  for (const [frame, time] of times.entries()) {
    for (let bit = 0; bit < BITS; bit++) {
      context.fillStyle = (frame >> bit) & 1 ? "white" : "black";
      context.fillRect((bit * width) / BITS, 0, width / BITS, height);
    }
    await source.add(time, (times[frame + 1] ?? time + 0.1) - time);
  }
  await output.finalize();
  return new Uint8Array(target.buffer as ArrayBuffer);
}

/** The number that a frame shows; -1 if there is none to be read. */
export function numberOn({ width, height, channels, data }: RawImage): number {
  let number = 0;
  for (let bit = 0; bit < BITS; bit++) {
    const x = Math.floor(((bit + 0.5) * width) / BITS);
    const grey = data[(Math.floor(height / 2) * width + x) * channels + 1] as number;
    if (grey > 80 && grey < 175) return -1;
    if (grey >= 175) number += 2 ** bit;
  }
  return number;
}

/** Counts the decoder's frames that nobody has closed or handed over, until `restore` is called. */
export function watchFrames(): { readonly open: () => number; readonly restore: () => void } {
  const { VideoDecoder: Decoder } = globalThis;
  const { clone } = VideoFrame.prototype;
  const seen: VideoFrame[] = [];
  globalThis.VideoDecoder = class extends Decoder {
    constructor({ output, ...init }: VideoDecoderInit) {
      super({
        ...init,
        output: (frame) => {
          seen.push(frame);
          output(frame);
        },
      });
    }
  };
  VideoFrame.prototype.clone = function (this: VideoFrame) {
    const copy = clone.call(this);
    seen.push(copy);
    return copy;
  };
  return {
    open: () => seen.filter(({ codedWidth }) => codedWidth > 0).length, // a frame that is closed has none
    restore: () => {
      globalThis.VideoDecoder = Decoder;
      Object.assign(VideoFrame.prototype, { clone });
    },
  };
}
