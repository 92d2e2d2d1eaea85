import "./element.ts";
import { MaskletVideoEditorElement, type MaskletVideoEditorEvents } from "./element/video-element.ts";

export { MaskletVideoEditorElement, type OpenVideoOptions } from "./element/video-element.ts";
export * from "./element.ts";
export type { MaskletVideoEditorEvents };

declare global {
  interface HTMLElementTagNameMap {
    "masklet-video-editor": MaskletVideoEditorElement;
  }
  interface HTMLElementEventMap extends MaskletVideoEditorEvents {}
}

if (globalThis.customElements !== undefined && customElements.get("masklet-video-editor") === undefined) {
  customElements.define("masklet-video-editor", MaskletVideoEditorElement);
}
