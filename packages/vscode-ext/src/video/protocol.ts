/** What the host and the page of a video say to each other. Everything is plain data; steps and documents are the editor's. */
import type { VideoEditorDocument, VideoStep } from "@masklet/editor";
import type { Packed } from "../engine/channel.ts";
import type { EngineKind, ShowMessage } from "../protocol.ts";
import type { Translation } from "../translate.ts";

/** Where the page finds the frames. */
export type VideoSource =
  /** Pictures of a folder: its address, and their names in the order of the frames. */
  | { readonly kind: "frames"; readonly base: string; readonly names: readonly string[] }
  | { readonly kind: "file"; readonly src: string };

/** Everything a page needs to show a video; sent when it is ready. */
export interface ShowVideo {
  readonly type: "show";
  readonly name: string;
  readonly source: VideoSource;
  readonly engine: EngineKind;
  readonly worker: ShowMessage["worker"];
  readonly words: Readonly<Record<string, string>>;
  /** Of the editor's words. */
  readonly translation: Translation;
}

export type ToVideoPage =
  | ShowVideo
  /** The objects, once the page has said what it opened, and whenever all of them may be others. `undefined`: they do not fit. */
  | {
      readonly type: "document";
      readonly document: VideoEditorDocument | undefined;
      readonly readOnly: string | undefined;
    }
  /** A step that was made elsewhere: by another view, or by undo and redo, whose frame is to be `shown`. */
  | { readonly type: "step"; readonly step: VideoStep; readonly shown: boolean }
  /** The port to the engine is open; its messages; it is closed, because the process has ended or did not start. */
  | { readonly type: "connected" }
  | { readonly type: "port"; readonly message: Packed }
  | { readonly type: "lost"; readonly message: string }
  | { readonly type: "drift"; readonly by: 1 | -1 }
  | { readonly type: "answer"; readonly id: number; readonly result: unknown }
  | { readonly type: "failure"; readonly id: number; readonly code: string; readonly message: string };

export type ToVideoHost =
  | { readonly type: "ready" }
  /** The frames can be read; said again, the objects are wanted anew. */
  | {
      readonly type: "opened";
      readonly width: number;
      readonly height: number;
      readonly count: number;
      /** Frames per second, where the video says it. */
      readonly rate: number | undefined;
      /** What decodes it, for the log. */
      readonly decoder: string;
    }
  | { readonly type: "unopened"; readonly message: string }
  | { readonly type: "step"; readonly step: VideoStep }
  /** Asks for a port to the engine. */
  | { readonly type: "connect" }
  | { readonly type: "port"; readonly message: Packed }
  /** Asks the engine's ffmpeg for the video, and for a frame of it. */
  | { readonly type: "open-video"; readonly id: number }
  | { readonly type: "video-frame"; readonly id: number; readonly index: number }
  /** A person asks for a class that is not there. */
  | { readonly type: "new-class" }
  | { readonly type: "log"; readonly message: string };
