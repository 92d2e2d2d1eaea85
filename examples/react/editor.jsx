import "@masklet/editor/element";
import { useEffect, useRef } from "react";

/**
 * `<masklet-editor>` as a component: the picture and the model may change, what was done comes as `onStep`.
 *
 * @param {{
 *   picture: string | Blob,
 *   engine?: import("@masklet/editor/element").PictureEngine,
 *   onStep?: (step: import("@masklet/editor").Step) => void,
 * }} props
 */
export function Editor({ picture, engine, onStep }) {
  const ref = useRef(/** @type {import("@masklet/editor/element").MaskletEditorElement | null} */ (null));
  useEffect(() => {
    ref.current?.open(picture);
  }, [picture]);
  useEffect(() => {
    if (ref.current !== null) ref.current.engine = engine;
  }, [engine]);
  useEffect(() => {
    const editor = ref.current;
    const told = (/** @type {CustomEvent<import("@masklet/editor").SessionEvent>} */ { detail }) => {
      if (detail.type === "step") onStep?.(detail.step);
    };
    editor?.addEventListener("masklet-session", told);
    return () => editor?.removeEventListener("masklet-session", told);
  }, [onStep]);
  return <masklet-editor ref={ref} style={{ height: "80vh" }} />;
}
