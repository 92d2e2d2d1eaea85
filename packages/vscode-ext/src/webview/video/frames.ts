/** Frames as the page reads them: pictures of a folder, a file by Chromium's decoders, or one by the engine's ffmpeg. */
import { FrameError, type FrameSource, type RawImage } from "@masklet/core";
import { imageFrom, openVideo } from "@masklet/core/web";
import type { VideoFacts } from "../../engine/protocol.ts";
import type { WirePicture } from "../../protocol.ts";
import type { VideoSource } from "../../video/protocol.ts";

export interface OpenedFrames {
  readonly frames: FrameSource & { readonly count: number };
  /** Frames per second, where the video says it. */
  readonly rate: number | undefined;
  /** What decodes them. */
  readonly decoder: string;
}

/** A video that no decoder reads: what each of them said. */
export class UnreadVideo extends Error {
  override readonly name: string = "UnreadVideo";
  /** What ffmpeg said, where it was asked. */
  readonly ffmpeg: string | undefined;
  constructor(message: string, ffmpeg?: string) {
    super(message);
    this.ffmpeg = ffmpeg;
  }
}

/** What asks the engine. */
export interface Ffmpeg {
  open(): Promise<VideoFacts>;
  /** `null` past the last. */
  frame(index: number): Promise<WirePicture | null>;
}

/** Rejects with an `UnreadVideo`; `ffmpeg` is asked where the browser's own decoders do not do. */
export async function openFrames(source: VideoSource, ffmpeg: Ffmpeg | undefined): Promise<OpenedFrames> {
  try {
    return source.kind === "frames" ? await folderFrames(source) : await decodedFrames(source);
  } catch (error) {
    const message = messageOf(error);
    if (source.kind === "frames" || ffmpeg === undefined) throw new UnreadVideo(message);
    try {
      return await ffmpegFrames(ffmpeg);
    } catch (second) {
      throw new UnreadVideo(message, messageOf(second));
    }
  }
}

async function folderFrames({ base, names }: Extract<VideoSource, { kind: "frames" }>): Promise<OpenedFrames> {
  const read = async (index: number): Promise<RawImage | undefined> => {
    const name = names[index];
    if (name === undefined) return undefined;
    const response = await fetch(`${base}/${encodeURIComponent(name)}`);
    if (!response.ok) throw new Error(`${name}: ${response.status} ${response.statusText}`);
    return imageFrom(await response.blob());
  };
  const { width, height } = (await read(0)) as RawImage;
  const frame = async (index: number): Promise<RawImage | undefined> => {
    const image = await read(index);
    if (image === undefined || (image.width === width && image.height === height)) return image;
    const got = `${image.width}x${image.height}`;
    throw new FrameError("frame-size", `${names[index]} is ${got}, ${names[0]} is ${width}x${height}`, {
      details: { frame: index, width: image.width, height: image.height, expected: [width, height] },
    });
  };
  return {
    frames: { size: { width, height }, count: names.length, frame },
    rate: undefined,
    decoder: "the page, a picture for each frame",
  };
}

async function decodedFrames({ src }: Extract<VideoSource, { kind: "file" }>): Promise<OpenedFrames> {
  const frames = await openVideo(src);
  return { frames, rate: frames.info.fps, decoder: `the page, ${frames.info.codec}` };
}

async function ffmpegFrames(ffmpeg: Ffmpeg): Promise<OpenedFrames> {
  const { width, height, count, rate } = await ffmpeg.open();
  const frame = async (index: number): Promise<RawImage | undefined> => {
    const picture = await ffmpeg.frame(index);
    return picture === null ? undefined : { ...picture, data: new Uint8Array(picture.data) };
  };
  return { frames: { size: { width, height }, count, frame }, rate, decoder: "ffmpeg" };
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
