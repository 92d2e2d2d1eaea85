/**
 * The playground: a person's pictures, in the editor, with the model of their choice. The page is there before this; no
 * other site is asked for anything before a button says so and is pressed.
 */
import { type FrameSource, parseConfig, type RawImage, type Sam2Config } from "@masklet/core";
import { RemoteClient, type RemoteImagePredictor, type RemoteSam2, RemoteVideoPredictor } from "@masklet/core/remote";
import { cachedSource, framesFromFiles, openVideo } from "@masklet/core/web";
import type { EditorSession } from "@masklet/editor";
import type { MaskletEditorElement } from "@masklet/editor/element";
import type { MaskletVideoEditorElement } from "@masklet/editor/video-element";
import "@masklet/editor/element";
import scene from "../../../../examples/scene.png";
import { followTheme, keepModel, messageOf, nano, startWorker } from "../live/engine.ts";
import { type Host, programFor } from "./code.ts";
import type { EverythingAnswer, EverythingRequest } from "./everything.worker.ts";
import type { Exported } from "./exports.ts";
import { type ExportFormat, exportFormats, type VideoFormat, videoFormats } from "./formats.ts";
import { megabytes, type OfferedModel, recommended } from "./models.ts";
import { fromHash, toHash } from "./share.ts";
import { type EverythingSettings, type ShownObject, videoWorkOf, type Work, workOf } from "./work.ts";

const part = <T extends HTMLElement = HTMLElement>(name: string): T => {
  const found = document.querySelector<T>(`[data-play="${name}"]`);
  if (found === null) throw new Error(`the page has no part "${name}"`);
  return found;
};
const say = (text: string, where = "status"): void => {
  part(where).textContent = text;
};

const editor = document.querySelector("masklet-editor") as MaskletEditorElement;
const models = JSON.parse(document.getElementById("models")?.textContent ?? "[]") as readonly OfferedModel[];
const picker = part<HTMLSelectElement>("model");
const byName = (name: string): OfferedModel | undefined => models.find((one) => one.name === name);

/** Made, and its code fetched, with the first video. */
let videoEditor: MaskletVideoEditorElement | undefined;
/** The video's frames, while one is open instead of a picture. */
let video: (FrameSource & { close?(): Promise<void> }) | undefined;
const configOf = ({ config }: Pick<OfferedModel, "config">): { readonly config?: Sam2Config } =>
  config === undefined ? {} : { config: parseConfig(config) };

/** What is open. */
let picture = { file: "scene.png", isOwn: false };
/** Objects that everything-mode found, and with what. */
let found: { readonly ids: Set<number>; readonly settings: EverythingSettings } | undefined;
/** Of a link, until it can be done. */
let asked: Work | undefined;

// Models

/** A model in its worker. */
interface Engine {
  readonly name: string;
  readonly model: RemoteSam2;
  readonly predictor: RemoteImagePredictor;
  readonly worker: Worker;
}
/** The one that answers. */
let engine: Engine | undefined;
/** The newest wish; older ones that are still loading are thrown away. */
let wish = 0;
let acceptsRough = false;

/** Models that the browser keeps, the best last. */
async function keptModels(): Promise<readonly OfferedModel[]> {
  if (globalThis.caches === undefined || !(await caches.has("masklet").catch(() => false))) return [];
  const cache = await caches.open("masklet");
  const isKept = await Promise.all(models.map(async ({ url }) => (await cache.match(url)) !== undefined));
  return models.filter((_, i) => isKept[i]);
}

