/**
 * The page of a picture. It has no state that the host does not have too: what a person does goes there as steps, and what comes
 * from there is shown. In view mode it is as VS Code's own preview; in segment mode it is the editor.
 */
import {
  type CompressedRle,
  compressRle,
  decodeRleAt,
  encodeRle,
  type Mask,
  maskArea,
  overlay,
  type Prompt,
  type RawImage,
  rleBox,
} from "@masklet/core";
import { imageFrom } from "@masklet/core/web";
import "@masklet/editor/element";
import {
  type EditorDocument,
  EditorError,
  EditorSession,
  editorWords,
  type MaskletEditorElement,
} from "@masklet/editor/element";
import type { EngineFacts } from "../../engine/protocol.ts";
import { wirePicture } from "../../picture.ts";
import type { SegmentAnswer, ShowMessage, ToHost, ToPage } from "../../protocol.ts";
import { translated } from "../../translate.ts";
import { followTheme, sentence } from "../dom.ts";
import { Asking, EngineFailure, hostEngine, workerEngine } from "./engine.ts";

interface VsCode {
  postMessage(message: ToHost): void;
  getState(): State | undefined;
  setState(state: State): void;
}
declare function acquireVsCodeApi(): VsCode;

interface State {
  readonly isSegmenting: boolean;
}

/** As VS Code's own preview: steps of the zoom by click and key. */
const ZOOM = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.5, 2, 3, 5, 7, 10, 15, 20, 32, 64];

const vscode = acquireVsCodeApi();
const post = (message: ToHost): void => vscode.postMessage(message);
const asking = new Asking(post);

const editor: MaskletEditorElement = document.createElement("masklet-editor");
editor.history = null;
editor.tool = "select";
const notice = document.createElement("p");
notice.className = "notice";
notice.setAttribute("role", "status");
const mode = document.createElement("button");
mode.type = "button";
mode.className = "mode";
const bar = document.createElement("div");
bar.className = "float";
bar.append(mode);
const newClass = document.createElement("button");
newClass.type = "button";
newClass.className = "mode";
newClass.hidden = true;
bar.append(newClass);
const heading = document.createElement("h1");
heading.className = "unseen";
const main = document.createElement("main");
main.append(heading, notice, editor, bar);
document.body.append(main);

let shown: ShowMessage | undefined;
let picture: RawImage | undefined;
let showing = 0;
let isSegmenting = vscode.getState()?.isSegmenting ?? false;
let hiddenClasses: ReadonlySet<string> = new Set();
/** The click that brings the focus does nothing else. */
let wasFocused = document.hasFocus();
/** The engine is started with the first wish to segment, not with every picture that is looked at. */
let hasEngine = false;

const word = (name: string, values: Readonly<Record<string, string>> = {}): string =>
  sentence(shown?.words ?? {}, name, values);

function say(text: string): void {
  notice.textContent = text;
  notice.hidden = text === "";
}

function setMode(segmenting: boolean): void {
  isSegmenting = segmenting && shown?.readOnly === undefined;
  vscode.setState({ isSegmenting });
  editor.toggleAttribute("bare", !isSegmenting);
  editor.tool = isSegmenting ? "point" : "select";
  editor.display = "both";
  if (!isSegmenting) editor.session?.select(null);
  mode.textContent = word(isSegmenting ? "view" : "segment");
  mode.title = word(isSegmenting ? "viewTitle" : "segmentTitle");
  mode.hidden = shown?.readOnly !== undefined || picture === undefined;
  newClass.textContent = word("newClass");
  newClass.hidden = !isSegmenting;
  if (isSegmenting) void startEngine();
}

async function startEngine(): Promise<void> {
  if (hasEngine || shown === undefined || picture === undefined) return;
  hasEngine = true;
  const { engine, worker, key } = shown;
  try {
    if (engine === "worker" && worker !== undefined) editor.engine = await workerEngine(worker);
    else if (engine === "process") {
      const facts = (await asking.ask({ type: "model" })) as EngineFacts;
      if (shown.key === key) editor.engine = hostEngine(asking, key, facts);
    }
  } catch (error) {
    hasEngine = false; // the next wish tries again
    fail(error);
  }
}

