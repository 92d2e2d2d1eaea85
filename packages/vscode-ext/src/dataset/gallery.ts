/** The gallery and the review of a dataset: one page, told what is on the screen and nothing more. */
import type { CompressedRle, Rle } from "@masklet/core";
import { shapeMask } from "@masklet/labels";
import {
  commands,
  type Disposable,
  type ExtensionContext,
  l10n,
  ViewColumn,
  type WebviewPanel,
  window,
  workspace,
} from "vscode";
import type { EngineClient } from "../engine-client.ts";
import { ExtensionError, messageOf } from "../errors.ts";
import { pageHtml } from "../image/page.ts";
import { colourOf, type WirePicture } from "../protocol.ts";
import { type AcceptParts, acceptDrafts } from "./accept.ts";
import type { OpenDataset } from "./dataset.ts";
import { durationText, type JobState, type Proposals, runJob } from "./job.ts";
import { overlayOf } from "./overlay.ts";
import { type FromGallery, type GalleryItem, isFromGallery, type ToGallery } from "./protocol.ts";
import { type Filter, filterEntries, nextUnlabelled, statesOf } from "./query.ts";
import { galleryWords } from "./words.ts";

/** Pictures that are read at a time: over SSH more would hold up everything else. */
const readsAtOnce = 4;
/** Items that a page may ask for at once. */
const mostItems = 500;

export interface GalleryParts {
  readonly engine: EngineClient | undefined;
  readonly model: () => string;
  /** The path of the detector that is wanted; `undefined` where nobody chose. */
  readonly detector: () => Promise<string | undefined>;
  readonly accept: AcceptParts;
}

export class Gallery implements Disposable {
  readonly #panel: WebviewPanel;
  readonly #dataset: OpenDataset;
  readonly #parts: GalleryParts;
  #filter: Filter;
  #query = 0;
  #result: Uint32Array = new Uint32Array();
  #reading = 0;
  readonly #waiting: (() => void)[] = [];
  readonly #decoding = new Map<number, (message: Extract<FromGallery, { type: "decoded" }>) => void>();
  #nextDecode = 0;
  #job: AbortController | undefined;
  #isReady = false;
  #pending: ToGallery | undefined;
  readonly #subscriptions: Disposable[];