/** Loads a model that is here and has it answer. */
async function use(name: string): Promise<void> {
  const mine = ++wish;
  part("offer").hidden = true;
  if (engine?.name === name) {
    picker.value = name;
    attach();
    return;
  }
  detach();
  engine?.worker.terminate();
  engine = undefined;
  say(`Loading ${name}.`);
  const worker = startWorker();
  try {
    const known = byName(name);
    const client = new RemoteClient(worker);
    const model = await (known === undefined
      ? client.load(nano.url, configOf(nano))
      : client.load(known.url, { backend: "large", ...configOf(known) }));
    const predictor = await model.imagePredictor();
    if (mine !== wish) {
      worker.terminate();
      return;
    }
    engine = { name, model, predictor, worker };
    picker.value = name;
    attach();
  } catch (error) {
    worker.terminate();
    if (mine === wish) say(`${name} could not be loaded: ${messageOf(error)}`);
  }
  showCode();
}

function attach(): void {
  const isRough = engine?.name === "nano" && picture.isOwn;
  part("rough-note").hidden = !isRough;
  if (video === undefined) editor.engine = engine?.predictor;
  else if (videoEditor !== undefined && engine !== undefined) {
    videoEditor.tracker = new RemoteVideoPredictor(engine.model);
    say(`${engine.name} is ready: click on something, then track it.`);
    void replay();
  }
}

/** Nothing is asked of a model that goes. */
function detach(): void {
  editor.engine = undefined;
  if (videoEditor !== undefined) videoEditor.tracker = undefined;
}

/** Shows what fetching a model would take; nothing is fetched before the button is pressed. */
function offer(name: string, why: string): void {
  const model = byName(name);
  if (model === undefined) return;
  wish++;
  picker.value = name;
  const host = new URL(model.url).host;
  say(
    `${why} ${name} is ${megabytes(model.bytes)}, from ${host}: fetched once, and kept in this browser. The picture stays here.`,
    "offer-text",
  );
  part("fetch").textContent = `Fetch ${megabytes(model.bytes)}`;
  part("offer").hidden = false;
  part("rough").hidden = engine !== undefined && engine.name !== "nano";
}

let download: AbortController | undefined;

async function fetchModel(): Promise<void> {
  const model = byName(picker.value);
  if (model === undefined) return;
  const controller = new AbortController();
  download = controller;
  const progress = part<HTMLProgressElement>("progress");
  const isBusy = (busy: boolean): void => {
    progress.hidden = part("cancel").hidden = !busy;
    part<HTMLButtonElement>("fetch").disabled = picker.disabled = busy;
  };
  isBusy(true);
  progress.value = 0;
  try {
    await cachedSource(model.url, {
      signal: controller.signal,
      ...(model.sha256 !== undefined && { sha256: model.sha256 }),
      onProgress: ({ loaded, total = model.bytes }) => {
        progress.value = loaded / total;
        say(`${model.name}: ${(loaded / 1e6).toFixed(0)} of ${megabytes(total)}.`);
      },
    });
    isBusy(false);
    await showKept();
    await use(model.name);
  } catch (error) {
    isBusy(false);
    say(
      controller.signal.aborted ? "Cancelled: nothing of it is kept." : `It could not be fetched: ${messageOf(error)}`,
    );
  } finally {
    download = undefined;
  }
}

/** The models that are kept, with a button to delete each. */
async function showKept(): Promise<void> {
  const kept = await keptModels();
  part("kept-none").hidden = kept.length > 0;
  for (const option of picker.options) {
    const model = byName(option.value);
    if (model === undefined) continue;
    const isHere = kept.includes(model) ? ", on this machine" : "";
    option.textContent = `${model.name}: ${megabytes(model.bytes)}, ${model.about}${isHere}`;
  }
  part("kept").replaceChildren(
    ...kept.map(({ name, url, bytes }) => {
      const item = document.createElement("li");
      const remove = document.createElement("button");
      remove.type = "button";
      remove.textContent = `Delete ${name}`;
      remove.addEventListener("click", async () => {
        await (await caches.open("masklet")).delete(url);
        await showKept();
        (part("kept").querySelector("button") ?? picker).focus();
      });
      item.append(`${name}, ${megabytes(bytes)} `, remove);
      return item;
    }),
  );
}

