/**
 * The page of a video. It has no state that the host does not have too: what a person does, and what is tracked, goes there as
 * steps. Frames are read here, the model is the engine's: core's remote protocol goes between the two through the host.
 */
import { RemoteClient, RemoteVideoPredictor } from "@masklet/core/remote";
import "@masklet/editor/video-element";
import {
  EditorError,
  type MaskletVideoEditorElement,
  VideoEditorSession,
  videoWords,
} from "@masklet/editor/video-element";
import { Channel } from "../../engine/channel.ts";
import type { VideoFacts } from "../../engine/protocol.ts";
import type { WirePicture } from "../../protocol.ts";
import { translated } from "../../translate.ts";
import type { ShowVideo, ToVideoHost, ToVideoPage } from "../../video/protocol.ts";
import { followTheme, make, sentence, type VsCode } from "../dom.ts";
import { Asking, startWorker } from "../image/engine.ts";
import { type OpenedFrames, openFrames, UnreadVideo } from "./frames.ts";

declare function acquireVsCodeApi(): VsCode<ToVideoHost>;

const vscode = acquireVsCodeApi();
const post = (message: ToVideoHost): void => vscode.postMessage(message);
const asking = new Asking<ToVideoHost>(post);

const video: MaskletVideoEditorElement = document.createElement("masklet-video-editor");
video.hasHistory = false;
video.hidden = true;
const heading = make("h1", { class: "unseen" });
const notice = make("p", { class: "notice", role: "status" });
const newClass = make("button", { type: "button", class: "mode", hidden: true });
document.body.append(make("main", {}, heading, make("div", { class: "top" }, notice, newClass), video));

let shown: ShowVideo | undefined;
let opened: OpenedFrames | undefined;
let isReadOnly = false;
/** The way to the engine: none is asked for, asked for, open. */
let connection: "none" | "asked" | "open" = "none";
let channel: Channel | undefined;
/** Documents are shown one after the other. */
let showing: Promise<void> = Promise.resolve();

const say = (text: string): void => {
  notice.textContent = text;
  notice.hidden = text === "";
};

function fail(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  post({ type: "log", message });
  say(message);
}

async function show(message: ShowVideo): Promise<void> {
  shown = message;
  const { name, words, translation, source, engine } = message;
  if (translation !== undefined) video.words = translated(videoWords, translation);
  document.title = name;
  heading.textContent = name;
  newClass.textContent = sentence(words, "newClass");
  say(sentence(words, "loading"));
  const ffmpeg = {
    open: async () => (await asking.ask({ type: "open-video" })) as VideoFacts,
    frame: async (index: number) => (await asking.ask({ type: "video-frame", index })) as WirePicture | null,
  };
  try {
    opened = await openFrames(source, engine === "process" ? ffmpeg : undefined);
  } catch (error) {
    if (!(error instanceof UnreadVideo)) throw error;
    const text =
      error.ffmpeg === undefined
        ? sentence(words, "unread", { message: error.message })
        : sentence(words, "unreadFfmpeg", { message: error.message, ffmpeg: error.ffmpeg });
    say(text);
    post({ type: "unopened", message: text });
    return;
  }
  video.rate = opened.rate ?? 24;
  tellOpened(opened);
}

/** The host answers with the objects. */
function tellOpened({ frames, rate, decoder }: OpenedFrames): void {
  post({ type: "opened", ...frames.size, count: frames.count, rate, decoder });
}

async function showDocument({
  document: objects,
  readOnly,
}: Extract<ToVideoPage, { type: "document" }>): Promise<void> {
  if (opened === undefined) return;
  const { frames } = opened;
  const { frame } = video;
  const selected = video.session?.selected ?? null;
  const session = new VideoEditorSession(objects ?? { ...frames.size, count: frames.count }, { historyLimit: 0 });
  session.seek(frame);
  if (objects?.objects.some(({ id }) => id === selected)) session.select(selected);
  video.hidden = false;
  await video.open(frames, { session });
  isReadOnly = readOnly !== undefined;
  video.editor.toggleAttribute("bare", isReadOnly);
  video.editor.tool = isReadOnly ? "select" : "point";
  newClass.hidden = isReadOnly;
  say(readOnly ?? "");
  if (!isReadOnly) await connect();
}

