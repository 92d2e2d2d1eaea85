/** What the host and the engine's process say to each other. Plain data for structured clones; ids belong to requests. */
import type { WireMask, WirePicture, WirePrediction } from "../protocol.ts";
import type { Packed } from "./channel.ts";

/** What the process is started with. */
export interface EngineSettings {
  /** `nano`, a published model's name, or a checkpoint's path. */
  readonly model: string;
  readonly runtime: "auto" | "native" | "wasm";
  /** Bytes of encoded pictures that are kept. */
  readonly cacheBytes: number;
}

export interface EngineFacts {
  readonly model: string;
  /** The runtime that computes: `native` or `wasm`, and its threads. */
  readonly runtime: string;
  /** Side of the square that the model sees. */
  readonly imageSize: number;
}

/** What is known of a video file once it is open. */
export interface VideoFacts {
  readonly width: number;
  readonly height: number;
  readonly count: number;
  /** Frames per second. */
  readonly rate: number;
}

export interface EngineMethods {
  readonly start: { readonly args: EngineSettings; readonly result: EngineFacts };
  /** Encodes a picture, unless its encoding is still there. `ahead`: when there is nothing else to do. */
  readonly encode: {
    readonly args: { readonly key: string; readonly picture: WirePicture; readonly ahead: boolean };
    readonly result: { readonly wasThere: boolean };
  };
  /** Rejects with "picture-unknown" where the picture has to be encoded first. */
  readonly predict: {
    readonly args: {
      readonly key: string;
      readonly prompt: unknown;
      readonly multimaskOutput: boolean;
      readonly latest: boolean;
    };
    readonly result: WirePrediction;
  };
  /** Masks of everything in a picture, when there is nothing else to do. `cancel` ends it. */
  readonly everything: { readonly args: { readonly picture: WirePicture }; readonly result: WirePrediction };
  /** A mask of each box that a detector finds, with its class and score, the best first. `cancel` ends it. */
  readonly detect: {
    readonly args: {
      readonly picture: WirePicture;
      /** The path of its ONNX file. */
      readonly detector: string;
    };
    readonly result: { readonly masks: readonly (WireMask & { readonly category: string })[] };
  };
  /** Published models, the best first, what fetching each takes, and whether it is on this machine. */
  readonly models: {
    readonly args: null;
    readonly result: readonly { readonly name: string; readonly bytes: number; readonly isHere: boolean }[];
  };
  /** Fetches a published model; its progress comes as events. */
  readonly download: { readonly args: { readonly model: string }; readonly result: null };
  /** One message of core's remote protocol, to the model by a port of the client's own number. Answers come as `port`. */
  readonly port: { readonly args: { readonly port: number; readonly message: Packed }; readonly result: null };
  /** Frees what was held for a port. */
  readonly "close-port": { readonly args: { readonly port: number }; readonly result: null };
  /** Opens a video file with ffmpeg. Rejects as `openVideo` of core for Node. */
  readonly "open-video": {
    readonly args: { readonly video: number; readonly path: string };
    readonly result: VideoFacts;
  };
  /** A frame of a video that is open; `null` past the last. */
  readonly "video-frame": {
    readonly args: { readonly video: number; readonly index: number };
    readonly result: WirePicture | null;
  };
  readonly "close-video": { readonly args: { readonly video: number }; readonly result: null };
  readonly cancel: { readonly args: { readonly id: number }; readonly result: null };
}
export type EngineMethod = keyof EngineMethods;

export interface EngineRequest<M extends EngineMethod = EngineMethod> {
  readonly id: number;
  readonly method: M;
  readonly args: EngineMethods[M]["args"];
}

export type EngineReply =
  | { readonly id: number; readonly result: unknown }
  | { readonly port: number; readonly message: Packed }
  | { readonly id: number; readonly progress: number; readonly text: string }
  | { readonly id: number; readonly error: { readonly code: string; readonly message: string } };