/** What a photograph is met with: the best model that is here, or the offer of one. */
async function engineForOwn(): Promise<void> {
  const best = (await keptModels()).at(-1);
  if (engine !== undefined && engine.name !== "nano") attach();
  else if (best !== undefined) await use(best.name);
  else if (acceptsRough) await use("nano");
  else {
    offer(
      recommended,
      "Nano was trained on drawings: its masks of photographs are rough. A real model makes good ones.",
    );
    say("Choose a model for your picture.");
  }
}

// Pictures

async function open(source: Blob, file: string, isOwn: boolean): Promise<void> {
  try {
    detach();
    await editor.open(source);
    await setVideo(undefined);
    await opened(file, isOwn);
  } catch (error) {
    say(`${file} could not be opened: ${messageOf(error)}`);
    attach();
  }
}

/** A video file, or several pictures as its frames. */
async function openFrames(files: readonly File[]): Promise<void> {
  const [first] = files;
  if (first === undefined) return;
  const folder = first.webkitRelativePath.split("/")[0] || "frames";
  const file = files.length === 1 ? first.name : folder;
  try {
    say(`Opening ${file}.`);
    detach();
    const { MaskletVideoEditorElement: Element } = await import("@masklet/editor/video-element");
    const next = files.length === 1 ? await openVideo(first) : await framesFromFiles(files);
    if (videoEditor === undefined) {
      videoEditor = new Element();
      followTheme(videoEditor);
      videoEditor.hidden = true;
      part("stage").append(videoEditor);
      videoEditor.addEventListener("masklet-video", ({ detail }) => {
        if (detail.type === "step") showCode();
      });
    }
    if ("info" in next) videoEditor.rate = next.info.fps;
    await videoEditor.open(next);
    await setVideo(next);
    await opened(file, true);
  } catch (error) {
    say(`${file} could not be opened: ${messageOf(error)}`);
    attach();
  }
}

async function setVideo(next: typeof video): Promise<void> {
  const before = video;
  video = next;
  if (before !== next) await before?.close?.();
  editor.hidden = next !== undefined;
  if (videoEditor !== undefined) videoEditor.hidden = next === undefined;
  part<HTMLButtonElement>("everything").disabled = next !== undefined;
  const formats = Object.entries(next === undefined ? exportFormats : videoFormats);
  const picked = part<HTMLSelectElement>("format");
  if (picked.options.length !== formats.length) {
    picked.replaceChildren(...formats.map(([value, text]) => new Option(text, value)));
  }
}

async function opened(file: string, isOwn: boolean): Promise<void> {
  picture = { file, isOwn };
  found = undefined;
  showCode();
  say("", "saved");
  part("rough-note").hidden = true;
  if (isOwn) await engineForOwn();
  else await use(engine?.name ?? "nano");
}

function openFiles(files: readonly File[]): Promise<void> {
  const [first] = files;
  if (first === undefined) return Promise.resolve();
  if (files.length > 1 || first.type.startsWith("video/")) return openFrames(files);
  return open(first, first.name || "picture.png", true);
}

async function openScene(): Promise<void> {
  await open(await (await fetch(scene.src)).blob(), "scene.png", false);
}

/** Does what a link asks for, once its picture is open and the model knows it. */
async function replay(): Promise<void> {
  const [work, document] = [asked, video === undefined ? editor.session?.document : videoEditor?.session?.document];
  if (work === undefined || document === undefined) return;
  const count = "count" in document ? document.count : undefined;
  const sizeOf = (one: Pick<Work, "width" | "height" | "count">): string =>
    `${one.width}x${one.height} pixels${one.count === undefined ? "" : ` and ${one.count} frames`}`;
  if (document.width !== work.width || document.height !== work.height || count !== work.count) {
    say(`The link's prompts are for ${sizeOf(work)}, this has ${sizeOf(document)}: they are not set.`);
    return;
  }
  asked = undefined;
  try {
    if (videoEditor?.session !== undefined && video !== undefined) {
      const { session } = videoEditor;
      const ids = new Map<number, number>();
      for (const object of work.objects) {
        session.seek(object.frame);
        session.select(ids.get(object.id) ?? null);
        await show(session.frameEditor, object);
        if (session.selected !== null) ids.set(object.id, session.selected);
      }
      session.seek(0);
    } else if (editor.session !== undefined) {
      for (const object of work.objects) {
        editor.session.select(null);
        await show(editor.session, object);
      }
      editor.session.select(null);
    }
    say(`The link's prompts are set: ${work.objects.length}.`);
    if (work.everything !== undefined) await everything(work.everything);
  } catch (error) {
    say(`The link's prompts could not all be set: ${messageOf(error)}`);
  }
}

