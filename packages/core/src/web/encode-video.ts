import { type AbortSignalLike, abortable } from "../abort.ts";
import { FrameError, MaskletError, VideoError } from "../errors.ts";
import { checkImage, type RawImage } from "../image/image.ts";
import { checkKeys, type Keys } from "../options.ts";
import { canvas, imageDataFrom } from "./image.ts";
import { loadMediabunny } from "./mediabunny.ts";

/** Options of `encodeVideo`. */
export interface EncodeVideoOptions {
  /** Frames per second. Default 30. */
  readonly fps?: number;
  /** Default "video/mp4". */
  readonly type?: "video/mp4" | "video/webm";
  /** Width of a pixel by its height: `info.sampleAspectRatio` of the video that the frames come from. Default 1. */
  readonly sampleAspectRatio?: number;
  /** Keeps the frames' transparency, in WebM alone; else they are on black. Default false. */
  readonly alpha?: boolean;
  readonly signal?: AbortSignalLike;
}

/**
 * Frames of one size as a video file, in the best codec of its type that the browser can write. A frame is taken when the
 * encoder has room for it. Needs the package `mediabunny`.
 *
 * Rejects with a `VideoError`: "mediabunny-missing", "no-frames", "no-encoder" (the browser writes no such file of that
 * size), "video-option" (`fps`), "encode-failed"; a `FrameError` "frame-size" for a frame of another size than the first, an `ImageError` as
 * `checkImage`; or with what the frames reject with. However it ends, so do the frames.
 */
export async function encodeVideo(
  frames: AsyncIterable<RawImage> | Iterable<RawImage>,
  options: EncodeVideoOptions = {},
): Promise<Blob> {
  checkKeys("encodeVideo", options, encodeKeys);
  const { fps = 30, type = "video/mp4", alpha = false, sampleAspectRatio = 1, signal } = options;
  signal?.throwIfAborted();
  if (!(fps > 0 && Number.isFinite(fps))) {
    throw new VideoError("video-option", `encodeVideo: fps must be a number above 0, got ${fps}`, {
      details: { option: "fps", got: fps },
    });
  }
  if (!(sampleAspectRatio > 0.01 && sampleAspectRatio < 100)) {
    const expected = "a pixel's width by its height";
    throw new VideoError(
      "video-option",
      `encodeVideo: sampleAspectRatio must be ${expected}, got ${sampleAspectRatio}`,
      {
        details: { option: "sampleAspectRatio", got: sampleAspectRatio },
      },
    );
  }
  const media = await loadMediabunny();
  const target = new media.BufferTarget();
  const format = type === "video/mp4" ? new media.Mp4OutputFormat() : new media.WebMOutputFormat();
  const output = new media.Output({ format, target });
  const keep = alpha && type === "video/webm";
  let writer: { readonly add: (image: RawImage, frame: number) => Promise<void> } | undefined;
  const start = async ({ width, height }: RawImage): Promise<NonNullable<typeof writer>> => {
    const codec = await media.getFirstEncodableVideoCodec(
      format.getSupportedVideoCodecs().filter((one) => !keep || one.startsWith("vp")),
      { width, height },
    );
    if (codec === null) {
      throw new VideoError("no-encoder", `encodeVideo: this browser writes no ${type} of ${width}x${height}`, {
        details: { type, width, height },
      });
    }
    const { surface, context } = canvas({ width, height }, { alpha: keep });
    const source = new media.CanvasSource(surface, {
      codec,
      quality: media.QUALITY_HIGH,
      ...(keep && { alpha: "keep" }),
      ...(sampleAspectRatio !== 1 && {
        // What the encoder says of its packets is what the file says of them.
        onEncodedPacket: (_: unknown, meta?: EncodedVideoChunkMetadata) => {
          if (meta?.decoderConfig === undefined) return;
          meta.decoderConfig.displayAspectWidth = Math.round(width * sampleAspectRatio * aspectUnits);
          meta.decoderConfig.displayAspectHeight = height * aspectUnits;
        },
      }),
    });
    output.addVideoTrack(source, { frameRate: fps });
    await output.start();
    return {
      add: (image, frame) => {
        if (image.width !== width || image.height !== height) {
          const got = `${image.width}x${image.height}`;
          throw new FrameError("frame-size", `encodeVideo: frame ${frame} is ${got}, the first ${width}x${height}`, {
            details: { frame, width: image.width, height: image.height, expected: { width, height } },
          });
        }
        context.putImageData(imageDataFrom(image), 0, 0);
        return source.add(frame / fps, 1 / fps);
      },
    };
  };
  try {
    let frame = 0;
    for await (const image of frames) {
      signal?.throwIfAborted();
      checkImage("encodeVideo", image);
      try {
        writer ??= await start(image);
        await abortable(writer.add(image, frame++), signal);
      } catch (error) {
        signal?.throwIfAborted();
        throw encodeFailed(error);
      }
    }
    if (writer === undefined) throw new VideoError("no-frames", "encodeVideo: there are no frames");
    await abortable(output.finalize(), signal).catch((error: unknown) => {
      signal?.throwIfAborted();
      throw encodeFailed(error);
    });
    return new Blob([target.buffer as ArrayBuffer], { type });
  } catch (error) {
    await output.cancel();
    throw error;
  }
}

/** Of a pixel: how finely a shape is written down. */
const aspectUnits = 100;

function encodeFailed(cause: unknown): MaskletError {
  if (cause instanceof MaskletError) return cause;
  const problem = cause instanceof Error ? cause.message : String(cause);
  return new VideoError("encode-failed", `encodeVideo: the browser cannot write the video: ${problem}`, { cause });
}

const encodeKeys: Keys<EncodeVideoOptions> = {
  fps: true,
  type: true,
  alpha: true,
  sampleAspectRatio: true,
  signal: true,
};
