/**
 * The playground: a person's pictures, in the editor, with the model of their choice. The page is there before this; no
 * other site is asked for anything before a button says so and is pressed.
 */
import "@masklet/editor/element";
import { followTheme, keepModel, messageOf } from "../live/engine.ts";
import { shoot, startCamera, stopCamera } from "./camera.ts";
import { cancelFetch, fetchModel, keptModels, offer, pick, showKept, use, useRough } from "./engines.ts";
import { everythingOrStop } from "./everything.ts";
import { byName, editor, part, picker, say, state } from "./page.ts";
import { openFiles, openScene, paste } from "./pictures.ts";
import { replay } from "./replay.ts";
import { copy, save, share, showCode } from "./results.ts";
import { fromHash } from "./share.ts";

const onClick = (name: string, action: () => unknown): void => part(name).addEventListener("click", action);
onClick("paste", paste);
onClick("camera", startCamera);
onClick("camera-stop", stopCamera);
onClick("shoot", shoot);
onClick("scene", openScene);
onClick("fetch", fetchModel);
onClick("cancel", cancelFetch);
onClick("rough", useRough);
onClick("everything", everythingOrStop);
onClick("save", save);
onClick("share", share);
onClick("copy", () => copy(part("code").textContent ?? "", "Copied.", "copied"));
part<HTMLInputElement>("file").addEventListener("change", ({ target }) => {
  void openFiles([...((target as HTMLInputElement).files ?? [])]);
});
picker.addEventListener("change", pick);
for (const radio of document.querySelectorAll('[name="host"]')) radio.addEventListener("change", showCode);
document.addEventListener("paste", ({ clipboardData }) => {
  void openFiles([...(clipboardData?.files ?? [])].filter(({ type }) => /^(image|video)\//.test(type)));
});
const stage = part("stage");
for (const type of ["dragenter", "dragover", "dragleave", "drop"] as const) {
  document.addEventListener(type, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    stage.classList.toggle("dropping", type === "dragenter" || type === "dragover");
    if (type === "drop") void openFiles([...event.dataTransfer.files]);
  });
}
editor.addEventListener("masklet-session", ({ detail }) => {
  if (detail.type === "step") showCode();
});
editor.addEventListener("masklet-engine", () => {
  const { engineState } = editor;
  if (engineState === "encoding") say(`${state.engine?.name ?? "The model"} looks at the picture.`);
  if (engineState !== "ready") return;
  say(`${state.engine?.name ?? "The model"} is ready: click on something.`);
  if (state.engine?.name === "nano") keepModel();
  void replay();
});

followTheme(editor);
say(
  crossOriginIsolated
    ? `On the CPU, models use ${navigator.hardwareConcurrency} threads: this page is cross-origin isolated.`
    : "On the CPU, models use one thread: this visit is without the headers of cross-origin isolation, which more threads need. The next one has them, if the browser lets this site keep itself.",
  "threads",
);
await showKept();
try {
  state.asked = fromHash(location.hash);
} catch (error) {
  say(messageOf(error));
}
if (state.asked === undefined || state.asked.file === "scene.png") await openScene();
else {
  const count = state.asked.objects.length;
  say(
    `The link has ${count === 1 ? "one prompt" : `${count} prompts`} for ${state.asked.file} (${state.asked.width}x${state.asked.height}): open that file here. Pictures are never in links.`,
  );
}
if (
  state.asked !== undefined &&
  state.asked.model !== "nano" &&
  byName(state.asked.model) !== undefined &&
  state.engine?.name !== state.asked.model
) {
  const isKept = (await keptModels()).some(({ name }) => name === state.asked?.model);
  if (isKept) await use(state.asked.model);
  else offer(state.asked.model, "The link was made with this model.");
}