async function show(session: EditorSession, object: ShownObject): Promise<void> {
  const { points, labels, box, lasso, candidate, feather, decontaminate } = object;
  // Asked at once, they are one prompt and one step.
  await Promise.all([
    ...points.map((point, i) => session.addPoint(point, labels[i] ?? 1)),
    ...(box === null ? [] : [session.setBox(box)]),
    ...(lasso === null ? [] : [session.setLasso(lasso)]),
  ]);
  const selected = session.selected === null ? undefined : session.object(session.selected);
  if (selected === undefined) return;
  if (candidate !== null && candidate < selected.candidates.length) session.chooseCandidate(candidate);
  if (feather > 0 || decontaminate > 0) session.setEdge({ feather, decontaminate });
}

// Everything

let searching: Worker | undefined;

function everything(settings: EverythingSettings): Promise<void> {
  const { session, image } = editor;
  if (session === undefined || image === undefined || engine === undefined) {
    say("A model has to be there first.");
    return Promise.resolve();
  }
  const { url, ...model } = byName(engine.name) ?? nano;
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
        found = { ids: new Set([...(found?.ids ?? []), ...ids]), settings };
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

/** Nano is surer of less than the models that the defaults are for. */
function settingsOf(): EverythingSettings {
  const pointsPerSide = Math.min(64, Math.max(2, part<HTMLInputElement>("points").valueAsNumber || 12));
  const [predIouThreshold, stabilityScoreThreshold] = engine?.name === "nano" ? [0.5, 0.7] : [0.8, 0.95];
  return { pointsPerSide, predIouThreshold, stabilityScoreThreshold };
}

// What comes of it

/** `undefined` without a picture. */
function work(): Work | undefined {
  const about = { file: picture.file, model: engine?.name ?? picker.value };
  if (video !== undefined) {
    const document = videoEditor?.session?.document;
    return document && videoWorkOf(document, about);
  }
  const { session } = editor;
  if (session === undefined) return undefined;
  const { ids = new Set<number>(), settings } = found ?? {};
  const isThere = session.document.objects.some(({ id }) => ids.has(id));
  return workOf(session.document, { ...about, ...(isThere && settings && { everything: settings }) }, ids);
}

function showCode(): void {
  const host = document.querySelector<HTMLInputElement>('[name="host"]:checked')?.value as Host;
  const now = work();
  const isEmpty = now === undefined || (now.objects.length === 0 && now.everything === undefined);
  const text = isEmpty ? "Click on something in the picture: the program appears here.\n" : programFor(host, now);
  const code = part("code").querySelector("code");
  if (code !== null && code.textContent !== text) code.textContent = text;
}

async function exported(): Promise<Exported> {
  const { exportAs, exportVideoAs } = await import("./exports.ts");
  const format = part<HTMLSelectElement>("format").value;
  if (video !== undefined && videoEditor?.session !== undefined) {
    return exportVideoAs(format as VideoFormat, videoEditor.session, video, picture.file);
  }
  const { session, image } = editor;
  if (session === undefined || image === undefined) throw new Error("There is no picture yet.");
  return exportAs(format as ExportFormat, session, image, picture.file);
}

async function save(): Promise<void> {
  try {
    const { name, blob, losses } = await exported();
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    // The browser has begun to read it by then.
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    say(`${name}${losses.length === 0 ? "" : `; the format has no place for ${losses.join(", ")}`}`, "saved");
  } catch (error) {
    say(messageOf(error), "saved");
  }
}

async function copy(text: string, said: string, where: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    say(said, where);
  } catch {
    say("The browser does not let this page copy.", where);
  }
}

