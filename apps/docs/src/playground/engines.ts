/** Models: which there are, which are kept, which answers. */
import { RemoteClient, RemoteVideoPredictor } from "@masklet/core/remote";
import { messageOf, nano, startWorker } from "../live/engine.ts";
import type { DownloadAnswer, DownloadRequest } from "./download.worker.ts";
import { configOf, megabytes, type OfferedModel, recommended } from "./models.ts";
import { byName, editor, models, part, picker, say, state } from "./page.ts";
import { replay } from "./replay.ts";
import { showCode } from "./results.ts";

/** The newest wish; older ones that are still loading are thrown away. */
let wish = 0;
let acceptsRough = false;

/** Models that the browser keeps, the best last. */
export async function keptModels(): Promise<readonly OfferedModel[]> {
  if (globalThis.caches === undefined || !(await caches.has("masklet").catch(() => false))) return [];
  const cache = await caches.open("masklet");
  const isKept = await Promise.all(models.map(async ({ url }) => (await cache.match(url)) !== undefined));
  return models.filter((_, i) => isKept[i]);
}

/** Loads a model that is here and has it answer. */
export async function use(name: string): Promise<void> {
  const mine = ++wish;
  // What is being fetched can be cancelled, while another model answers.
  part("offer").hidden = cancel === undefined;
  if (state.engine?.name === name) {
    picker.value = name;
    attach();
    return;
  }
  detach();
  state.engine?.worker.terminate();
  state.engine = undefined;
  say(`Loading ${name}.`);
  const worker = startWorker();
  let told = 0;
  const onProgress = ({ fraction }: { readonly fraction: number }): void => {
    const tenths = Math.floor(10 * fraction);
    if (mine !== wish || tenths === told) return;
    told = tenths;
    say(`Loading ${name}: ${10 * tenths}%.`);
  };
  try {
    const known = byName(name);
    const client = new RemoteClient(worker);
    const model = await (known === undefined
      ? client.load(nano.url, configOf(nano))
      : client.load(known.url, { backend: "large", ...configOf(known), onProgress }));
    const predictor = await model.imagePredictor();
    if (mine !== wish) {
      worker.terminate();
      return;
    }
    state.engine = { name, model, predictor, worker };
    picker.value = name;
    attach();
  } catch (error) {
    worker.terminate();
    if (mine === wish) say(`${name} could not be loaded: ${messageOf(error)}`);
  }
  showCode();
}

export function attach(): void {
  const isRough = state.engine?.name === "nano" && state.picture.isOwn;
  part("rough-note").hidden = !isRough;
  if (state.video === undefined) editor.engine = state.engine?.predictor;
  else if (state.videoEditor !== undefined && state.engine !== undefined) {
    state.videoEditor.tracker = new RemoteVideoPredictor(state.engine.model);
    say(`${state.engine.name} is ready: click on something, then track it.`);
    void replay();
  }
}

/** Nothing is asked of a model that goes. */
export function detach(): void {
  editor.engine = undefined;
  if (state.videoEditor !== undefined) state.videoEditor.tracker = undefined;
}

let offered: OfferedModel | undefined;

/** Shows what fetching a model would take; nothing is fetched before the button is pressed. */
export function offer(name: string, why: string): void {
  const model = byName(name);
  if (model === undefined) return;
  wish++;
  offered = model;
  picker.value = name;
  const host = new URL(model.url).host;
  say(
    `${why} ${name} is ${megabytes(model.bytes)}, from ${host}: fetched once, and kept in this browser. What you open stays here.`,
    "offer-text",
  );
  part("fetch").textContent = `Fetch ${megabytes(model.bytes)}`;
  part("offer").hidden = false;
  part("rough").hidden = state.engine !== undefined && state.engine.name !== "nano";
}

/** Ends the download under way. */
let cancel: (() => void) | undefined;

export const cancelFetch = (): void => cancel?.();

export async function fetchModel(): Promise<void> {
  const model = offered;
  if (model === undefined || cancel !== undefined) return;
  const progress = part<HTMLProgressElement>("progress");
  const isBusy = (busy: boolean): void => {
    progress.hidden = part("cancel").hidden = part("fetched").hidden = !busy;
    part<HTMLButtonElement>("fetch").disabled = picker.disabled = busy;
  };
  isBusy(true);
  say(`Fetching ${model.name}.`);
  const show = (loaded: number, total = model.bytes): void => {
    progress.value = loaded / total;
    say(`${Math.round(loaded / 1e6)} of ${megabytes(total)}`, "fetched");
    if (loaded >= total) say(`Checking ${model.name}.`);
  };
  show(0);
  const ended = await fetched(model, show);
  cancel = undefined;
  isBusy(false);
  if (ended !== "kept") return say(ended);
  await showKept();
  await use(model.name);
}

/** -> "kept", or what to say. */
function fetched({ url, sha256 }: OfferedModel, show: (loaded: number, total?: number) => void): Promise<string> {
  const worker = new Worker(new URL("./download.worker.ts", import.meta.url), { type: "module" });
  return new Promise<string>((resolve) => {
    const end = (how: string): void => {
      worker.terminate();
      resolve(how);
    };
    cancel = () => end("Cancelled: nothing of it is kept.");
    worker.addEventListener("error", ({ message }) => end(`It could not be fetched: ${message}`));
    worker.addEventListener("message", ({ data }: MessageEvent<DownloadAnswer>) => {
      if ("kept" in data) end("kept");
      else if ("error" in data) end(`It could not be fetched: ${messageOf(new Error(data.error))}`);
      else show(data.loaded, data.total);
    });
    const request: DownloadRequest = { url, ...(sha256 !== undefined && { sha256 }) };
    worker.postMessage(request);
  });
}

/** The models that are kept, with a button to delete each. */
export async function showKept(): Promise<void> {
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

/** Nano after all, for pictures too. */
export function useRough(): Promise<void> {
  acceptsRough = true;
  return use("nano");
}

/** What the picker says. */
export async function pick(): Promise<void> {
  const { value } = picker;
  if (value === "nano") await useRough();
  else if ((await keptModels()).some(({ name }) => name === value)) await use(value);
  else offer(value, "It is not on this machine yet.");
}

/** What a photograph is met with: the best model that is here, or the offer of one. */
export async function engineForOwn(): Promise<void> {
  const best = (await keptModels()).at(-1);
  // Who hosts the page may offer others.
  const first = byName(state.video === undefined ? recommended.picture : recommended.video) ?? models[0];
  if (state.engine !== undefined && state.engine.name !== "nano") attach();
  else if (best !== undefined) await use(best.name);
  else if (acceptsRough || first === undefined) await use("nano");
  else {
    offer(
      first.name,
      "Nano was trained on drawings: its masks of photographs are rough. A real model makes good ones.",
    );
    say(`Choose a model for your ${state.video === undefined ? "picture" : "video"}.`);
  }
}