/** Has the engine reached, where it is not. */
async function connect(): Promise<void> {
  if (connection !== "none" || shown === undefined) return;
  connection = "asked";
  const { engine, worker } = shown;
  if (engine === "process") post({ type: "connect" });
  else if (worker !== undefined) {
    const {
      worker: started,
      weights,
      options,
    } = await startWorker(worker).catch((error: unknown) => {
      connection = "none";
      throw error;
    });
    await load(new RemoteClient(started), weights, options);
  }
}

async function connected(): Promise<void> {
  channel = new Channel((message) => post({ type: "port", message }));
  await load(new RemoteClient(channel), "the engine's own");
}

/** From then on objects are followed; what went wrong is tried again with the next thing that a person does. */
async function load(client: RemoteClient, ...model: Parameters<RemoteClient["load"]>): Promise<void> {
  try {
    const loaded = await client.load(...model);
    connection = "open";
    video.tracker = new RemoteVideoPredictor(loaded);
  } catch (error) {
    connection = "none";
    throw error;
  }
}

/** The engine's process has ended: what runs rejects, what was tracked stays. Another one is started where this one had worked. */
async function lost(message: string): Promise<void> {
  const wasOpen = connection === "open";
  connection = "none";
  channel?.close();
  channel = undefined;
  // What ran ends first, and its frames become a step.
  await new Promise((resolve) => setTimeout(resolve));
  video.tracker = undefined;
  post({ type: "log", message });
  if (!wasOpen) say(message);
  else {
    say(sentence(shown?.words ?? {}, "engineLost", { message }));
    await connect();
  }
}

function received(message: ToVideoPage): void {
  switch (message.type) {
    case "show":
      show(message).catch(fail);
      return;
    case "document":
      showing = showing.then(() => showDocument(message)).catch(fail);
      return;
    case "step":
      try {
        video.session?.take(message.step);
        // A person who takes a step back sees what it was about.
        if (message.shown && message.step.frame !== null) video.frame = message.step.frame;
      } catch (error) {
        if (!(error instanceof EditorError)) throw error;
        post({ type: "log", message: `a step does not fit this page: ${error.message}` });
        if (opened !== undefined) tellOpened(opened); // and gets all of it anew
      }
      return;
    case "connected":
      connected().catch(fail);
      return;
    case "port":
      channel?.deliver(message.message);
      return;
    case "lost":
      lost(message.message).catch(fail);
      return;
    case "drift":
      video.goToDrift(message.by);
      return;
    case "answer":
      asking.answered(message.id, message.result);
      return;
    case "failure":
      asking.failed(message.id, message.code, message.message);
      return;
  }
}

addEventListener("message", ({ data }: MessageEvent<ToVideoPage>) => received(data));
video.addEventListener("masklet-video", ({ detail }) => {
  if (detail.type === "step" && detail.origin === "command") {
    post({ type: "step", step: detail.step });
    if (connection === "open" && !isReadOnly) say("");
  }
});
video.addEventListener("masklet-error", ({ detail: { error } }) => {
  post({ type: "log", message: error instanceof Error ? error.message : String(error) });
});
newClass.addEventListener("click", () => post({ type: "new-class" }));
// An engine that did not start is tried again with the next thing that a person does.
video.addEventListener("pointerdown", () => void (isReadOnly ? undefined : connect().catch(fail)), true);
addEventListener(
  "keydown",
  (event) => {
    const { session } = video;
    const isUndo = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z";
    if (!isUndo || session === undefined) return;
    const { frameEditor, trackingState } = session;
    if (frameEditor.pending.length === 0 && trackingState === null) return;
    // What is under way ends, and nothing else is taken back: VS Code does not know of it yet.
    frameEditor.cancelPrompts();
    session.stop();
    event.stopImmediatePropagation();
    event.preventDefault();
  },
  true,
);

followTheme(video);
post({ type: "ready" });
