/** What the host and the gallery's page say to each other. Messages carry what is on the screen, never the dataset. */
import type { WirePicture } from "../protocol.ts";
import type { OverlayObject } from "./overlay.ts";
import type { Filter, ImageState } from "./query.ts";

export interface GalleryClass {
  readonly name: string;
  readonly colour: readonly [number, number, number];
}

export interface GalleryItem {
  readonly path: string;
  readonly name: string;
  readonly split: string;
  readonly states: readonly ImageState[];
  readonly objects: number;
  readonly drafts: number;
  readonly missing: boolean;
}

export type ToGallery =
  /** Sent when the page is ready, and whenever the dataset has changed. */
  | {
      readonly type: "dataset";
      readonly name: string;
      readonly splits: readonly string[];
      readonly classes: readonly GalleryClass[];
      readonly filter: Filter;
      readonly canPropose: boolean;
      readonly words: Readonly<Record<string, string>>;
    }
  /** What the filter lets through. `query` names the answer, so that late items are known as such. */
  | {
      readonly type: "result";
      readonly query: number;
      readonly count: number;
      readonly total: number;
      readonly problem: string | undefined;
    }
  | { readonly type: "items"; readonly query: number; readonly from: number; readonly items: readonly GalleryItem[] }
  | {
      readonly type: "picture";
      readonly path: string;
      /** `undefined` where it cannot be read: `problem` says why. */
      readonly bytes: ArrayBuffer | undefined;
      readonly problem: string | undefined;
      readonly size: { readonly width: number; readonly height: number } | undefined;
      readonly overlay: readonly OverlayObject[];
      readonly side: number;
    }
  /** Goes to a place of the result. */
  | { readonly type: "go"; readonly at: number; readonly review: boolean }
  | { readonly type: "status"; readonly text: string; readonly isRunning: boolean }
  /** Pixels are wanted, for a model. */
  | { readonly type: "decode"; readonly id: number; readonly bytes: ArrayBuffer };

export type FromGallery =
  | { readonly type: "ready" }
  | { readonly type: "filter"; readonly filter: Filter }
  | { readonly type: "window"; readonly query: number; readonly from: number; readonly to: number }
  /** `side`: the longer side of what it is shown as, in pixels. */
  | { readonly type: "picture"; readonly path: string; readonly side: number }
  | { readonly type: "open"; readonly path: string }
  | { readonly type: "next-unlabelled"; readonly after: number; readonly review: boolean }
  | { readonly type: "accept" | "reject"; readonly path: string; readonly ids: readonly number[] }
  /** Pictures by their places in the result; all of it where there are none. */
  | { readonly type: "propose" | "detect"; readonly places: readonly number[] }
  | { readonly type: "stop" }
  | {
      readonly type: "decoded";
      readonly id: number;
      readonly picture: WirePicture | undefined;
      readonly problem: string | undefined;
    };

/** Whether a message from the page is one of these. */
export function isFromGallery(value: unknown): value is FromGallery {
  if (typeof value !== "object" || value === null || !("type" in value)) return false;
  const message = value as Record<string, unknown>;
  const place = (field: unknown): boolean => Number.isSafeInteger(field);
  switch (message["type"]) {
    case "ready":
    case "stop":
      return true;
    case "filter":
      return typeof message["filter"] === "object" && message["filter"] !== null;
    case "window":
      return place(message["query"]) && place(message["from"]) && place(message["to"]);
    case "picture":
      return typeof message["path"] === "string" && place(message["side"]);
    case "open":
      return typeof message["path"] === "string";
    case "next-unlabelled":
      return place(message["after"]) && typeof message["review"] === "boolean";
    case "accept":
    case "reject":
      return typeof message["path"] === "string" && Array.isArray(message["ids"]) && message["ids"].every(place);
    case "propose":
    case "detect":
      return Array.isArray(message["places"]) && message["places"].every(place);
    case "decoded":
      return place(message["id"]);
    default:
      return false;
  }
}