  constructor(context: ExtensionContext, dataset: OpenDataset, filter: Filter, parts: GalleryParts, ended: () => void) {
    this.#dataset = dataset;
    this.#parts = parts;
    this.#filter = filter;
    this.#panel = window.createWebviewPanel("masklet.gallery", `${dataset.name}`, ViewColumn.Active, {
      enableScripts: true,
      localResourceRoots: [context.extensionUri],
      // A job decodes its pictures here while people look at something else; what is kept is bounded.
      retainContextWhenHidden: true,
    });
    const { webview } = this.#panel;
    this.#subscriptions = [
      webview.onDidReceiveMessage((message: unknown) => {
        this.#received(message).catch((error: unknown) => void window.showErrorMessage(messageOf(error)));
      }),
      dataset.onDidChange(() => this.#show()),
      this.#panel.onDidDispose(() => {
        this.#job?.abort();
        for (const one of this.#subscriptions) one.dispose();
        ended();
      }),
    ];
    webview.html = pageHtml(webview, context.extensionUri, "gallery");
  }

  /** Shows the page with another filter. */
  reveal(filter: Filter | undefined): void {
    this.#panel.reveal();
    if (filter === undefined) return;
    this.#filter = filter;
    this.#show();
  }

  /** Goes to the next picture that nobody has labelled. */
  nextUnlabelled(after = -1, review = true): void {
    const at = nextUnlabelled(this.#dataset.index.entries, this.#result, after);
    if (at < 0) void window.showInformationMessage(l10n.t("Every picture here is labelled."));
    else this.#post({ type: "go", at, review });
  }

  #post(message: ToGallery): void {
    // A page that is hidden hears nothing, and asks for everything when it is back.
    if (this.#isReady) void this.#panel.webview.postMessage(message);
    else if (message.type === "go") this.#pending = message;
  }

  #show(): void {
    const { index, name } = this.#dataset;
    const splits = [...new Set(index.entries.map(({ split }) => split))].filter((split) => split !== "").sort();
    this.#post({
      type: "dataset",
      name,
      splits,
      classes: index.categories.map((category) => ({ name: category, colour: colourOf(category) })),
      filter: this.#filter,
      canPropose: this.#parts.engine !== undefined && workspace.isTrusted,
      words: galleryWords(),
    });
    this.#ask();
  }

  #ask(): void {
    const { index, factsOf } = this.#dataset;
    const found = filterEntries(index.entries, this.#filter, factsOf);
    this.#query++;
    this.#result = typeof found === "string" ? new Uint32Array() : found;
    this.#post({
      type: "result",
      query: this.#query,
      count: this.#result.length,
      total: index.entries.length,
      problem: typeof found === "string" ? found : undefined,
    });
  }

  #pathAt(place: number): string | undefined {
    const entry = this.#result[place];
    return entry === undefined ? undefined : this.#dataset.index.entries[entry]?.path;
  }

  async #received(message: unknown): Promise<void> {
    if (!isFromGallery(message)) {
      throw new ExtensionError("message-malformed", "the gallery's page has sent what is none of its messages");
    }
    switch (message.type) {
      case "ready":
        this.#isReady = true;
        this.#show();
        if (this.#pending !== undefined) this.#post(this.#pending);
        this.#pending = undefined;
        return;
      case "filter":
        this.#filter = message.filter;
        this.#ask();
        return;
      case "window":
        this.#items(message);
        return;
      case "picture":
        await this.#picture(message.path, message.side);
        return;
      case "open":
        this.#known(message.path);
        await commands.executeCommand("masklet.open", this.#dataset.uri(message.path));
        return;
      case "next-unlabelled":
        this.nextUnlabelled(message.after, message.review);
        return;
      case "accept":
        await this.accept(message.path, message.ids);
        return;
      case "reject":
        await this.#dataset.drafts.take(message.path, message.ids);
        await this.#dataset.drafts.flush();
        this.#dataset.touch();
        return;
      case "propose":
      case "detect": {
        const places = message.places.length > 0 ? message.places : Array.from(this.#result.keys());
        const paths = places.flatMap((place) => this.#pathAt(place) ?? []);
        const detector = message.type === "detect" ? await this.#parts.detector() : undefined;
        if (message.type === "propose" || detector !== undefined) await this.propose(paths, detector);
        return;
      }
      case "stop":
        this.#job?.abort();
        return;
      case "decoded":
        this.#decoding.get(message.id)?.(message);
        return;
    }
  }

  /** Throws for a path that is none of a picture in the folder: what labels name may lead out of it. */
  #known(path: string): void {
    const entry = this.#dataset.index.entry(path);
    if (entry === undefined || entry.missing)
      throw new ExtensionError("picture-unknown", `${path}: is none of the dataset's pictures`);
  }

  #items({ query, from, to }: Extract<FromGallery, { type: "window" }>): void {
    if (query !== this.#query) return; // of a filter that is no more
    const { index, factsOf } = this.#dataset;
    const start = Math.max(0, from);
    const items: GalleryItem[] = [];
    for (const place of this.#result.subarray(start, Math.min(to, start + mostItems))) {
      const entry = index.entries[place];
      if (entry === undefined) continue;
      const { path, split, objects, missing } = entry;
      const facts = factsOf(path);
      const name = path.slice(path.lastIndexOf("/") + 1);
      items.push({ path, name, split, states: statesOf(entry, facts), objects, drafts: facts.drafts, missing });
    }
    this.#post({ type: "items", query, from: start, items });
  }

  async #picture(path: string, side: number): Promise<void> {
    this.#known(path);
    const [image, drafts] = [await this.#dataset.image(path), await this.#dataset.draftsOf(path)];
    const { size, objects: overlay } = overlayOf(image, drafts, side);
    let bytes: ArrayBuffer | undefined;
    let problem: string | undefined;
    try {
      bytes = await this.#read(path);
    } catch (error) {
      problem = messageOf(error);
    }
    this.#post({ type: "picture", path, bytes, problem, size, overlay, side });
  }

  async #read(path: string): Promise<ArrayBuffer> {
    if (this.#reading >= readsAtOnce) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#reading++;
    try {
      const bytes = await workspace.fs.readFile(this.#dataset.uri(path));
      // A buffer of the pool would send the whole pool.
      return bytes.slice().buffer as ArrayBuffer;
    } finally {
      this.#reading--;
      this.#waiting.shift()?.();
    }
  }

  /** Accepts drafts of a picture: they become labels, and are drafts no more. */
  async accept(path: string, ids: readonly number[]): Promise<void> {
    this.#known(path);
    const record = await this.#dataset.draftsOf(path);
    const wanted = record?.drafts.filter(({ id }) => ids.includes(id)) ?? [];
    const { index } = this.#dataset;
    const labels = index.entry(path)?.named?.labels;
    const preferred = { file: labels === undefined ? undefined : this.#dataset.uri(labels), format: index.format };
    const written = await acceptDrafts(this.#dataset.uri(path), wanted, preferred, this.#parts.accept);
    if (written === undefined) return;
    // Only what is in the file is taken out of the drafts.
    await this.#dataset.drafts.take(path, ids);
    await this.#dataset.drafts.flush();
    const prefix = `${this.#dataset.root.path.replace(/\/$/, "")}/`;
    if (written.path.startsWith(prefix)) await this.#dataset.update([written.path.slice(prefix.length)]);
    this.#dataset.touch();
  }

  /** Starts automatic masks for pictures, or those of a detector's boxes. One job runs at a time. */
  async propose(paths: readonly string[], detector?: string): Promise<void> {
    const there = paths.filter((path) => this.#dataset.index.entry(path)?.missing === false);
    const from = detector === undefined ? {} : { detector };
    await this.run({ id: crypto.randomUUID(), paths: there, ...from, done: 0, objects: 0, failed: [] });
  }

  /** Runs a job from where it is, and says how it ended. */
  async run(job: JobState): Promise<void> {
    const { engine } = this.#parts;
    if (!workspace.isTrusted) {
      throw new ExtensionError(
        "labels-read-only",
        l10n.t("Masks are not proposed in a workspace that is not trusted."),
      );
    }
    if (engine === undefined)
      throw new ExtensionError("engine-lost", l10n.t("There is no engine in the browser for many pictures."));
    if (this.#job !== undefined) {
      void window.showInformationMessage(l10n.t("Masks are being made already. Stop that first."));
      return;
    }
    const abort = new AbortController();
    this.#job = abort;
    const say = (text: string, isRunning: boolean): void => this.#post({ type: "status", text, isRunning });
    say(l10n.t("0 of {0} pictures", job.paths.length), true);
    try {
      const state = await runJob(job, this.#dataset.drafts, this.#dataset.state, {
        signal: abort.signal,
        propose: (path, signal) => this.#find(engine, path, job.detector, signal),
        accepted: (path) => this.#accepted(path),
        progress: ({ state: { done, paths, objects }, secondsLeft }) => {
          const left = secondsLeft === undefined ? "" : l10n.t(", {0} left", durationText(secondsLeft));
          say(l10n.t("{0} of {1} pictures, {2} drafts{3}", done, paths.length, objects, left), true);
        },
      });
      const failed =
        state.failed.length === 0
          ? ""
          : l10n.t(", {0} pictures failed: {1}", state.failed.length, state.failed[0]?.message ?? "");
      const how =
        state.done < state.paths.length
          ? l10n.t("Stopped")
          : state.objects === 0
            ? l10n.t("Nothing was found")
            : l10n.t("Done");
      say(l10n.t("{0}: {1} drafts in {2} pictures{3}", how, state.objects, state.done, failed), false);
    } catch (error) {
      say(messageOf(error), false);
      throw error;
    } finally {
      this.#job = undefined;
      this.#dataset.touch();
    }
  }

  /** What a detector finds in a picture, or without one everything. */
  async #find(
    engine: EngineClient,
    path: string,
    detector: string | undefined,
    signal: AbortSignal,
  ): Promise<Proposals> {
    const picture = await this.#decode(path, signal);
    const { width, height } = picture;
    const mask = (counts: string): CompressedRle => ({ size: [height, width], counts });
    const found =
      detector === undefined
        ? (await engine.request("everything", { picture }, undefined, signal)).masks.map(({ counts, score }) => ({
            mask: mask(counts),
            score,
          }))
        : (await engine.request("detect", { picture, detector }, undefined, signal)).masks.map(
            ({ counts, score, category }) => ({ mask: mask(counts), score, category }),
          );
    signal.throwIfAborted();
    const model = detector === undefined ? this.#parts.model() : `${this.#parts.model()}, ${detector}`;
    return { size: { width, height }, model, objects: found };
  }

  /** The page decodes pictures, as browsers know all their kinds. */
  async #decode(path: string, signal: AbortSignal): Promise<WirePicture> {
    const bytes = await this.#read(path).catch((cause: unknown) => {
      throw new ExtensionError("picture-unknown", `${path}: ${messageOf(cause)}`, { cause });
    });
    const id = this.#nextDecode++;
    try {
      const { picture, problem } = await new Promise<Extract<FromGallery, { type: "decoded" }>>((resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
        this.#decoding.set(id, resolve);
        this.#post({ type: "decode", id, bytes });
      });
      if (picture === undefined)
        throw new ExtensionError("picture-unknown", `${path}: ${problem ?? "cannot be decoded"}`);
      return picture;
    } finally {
      this.#decoding.delete(id);
    }
  }

  async #accepted(path: string): Promise<readonly Rle[]> {
    const image = await this.#dataset.image(path);
    return (image?.objects ?? []).flatMap(({ shape }) => (image === undefined ? [] : (shapeMask(shape, image) ?? [])));
  }

  dispose(): void {
    this.#panel.dispose();
  }
}
