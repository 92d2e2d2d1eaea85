/** Everything-mode, in a worker of its own that can be stopped. */
import type { RawImage } from "@masklet/core";
import { nano } from "../live/engine.ts";
import type { EverythingAnswer, EverythingRequest } from "./everything.worker.ts";
import { configOf } from "./models.ts";
import { byName, editor, part, say, state } from "./page.ts";
import { showCode } from "./results.ts";
import type { EverythingSettings } from "./work.ts";

/** While it goes on. */
let searching: Worker | undefined;

export function everything(settings: EverythingSettings): Promise<void> {
  const { session, image } = editor;
  if (session === undefined || image === undefined || state.engine === undefined) {
    say("A model has to be there first.");
    return Promise.resolve();
  }
  const { url, ...model } = byName(state.engine.name) ?? nano;
  const worker = new Worker(new URL("./everything.worker.ts", import.meta.url), { type: "module" });
  searching = worker;
  const button = part<HTMLButtonElement>("everything");
  button.textContent = "Stop";
  say("Looking for everything.");
  return new Promise<void>((resolve) => {
    const end = (text: string): void => {
      worker.terminate();
      searching = undefined;
      button.textContent = "Find everything";
      say(text);
      showCode();
      resolve();
    };
    worker.addEventListener("stop", () => end("Stopped."));
    worker.addEventListener("error", ({ message }) => end(`It failed: ${message}`));
    worker.addEventListener("message", ({ data }: MessageEvent<EverythingAnswer>) => {
      if ("fraction" in data) say(`Looked at ${Math.round(data.fraction * 100)}%: ${data.found} masks.`);
      else if ("error" in data) end(`It failed: ${data.error}`);
      else if (editor.session !== session) end("Another picture was opened.");
      else {
        const before = session.document.nextId;
        session.addObjects(
          data.masks.map(({ size, counts, score }) => ({ mask: { size, counts }, state: "draft", score })),
        );
        session.select(null);
        const ids = session.document.objects.filter(({ id }) => id >= before).map(({ id }) => id);
        state.found = { ids: new Set([...(state.found?.ids ?? []), ...ids]), settings };
        end(`${ids.length} masks. Delete what you do not need; undo takes all of them back.`);
      }
    });
    const request: EverythingRequest = {
      url,
      ...configOf(model),
      image: image as RawImage,
      settings,
    };
    worker.postMessage(request);
  });
}

/** Begins, or ends what goes on. */
export function everythingOrStop(): Promise<void> {
  if (searching === undefined) return everything(settingsOf());
  searching.dispatchEvent(new Event("stop"));
  return Promise.resolve();
}

/** Nano is surer of less than the models that the defaults are for. */
function settingsOf(): EverythingSettings {
  const pointsPerSide = Math.min(64, Math.max(2, part<HTMLInputElement>("points").valueAsNumber || 12));
  const [predIouThreshold, stabilityScoreThreshold] = state.engine?.name === "nano" ? [0.5, 0.7] : [0.8, 0.95];
  return { pointsPerSide, predIouThreshold, stabilityScoreThreshold };
}