function fail(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  post({ type: "log", message });
  if (!(error instanceof EngineFailure && error.code === "superseded")) say(message);
}

function sessionOf(document: EditorDocument): EditorSession {
  return new EditorSession(document, { historyLimit: 0 });
}

function applyFilter(): void {
  editor.filter = hiddenClasses.size === 0 ? undefined : ({ class: name }) => name === null || !hiddenClasses.has(name);
}

async function show(message: ShowMessage): Promise<void> {
  const turn = ++showing;
  const isSamePicture = shown?.src === message.src && picture !== undefined;
  shown = message;
  if (message.translation !== undefined) editor.words = translated(editorWords, message.translation);
  document.title = message.name;
  heading.textContent = message.name;
  if (message.missing !== undefined) {
    editor.hidden = true;
    mode.hidden = true;
    say(message.missing);
    return;
  }
  if (!isSamePicture) {
    say(word("loading"));
    hasEngine = false;
    editor.engine = undefined;
    const warnings: string[] = [];
    try {
      const response = await fetch(message.src);
      if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
      const image = await imageFrom(await response.blob(), { onWarning: (warning) => warnings.push(warning.message) });
      if (turn !== showing) return; // another was asked for meanwhile
      picture = image;
    } catch (error) {
      if (turn !== showing) return;
      const text = error instanceof Error ? error.message : String(error);
      editor.hidden = true;
      mode.hidden = true;
      say(word("decodeFailed", { message: text }));
      post({ type: "undecoded", message: text });
      return;
    }
    const { width, height } = picture;
    post({ type: "decoded", width, height, warnings });
  }
  const image = picture as RawImage;
  say("");
  editor.hidden = false;
  const { width, height } = image;
  const fits = message.document?.width === width && message.document.height === height;
  await editor.open(image, {
    session:
      fits && message.document
        ? sessionOf(message.document)
        : new EditorSession({ width, height }, { historyLimit: 0 }),
  });
  if (turn !== showing) return;
  applyFilter();
  setMode(isSegmenting);
  viewChanged();
}

async function reset(document: EditorDocument): Promise<void> {
  if (picture === undefined) return;
  const { engine } = editor;
  const selected = editor.session?.selected ?? null;
  const { zoom } = editor;
  await editor.open(picture, { session: sessionOf(document) });
  if (engine !== undefined && editor.engine === undefined) editor.engine = engine;
  if (selected !== null && document.objects.some(({ id }) => id === selected)) editor.session?.select(selected);
  editor.zoom = zoom;
}

function received(message: ToPage): void {
  switch (message.type) {
    case "show":
      void show(message).catch(fail);
      return;
    case "step":
      try {
        editor.session?.take(message.step);
      } catch (error) {
        if (!(error instanceof EditorError)) throw error;
        post({ type: "log", message: `a step does not fit this page: ${error.message}` });
        post({ type: "ready" }); // and gets all of it anew
      }
      return;
    case "reset":
      void reset(message.document).catch(fail);
      return;
    case "state":
      if (shown !== undefined) shown = { ...shown, readOnly: message.readOnly, labels: message.labels };
      setMode(isSegmenting);
      return;
    case "answer":
      asking.answered(message.id, message.result);
      return;
    case "failure":
      asking.failed(message.id, message.code, message.message);
      return;
    case "zoom":
      editor.zoom = message.zoom;
      viewChanged();
      return;
    case "copy":
      void copy().catch(fail);
      return;
    case "mode":
      setMode(message.mode === "toggle" ? !isSegmenting : message.mode === "segment");
      return;
    case "filter":
      hiddenClasses = new Set(message.hidden);
      applyFilter();
      return;
    case "segment":
      void segment(message).then(
        (answer) => post({ type: "segmented", id: message.id, answer }),
        (error: unknown) =>
          post({
            type: "not-segmented",
            id: message.id,
            message: error instanceof Error ? error.message : String(error),
          }),
      );
      return;
    case "prepare":
      void prepare(message.pictures).catch(fail);
      return;
  }
}

/** The engine once it knows the picture. */
async function readyEngine(): Promise<NonNullable<MaskletEditorElement["engine"]>> {
  await startEngine();
  while (editor.engineState === "encoding") {
    await new Promise((resolve) => editor.addEventListener("masklet-engine", resolve, { once: true }));
  }
  if (editor.engine === undefined || editor.engineState !== "ready") throw new Error("there is no engine that answers");
  return editor.engine;
}

