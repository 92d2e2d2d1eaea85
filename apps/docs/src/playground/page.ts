/** The page's parts, and what is open in it. */
import type { FrameSource } from "@masklet/core";
import type { RemoteImagePredictor, RemoteSam2 } from "@masklet/core/remote";
import type { MaskletEditorElement } from "@masklet/editor/element";
import type { MaskletVideoEditorElement } from "@masklet/editor/video-element";
import type { OfferedModel } from "./models.ts";
import type { EverythingSettings, Work } from "./work.ts";

export const part = <T extends HTMLElement = HTMLElement>(name: string): T => {
  const found = document.querySelector<T>(`[data-play="${name}"]`);
  if (found === null) throw new Error(`the page has no part "${name}"`);
  return found;
};
export const say = (text: string, where = "status"): void => {
  part(where).textContent = text;
};

export const editor = document.querySelector("masklet-editor") as MaskletEditorElement;
export const picker: HTMLSelectElement = part<HTMLSelectElement>("model");
export const models = JSON.parse(document.getElementById("models")?.textContent ?? "[]") as readonly OfferedModel[];
export const byName = (name: string): OfferedModel | undefined => models.find((one) => one.name === name);

/** A model in its worker. */
export interface Engine {
  readonly name: string;
  readonly model: RemoteSam2;
  readonly predictor: RemoteImagePredictor;
  readonly worker: Worker;
}

interface State {
  /** The model that answers. */
  engine: Engine | undefined;
  /** Made, and its code fetched, with the first video. */
  videoEditor: MaskletVideoEditorElement | undefined;
  /** The video's frames, while one is open instead of a picture. */
  video: (FrameSource & { close?(): Promise<void> }) | undefined;
  /** What is open. */
  picture: { readonly file: string; readonly isOwn: boolean };
  /** Objects that everything-mode found, and with what. */
  found: { readonly ids: ReadonlySet<number>; readonly settings: EverythingSettings } | undefined;
  /** Of a link, until it can be done. */
  asked: Work | undefined;
}

export const state: State = {
  engine: undefined,
  videoEditor: undefined,
  video: undefined,
  picture: { file: "scene.png", isOwn: false },
  found: undefined,
  asked: undefined,
};
