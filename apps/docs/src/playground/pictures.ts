/** Opens pictures and videos, from wherever they come. */
import { framesFromFiles, openVideo } from "@masklet/core/web";
import scene from "../../../../examples/scene.png";
import { followTheme, messageOf } from "../live/engine.ts";
import { attach, detach, engineForOwn, use } from "./engines.ts";
import { exportFormats, videoFormats } from "./formats.ts";
import { editor, part, say, state } from "./page.ts";
import { showCode } from "./results.ts";

export async function open(source: Blob, file: string, isOwn: boolean): Promise<void> {
  say("", "problem");
  try {
    detach();
    await editor.open(source);
    await setVideo(undefined);
    await opened(file, isOwn);
  } catch (error) {
    fail(file, error);
  }
}

/** What was open stays, and its model with it, whose messages are not to hide what went wrong. */
function fail(file: string, error: unknown): void {
  say(`${file} could not be opened: ${messageOf(error)}`, "problem");
  attach();
}

/** A video file, or several pictures as its frames. */
async function openFrames(files: readonly File[]): Promise<void> {
  const [first] = files;
  if (first === undefined) return;
  const folder = first.webkitRelativePath.split("/")[0] || "frames";
  const file = files.length === 1 ? first.name : folder;
  say("", "problem");
  try {
    say(`Opening ${file}.`);
    detach();
    const { MaskletVideoEditorElement: Element } = await import("@masklet/editor/video-element");
    const next = files.length === 1 ? await openVideo(first) : await framesFromFiles(files);
    if (state.videoEditor === undefined) {
      state.videoEditor = new Element();
      followTheme(state.videoEditor);
      state.videoEditor.hidden = true;
      part("stage").append(state.videoEditor);
      state.videoEditor.addEventListener("masklet-video", ({ detail }) => {
        if (detail.type === "step") showCode();
      });
    }
    if ("info" in next) state.videoEditor.rate = next.info.fps;
    await state.videoEditor.open(next);
    await setVideo(next);
    await opened(file, true);
  } catch (error) {
    fail(file, error);
  }
}

async function setVideo(next: typeof state.video): Promise<void> {
  const before = state.video;
  state.video = next;
  if (before !== next) await before?.close?.();
  editor.hidden = next !== undefined;
  if (state.videoEditor !== undefined) state.videoEditor.hidden = next === undefined;
  part<HTMLButtonElement>("everything").disabled = next !== undefined;
  const formats = Object.entries(next === undefined ? exportFormats : videoFormats);
  const picked = part<HTMLSelectElement>("format");
  if (picked.options.length !== formats.length) {
    picked.replaceChildren(...formats.map(([value, text]) => new Option(text, value)));
  }
}

async function opened(file: string, isOwn: boolean): Promise<void> {
  state.picture = { file, isOwn };
  state.found = undefined;
  showCode();
  say("", "saved");
  part("rough-note").hidden = true;
  if (isOwn) await engineForOwn();
  else await use(state.engine?.name ?? "nano");
}

export function openFiles(files: readonly File[]): Promise<void> {
  const [first] = files;
  if (first === undefined) return Promise.resolve();
  if (files.length > 1 || first.type.startsWith("video/")) return openFrames(files);
  return open(first, first.name || "picture.png", true);
}

export async function openScene(): Promise<void> {
  await open(await (await fetch(scene.src)).blob(), "scene.png", false);
}

export async function paste(): Promise<void> {
  try {
    for (const item of await navigator.clipboard.read()) {
      const type = item.types.find((one) => one.startsWith("image/"));
      if (type !== undefined) return open(await item.getType(type), "pasted.png", true);
    }
    say("There is no picture to paste.");
  } catch {
    say("The browser does not let this page look: press Ctrl V, or Cmd V.");
  }
}