/** What the model finds where somebody else shows, with a picture of it; `draft` is the class of a draft that is made of it. */
async function segment({ prompt, draft }: Extract<ToPage, { type: "segment" }>): Promise<SegmentAnswer> {
  const engine = await readyEngine();
  const image = picture as RawImage;
  const { points, labels, box } = prompt;
  const asked: Prompt = {
    ...(points !== undefined && { points, labels: labels ?? points.map(() => 1 as const) }),
    ...(box !== undefined && { box }),
  };
  const multimaskOutput = points?.length === 1 && box === undefined;
  const { masks, iouPredictions } = await engine.predict(asked, { multimaskOutput, latest: false });
  const best = iouPredictions.reduce((top, score, i) => (score > (iouPredictions[top] ?? 0) ? i : top), 0);
  const [mask, score] = [masks[best] as Mask, iouPredictions[best] ?? 0];
  const rle = compressRle(encodeRle(mask));
  if (draft !== undefined) {
    const session = editor.session;
    const isClass = session?.document.classes.some(({ name }) => name === draft) ?? false;
    session?.addObjects([{ mask: rle, state: "draft", score, ...(isClass && draft !== null && { class: draft }) }]);
  }
  const canvas = canvasOf(overlay(image, [{ mask }]));
  const scale = Math.min(1, 1024 / Math.max(image.width, image.height));
  const small = new OffscreenCanvas(
    Math.max(1, Math.round(image.width * scale)),
    Math.max(1, Math.round(image.height * scale)),
  );
  small.getContext("2d")?.drawImage(canvas, 0, 0, small.width, small.height);
  const png = await (await small.convertToBlob()).arrayBuffer();
  return {
    score,
    area: maskArea(mask),
    box: rleBox(rle),
    rle: { size: [image.height, image.width], counts: rle.counts },
    png,
  };
}

function canvasOf(image: RawImage): OffscreenCanvas {
  const canvas = new OffscreenCanvas(image.width, image.height);
  const pixels = new ImageData(image.width, image.height);
  for (let i = 0, j = 0; j < pixels.data.length; i += image.channels, j += 4) {
    for (let c = 0; c < 3; c++) pixels.data[j + c] = image.data[i + c] as number;
    pixels.data[j + 3] = image.channels === 4 ? (image.data[i + 3] as number) : 255;
  }
  canvas.getContext("2d")?.putImageData(pixels, 0, 0);
  return canvas;
}

/** Decodes pictures and has them encoded, one after the other. */
async function prepare(pictures: Extract<ToPage, { type: "prepare" }>["pictures"]): Promise<void> {
  for (const { key, src } of pictures) {
    const response = await fetch(src);
    if (!response.ok) continue;
    const image = await imageFrom(await response.blob());
    await asking.ask({ type: "encode", key, picture: wirePicture(image), ahead: true });
  }
}

