import "@masklet/editor/element";
import { openModel } from "./model.js";

const editor = /** @type {import("@masklet/editor/element").MaskletEditorElement} */ (
  document.querySelector("masklet-editor")
);
await editor.open("./scene.png");
editor.engine = await openModel();
