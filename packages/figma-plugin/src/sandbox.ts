/** What the main thread of a plugin has: part of Figma's API, and a few globals. There is no page and no Node here. */
import type { BaseNode, ImagePaint, Paint, PluginAPI, SceneNode } from "@figma/plugin-typings/plugin-api-standalone";

export type { BaseNode, ImagePaint, Paint, SceneNode };

/** The part of Figma's API that the plugin uses; the fake of the tests implements it. */
export type Figma = Pick<
  PluginAPI,
  | "clientStorage"
  | "closePlugin"
  | "command"
  | "commitUndo"
  | "createImage"
  | "createRectangle"
  | "createVector"
  | "currentPage"
  | "getImageByHash"
  | "getNodeByIdAsync"
  | "group"
  | "mixed"
  | "notify"
  | "on"
  | "parameters"
  | "root"
  | "showUI"
  | "skipInvisibleInstanceChildren"
  | "ui"
  | "viewport"
>;

/** A layer that can be drawn with images. */
export type PaintedNode = Extract<SceneNode, { fills: unknown; fillStyleId: unknown }>;

/** A layer that can hold others. */
export type ParentNode = Exclude<Extract<BaseNode, { insertChild: unknown }>, { type: "DOCUMENT" }>;

declare global {
  /** The text of `ui.html`, which Figma gives to the main thread. */
  const __html__: string;
}