/** The picture as PNG, once the page has the focus, which the clipboard asks for. */
async function copy(): Promise<void> {
  const image = picture;
  if (image === undefined) return;
  if (!document.hasFocus()) {
    window.focus();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const canvas = canvasOf(image);
  await navigator.clipboard.write([new ClipboardItem({ "image/png": canvas.convertToBlob() })]);
}

function zoomStep(direction: 1 | -1): void {
  const now = editor.zoom as number;
  const next = direction === 1 ? ZOOM.find((step) => step > now * 1.001) : ZOOM.findLast((step) => step < now * 0.999);
  if (next !== undefined) editor.zoom = next;
  viewChanged();
}

let viewTimer = 0;
function viewChanged(): void {
  clearTimeout(viewTimer);
  viewTimer = setTimeout(() => post({ type: "view", zoom: editor.zoom as number, isFitted: false }), 50);
}

let pixelTimer = 0;
let pointer: readonly [number, number] | undefined;
/** What is under the pointer: place, colour, and the object. At most twenty times a second. */
function readOut(): void {
  pixelTimer = 0;
  const image = picture;
  const at = pointer && editor.picturePoint([pointer[0], pointer[1]]);
  if (image === undefined || at === undefined) return;
  const [x, y] = [Math.floor(at[0]), Math.floor(at[1])];
  if (x < 0 || y < 0 || x >= image.width || y >= image.height) {
    post({ type: "pixel", text: "" });
    return;
  }
  const from = (y * image.width + x) * image.channels;
  const values = Array.from(image.data.subarray(from, from + image.channels));
  const session = editor.session;
  const size: readonly [number, number] = [image.height, image.width];
  const top = session?.document.objects.findLast(({ mask }) => {
    const rle: CompressedRle = { size, counts: mask };
    return decodeRleAt(rle, { x, y, width: 1, height: 1 }).data[0] === 1;
  });
  const object = top === undefined ? "" : `  ${top.name ?? top.class ?? word("untitled")}`;
  post({ type: "pixel", text: `${x}, ${y}  ${values.join(" ")}${object}` });
}

addEventListener("message", ({ data }: MessageEvent<ToPage>) => received(data));
editor.addEventListener("masklet-session", ({ detail }) => {
  if (detail.type === "step" && detail.origin === "command") post({ type: "step", step: detail.step });
});
editor.addEventListener("masklet-error", ({ detail: { error } }) => {
  const message = error instanceof Error ? error.message : String(error);
  post({ type: "log", message });
  // The engine was lost: the next click has it started again.
  if (error instanceof EngineFailure && error.code === "engine-lost" && editor.engineState === "failed") {
    hasEngine = false;
    setTimeout(() => void startEngine());
  }
});
mode.addEventListener("click", () => setMode(!isSegmenting));
newClass.addEventListener("click", () => post({ type: "new-class" }));

addEventListener("focus", () => setTimeout(() => (wasFocused = true), 0));
addEventListener("blur", () => (wasFocused = false));

let down: readonly [number, number] | undefined;
let isOurs = false;
editor.addEventListener(
  "pointerdown",
  (event) => {
    isOurs = wasFocused;
    wasFocused = true;
    down = [event.clientX, event.clientY];
  },
  true,
);
editor.addEventListener("click", (event) => {
  if (isSegmenting || down === undefined || !isOurs || event.button !== 0) return;
  const hasMoved = Math.hypot(event.clientX - down[0], event.clientY - down[1]) > 4;
  if (!hasMoved) zoomStep(event.ctrlKey || event.altKey || event.metaKey ? -1 : 1);
});
editor.addEventListener("wheel", viewChanged, { capture: true, passive: true });
editor.addEventListener("pointermove", (event) => {
  pointer = [event.clientX, event.clientY];
  if (pixelTimer === 0) pixelTimer = setTimeout(readOut, 50);
});
editor.addEventListener("pointerleave", () => {
  pointer = undefined;
  post({ type: "pixel", text: "" });
});

addEventListener(
  "keydown",
  (event) => {
    const [target] = event.composedPath();
    const isTyping = target instanceof HTMLInputElement || target instanceof HTMLSelectElement;
    if (isTyping) return;
    const { session } = editor;
    const isUndo = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z";
    if (isUndo && (session?.pending.length ?? 0) > 0) {
      // A click that still waits is what is taken back, and nothing else.
      session?.cancelPrompts();
      event.stopImmediatePropagation();
      event.preventDefault();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const done = (): void => {
      event.stopPropagation();
      event.preventDefault();
    };
    if (event.key === "PageDown" || event.key === "PageUp") {
      done();
      post({ type: "move", by: event.key === "PageDown" ? 1 : -1 });
    } else if (!isSegmenting) {
      if (event.key === "s") setMode(true);
      else if (event.key === "+" || event.key === "=") zoomStep(1);
      else if (event.key === "-") zoomStep(-1);
      else if (event.key === "0" || event.key === "f") editor.zoom = "fit";
      // What edits in the other mode does nothing in this one.
      else if (!/^[a-z1-9[\]]$|^(Enter|Delete|Backspace)$/.test(event.key)) return;
      done();
      viewChanged();
    } else if (event.key === "Escape" && session?.selected === null && session.pending.length === 0) {
      done();
      setMode(false);
    }
  },
  true,
);

followTheme(editor);
editor.setAttribute("bare", "");
post({ type: "ready" });
