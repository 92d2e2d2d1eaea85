/** The first page's editor: a finished result at once, and nano in a worker to go on with. */
import { parseConfig } from "@masklet/core";
import { createWorkerPredictor } from "@masklet/core/remote";
import { EditorSession } from "@masklet/editor";
import "@masklet/editor/element";
import { decompressRle } from "@masklet/core/rle";
import { nanoModel } from "@masklet/model-nano";
import nanoConfig from "@masklet/model-nano/sam2.1_hiera_nano.json";
import scene from "../../../../examples/scene.png";
import found from "./scene.json";

const editor = document.querySelector("masklet-editor");
if (editor !== null) {
  const status = document.querySelector("[data-live-status]");
  const say = (text: string): void => {
    if (status !== null) status.textContent = text;
  };
  const root = document.documentElement;
  const follow = (): void => editor.setAttribute("theme", root.dataset["theme"] ?? "light");
  new MutationObserver(follow).observe(root, { attributeFilter: ["data-theme"] });
  follow();
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
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    editor.engine = await createWorkerPredictor(worker, nanoModel.checkpoint.href, { config: parseConfig(nanoConfig) });
    editor.addEventListener("masklet-engine", () => {
      if (editor.engineState === "ready")
        say("Click on something. Nano is made for drawings: its masks of photographs are rough.");
    });
  } catch (error) {
    say(`The model could not be loaded: ${error instanceof Error ? error.message : String(error)}`);
  }
}
