/** The first page's editor: a finished result at once, and nano in a worker to go on with. */
import { EditorSession } from "@masklet/editor";
import "@masklet/editor/element";
import { decompressRle } from "@masklet/core/rle";
import scene from "../../../../examples/scene.png";
import { followTheme, keepModel, messageOf } from "./engine.ts";
import { loading } from "./loading.ts";
import found from "./scene.json";

const editor = document.querySelector("masklet-editor");
if (editor !== null) {
  const status = document.querySelector("[data-live-status]");
  const say = (text: string): void => {
    if (status !== null) status.textContent = text;
  };
  followTheme(editor);
  try {
    const { width, height } = found.image;
    const session = new EditorSession({ width, height });
    session.addObjects(
      found.annotations.map(({ segmentation, predicted_iou: score }) => ({
        mask: decompressRle({ size: [height, width], counts: segmentation.counts }),
        state: "draft",
        score,
      })),
    );
    session.select(null);
    await editor.open(await (await fetch(scene.src)).blob(), {
      session: EditorSession.load({ ...session.save(), past: [] }),
    });
    say("Seven masks that nano made of seven boxes. It is loading, for those that you click on.");
    editor.engine = await loading;
    editor.addEventListener("masklet-engine", () => {
      if (editor.engineState !== "ready") return;
      say("Click on something. Nano is made for drawings: its masks of photographs are rough.");
      keepModel();
    });
  } catch (error) {
    say(`The model could not be loaded: ${messageOf(error)}`);
  }
}