function share(): Promise<void> {
  const now = work();
  if (now === undefined) return Promise.resolve();
  const hash = toHash(now);
  history.replaceState(null, "", hash);
  const hand =
    now.byHand.length === 0 ? "" : ` What was painted or edited by hand (${now.byHand.join(", ")}) is not in it.`;
  return copy(location.href, `Copied: prompts and settings, not the picture.${hand}`, "saved");
}

// Camera

let stream: MediaStream | undefined;

async function startCamera(): Promise<void> {
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    const view = part<HTMLVideoElement>("camera-view");
    view.srcObject = stream;
    part("camera-box").hidden = false;
    await view.play();
    part("shoot").focus();
  } catch (error) {
    say(`The camera could not be started: ${messageOf(error)}`);
    stopCamera();
  }
}

function stopCamera(): void {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = undefined;
  part<HTMLVideoElement>("camera-view").srcObject = null;
  part("camera-box").hidden = true;
}

async function shoot(): Promise<void> {
  const view = part<HTMLVideoElement>("camera-view");
  const canvas = new OffscreenCanvas(view.videoWidth, view.videoHeight);
  canvas.getContext("2d")?.drawImage(view, 0, 0);
  stopCamera();
  await open(await canvas.convertToBlob(), "camera.png", true);
}

async function paste(): Promise<void> {
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

// Hands

const onClick = (name: string, action: () => unknown): void => part(name).addEventListener("click", action);
onClick("paste", paste);
onClick("camera", startCamera);
onClick("camera-stop", stopCamera);
onClick("shoot", shoot);
onClick("scene", openScene);
onClick("fetch", fetchModel);
onClick("cancel", () => download?.abort());
onClick("rough", () => {
  acceptsRough = true;
  return use("nano");
});
onClick("everything", () => {
  if (searching === undefined) return everything(settingsOf());
  return searching.dispatchEvent(new Event("stop"));
});
onClick("save", save);
onClick("share", share);
onClick("copy", () => copy(part("code").textContent ?? "", "Copied.", "copied"));
part<HTMLInputElement>("file").addEventListener("change", ({ target }) => {
  void openFiles([...((target as HTMLInputElement).files ?? [])]);
});
picker.addEventListener("change", async () => {
  const { value } = picker;
  if (value === "nano") {
    acceptsRough = true;
    await use("nano");
  } else if ((await keptModels()).some(({ name }) => name === value)) await use(value);
  else offer(value, "It is not on this machine yet.");
});
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
  if (engineState === "encoding") say(`${engine?.name ?? "The model"} looks at the picture.`);
  if (engineState !== "ready") return;
  say(`${engine?.name ?? "The model"} is ready: click on something.`);
  if (engine?.name === "nano") keepModel();
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
  asked = fromHash(location.hash);
} catch (error) {
  say(messageOf(error));
}
if (asked === undefined || asked.file === "scene.png") await openScene();
else {
  const count = asked.objects.length;
  say(
    `The link has ${count === 1 ? "one prompt" : `${count} prompts`} for ${asked.file} (${asked.width}x${asked.height}): open that file here. Pictures are never in links.`,
  );
}
if (
  asked !== undefined &&
  asked.model !== "nano" &&
  byName(asked.model) !== undefined &&
  engine?.name !== asked.model
) {
  const isKept = (await keptModels()).some(({ name }) => name === asked?.model);
  if (isKept) await use(asked.model);
  else offer(asked.model, "The link was made with this model.");
}
