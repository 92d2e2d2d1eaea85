import { MaskletEditorElement, type MaskletEditorEvents } from "./element/element.ts";

export {
  type EditorHistory,
  type EngineState,
  MaskletEditorElement,
  type OpenOptions,
  type PictureEngine,
} from "./element/element.ts";
export type { Backdrop, Display } from "./element/render.ts";
export type { EditorTool } from "./element/tools.ts";
export * from "./index.ts";
export type { MaskletEditorEvents };

declare global {
  interface HTMLElementTagNameMap {
    "masklet-editor": MaskletEditorElement;
  }
  interface HTMLElementEventMap extends MaskletEditorEvents {}
}

// Two copies of the package in one page share the name; outside of a page there is none.
if (globalThis.customElements !== undefined && customElements.get("masklet-editor") === undefined) {
  customElements.define("masklet-editor", MaskletEditorElement);
}
