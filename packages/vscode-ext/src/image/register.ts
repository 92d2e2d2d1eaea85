/** The editor of pictures in VS Code: its documents, pages, commands, status bar. */

import type { Step } from "@masklet/editor";
import { stepText } from "@masklet/editor";
import {
  type CancellationToken,
  type CustomDocumentBackup,
  type CustomDocumentBackupContext,
  type CustomDocumentContentChangeEvent,
  type CustomDocumentEditEvent,
  type CustomDocumentOpenContext,
  type CustomEditorProvider,
  commands,
  Disposable,
  EventEmitter,
  type ExtensionContext,
  FileType,
  type LogOutputChannel,
  l10n,
  ProgressLocation,
  type QuickPickItem,
  RelativePattern,
  StatusBarAlignment,
  type StatusBarItem,
  Uri,
  type WebviewPanel,
  window,
  workspace,
} from "vscode";
import type { Place } from "../activate.ts";
import { EngineClient } from "../engine-client.ts";
import { ExtensionError } from "../errors.ts";
import { folderOf, nameOf } from "../labels/find.ts";
import type { SegmentAnswer, ShowMessage, ToHost, ToPage } from "../protocol.ts";
import type { Segmenter, SegmentInput } from "../tools.ts";
import { type Asker, ImageDocument, messageOf } from "./document.ts";
import { newLabels } from "./new-labels.ts";
import { pageHtml } from "./page.ts";
import { pageWords } from "./words.ts";

export const viewType = "masklet.image";
const pictures = /\.(jpe?g|jpe|jfif|png|webp|avif|bmp|gif|tiff?)$/i;
/** Encoded pictures that are kept: 16 of a full-size model. */
const CACHE_BYTES = 256 * 2 ** 20;

/** Milliseconds that a picture may take until its page shows it. */
const OPENING = 30_000;

const settings = () => workspace.getConfiguration("masklet");

/** What pictures are shown with, for whoever else needs it. */
export interface ImageParts {
  readonly engine: EngineClient | undefined;
  readonly log: LogOutputChannel;
  /** Opens a picture and asks its page for an object. */
  readonly segment: Segmenter;
}

export function registerImages(context: ExtensionContext, place: Place): ImageParts {
  const log = window.createOutputChannel("Masklet", { log: true });
  const engine = place.spawn === undefined ? undefined : engineOf(place.spawn, log);
  const provider = new ImageEditors(context, place, engine, log);
  context.subscriptions.push(
    log,
    provider,
    ...(engine === undefined ? [] : [engine]),
    window.registerCustomEditorProvider(viewType, provider, { supportsMultipleEditorsPerDocument: true }),
    commands.registerCommand("masklet.open", (uri?: Uri) => {
      const target = uri ?? activeFile();
      return target && commands.executeCommand("vscode.openWith", target, viewType);
    }),
    commands.registerCommand("masklet.useForImages", useForImages),
    commands.registerCommand("masklet.showLog", () => log.show()),
    commands.registerCommand("masklet.restartEngine", () => engine?.restart()),
    commands.registerCommand("masklet.chooseModel", () => chooseModel(engine)),
    commands.registerCommand("masklet.copyImage", () => provider.active?.post({ type: "copy" })),
    commands.registerCommand("masklet.segment", () => provider.active?.post({ type: "mode", mode: "toggle" })),
    commands.registerCommand("masklet.zoom", () => provider.chooseZoom()),
    commands.registerCommand("masklet.nextImage", () => provider.move(1)),
    commands.registerCommand("masklet.previousImage", () => provider.move(-1)),
    commands.registerCommand("masklet.chooseLabels", () => provider.chooseLabels()),
    commands.registerCommand("masklet.filterClasses", () => provider.filterClasses()),
    commands.registerCommand("masklet.newClass", () => provider.newClass()),
    workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration("masklet.model") || event.affectsConfiguration("masklet.engine"))
        engine?.restart();
    }),
  );
  return { engine, log, segment: (image, input, token) => provider.segment(image, input, token) };
}

function engineOf(spawn: NonNullable<Place["spawn"]>, log: LogOutputChannel): EngineClient {
  return new EngineClient({
    spawn: (reply, lost) => spawn(reply, lost, (line) => log.debug(line)),
    // A workspace that is not trusted names no model: VS Code gives the person's own setting then.
    settings: () => ({
      model: settings().get("model", "nano"),
      runtime: settings().get<"auto" | "native" | "wasm">("engine", "auto"),
      cacheBytes: CACHE_BYTES,
    }),
    idle: () => settings().get("idleMinutes", 10) * 60_000,
    log: (message) => log.info(message),
  });
}

function activeFile(): Uri | undefined {
  const input = window.tabGroups.activeTabGroup.activeTab?.input as { readonly uri?: Uri } | undefined;
  return input?.uri;
}

async function useForImages(): Promise<void> {
  const configuration = workspace.getConfiguration("workbench");
  const before = configuration.get<Record<string, string>>("editorAssociations", {});
  await configuration.update(
    "editorAssociations",
    { ...before, "*.{jpg,jpeg,jpe,jfif,png,webp,avif,bmp,gif,tif,tiff}": viewType },
    true,
  );
}

/** Published models with their sizes; one that is not here is fetched once its size was agreed to. */
async function chooseModel(engine: EngineClient | undefined): Promise<void> {
  if (engine === undefined) {
    await window.showInformationMessage(l10n.t("In the browser the built-in model answers."));
    return;
  }
  const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
  const items: (QuickPickItem & { readonly model: string; readonly size: number })[] = [
    { label: "nano", description: l10n.t("built in, 7 MB"), model: "nano", size: 0 },
    ...(await engine.request("models", null)).map(({ name, bytes, isHere }) => ({
      label: name,
      description: isHere ? l10n.t("on this machine") : l10n.t("to fetch: {0}", megabytes(bytes)),
      model: name,
      size: isHere ? 0 : bytes,
    })),
  ];
  const chosen = await window.showQuickPick(items, { title: l10n.t("Model that answers clicks") });
  if (chosen === undefined) return;
  if (chosen.size > 0) {
    const fetch = l10n.t("Fetch {0}", megabytes(chosen.size));
    const agreed = await window.showInformationMessage(
      l10n.t("{0} is fetched from Hugging Face and kept in its cache on this machine.", chosen.model),
      { modal: true },
      fetch,
    );
    if (agreed !== fetch) return;
    try {
      await window.withProgress(
        { location: ProgressLocation.Notification, title: chosen.model, cancellable: true },
        (progress, token) => {
          token.onCancellationRequested(() => engine.cancelDownloads());
          let before = 0;
          return engine.request("download", { model: chosen.model }, (share, text) => {
            progress.report({ increment: 100 * (share - before), message: `${text}, ${Math.round(100 * share)} %` });
            before = share;
          });
        },
      );
    } catch (error) {
      await window.showErrorMessage(messageOf(error));
      return;
    }
  }
  await settings().update("model", chosen.model, true);
}

/** One page of a document. */
interface Page {
  readonly document: ImageDocument;
  readonly panel: WebviewPanel;
  post(message: ToPage): void;
  zoom: string;
  pixel: string;
  hidden: readonly string[];
  isDecoded: boolean;
}

class ImageEditors implements CustomEditorProvider<ImageDocument>, Disposable {
  readonly #context: ExtensionContext;
  readonly #place: Place;
  readonly #engine: EngineClient | undefined;
  readonly #log: LogOutputChannel;
  readonly #edits = new EventEmitter<
    CustomDocumentEditEvent<ImageDocument> | CustomDocumentContentChangeEvent<ImageDocument>
  >();
  readonly onDidChangeCustomDocument = this.#edits.event;
  readonly #pages = new Set<Page>();
  readonly #status: readonly StatusBarItem[];
  #active: Page | undefined;
  #nextId = 1;
  readonly #segmenting = new Map<
    number,
    { readonly resolve: (answer: SegmentAnswer) => void; readonly reject: (error: ExtensionError) => void }
  >();

  constructor(context: ExtensionContext, place: Place, engine: EngineClient | undefined, log: LogOutputChannel) {
    this.#context = context;
    this.#place = place;
    this.#engine = engine;
    this.#log = log;
    const item = (id: string, priority: number, name: string, command?: string): StatusBarItem => {
      const made = window.createStatusBarItem(`masklet.${id}`, StatusBarAlignment.Right, priority);
      made.name = name;
      if (command !== undefined) made.command = command;
      return made;
    };
    this.#status = [
      item("pixel", 104, l10n.t("Pixel under the pointer")),
      item("size", 103, l10n.t("Size of the picture")),
      item("zoom", 102, l10n.t("Zoom"), "masklet.zoom"),
      item("labels", 101, l10n.t("Labels"), "masklet.chooseLabels"),
    ];
  }

  get active(): Page | undefined {
    return this.#active;
  }

  async openCustomDocument(uri: Uri, { backupId }: CustomDocumentOpenContext): Promise<ImageDocument> {
    const storage = this.#context.storageUri ?? this.#context.globalStorageUri;
    const document = await ImageDocument.open(
      uri,
      { files: this.#place.files, ask: this.#asker(), drafts: Uri.joinPath(storage, "drafts") },
      backupId === undefined ? undefined : Uri.parse(backupId),
    );
    const watched = this.#watch(document);
    const heard = document.onDidChange((event) => {
      if (event.type === "trouble") {
        this.#log.warn(event.message);
        void window.showWarningMessage(event.message);
        return;
      }
      for (const page of this.#pagesOf(document)) {
        if (event.type === "step" && event.from !== page) page.post({ type: "step", step: event.step });
        if (event.type === "reset" || event.type === "picture") page.post(this.#show(page));
        if (event.type === "state") {
          page.post({ type: "state", readOnly: document.readOnly, labels: describeLabels(document) });
        }
      }
      if (event.type === "reset") watched.again();
      this.#showStatus();
    });
    const trusted = workspace.onDidGrantWorkspaceTrust(() => {
      void document.trusted().catch((error: unknown) => this.#log.error(messageOf(error)));
    });
    document.onDidDispose(() => {
      trusted.dispose();
      heard.dispose();
      watched.dispose();
    });
    return document;
  }

  /** Watches the picture, and the label file, which may be another later. */
  #watch(document: ImageDocument): Disposable & { readonly again: () => void } {
    const on = (uri: Uri, run: () => Promise<void>): Disposable => {
      const watcher = workspace.createFileSystemWatcher(new RelativePattern(folderOf(uri), nameOf(uri)));
      const changed = (): void => void run().catch((error: unknown) => this.#log.error(messageOf(error)));
      for (const event of [watcher.onDidChange, watcher.onDidCreate, watcher.onDidDelete]) event(changed);
      return watcher;
    };
    const picture = on(document.uri, () => document.pictureChanged());
    let labels: Disposable | undefined;
    let watched: string | undefined;
    const again = (): void => {
      const uri = document.labels?.uri;
      if (uri?.toString() === watched) return;
      labels?.dispose();
      watched = uri?.toString();
      labels = uri && on(uri, () => document.changed());
    };
    again();
    const made = new Disposable(() => {
      picture.dispose();
      labels?.dispose();
    });
    return Object.assign(made, { again });
  }

  #asker(): Asker {
    return {
      format: (picture) => newLabels(picture, this.#context.workspaceState),
      className: async (names, count, isFree) => {
        const other = l10n.t("New class...");
        const picked = await window.showQuickPick([...names, ...(isFree ? [other] : [])], {
          title: l10n.t("Class of {0} objects that have none", count),
        });
        if (picked !== other) return picked;
        const name = await window.showInputBox({ prompt: l10n.t("Name of the class") });
        return name?.trim() || undefined;
      },
      conflict: async (count, file) => {
        const mine = l10n.t("Keep Mine");
        const theirs = l10n.t("Take Theirs");
        const chosen = await window.showWarningMessage(
          l10n.t("{0} objects were changed here and in {1}.", count, file),
          { modal: true },
          mine,
          theirs,
        );
        return chosen === mine ? "mine" : chosen === theirs ? "theirs" : undefined;
      },
    };
  }

  async resolveCustomEditor(document: ImageDocument, panel: WebviewPanel): Promise<void> {
    const { webview } = panel;
    const roots = [
      this.#context.extensionUri,
      folderOf(document.uri),
      ...(workspace.workspaceFolders ?? []).map(({ uri }) => uri),
    ];
    webview.options = { enableScripts: true, localResourceRoots: roots };
    const page: Page = {
      document,
      panel,
      zoom: "",
      pixel: "",
      hidden: [],
      isDecoded: false,
      post: (message) => void webview.postMessage(message),
    };
    this.#pages.add(page);
    webview.onDidReceiveMessage((message: ToHost) => {
      this.#received(page, message).catch((error: unknown) => {
        this.#log.error(messageOf(error));
        void window.showErrorMessage(messageOf(error));
      });
    });
    panel.onDidDispose(() => {
      this.#pages.delete(page);
      if (this.#active === page) this.#setActive(undefined);
    });
    panel.onDidChangeViewState(() => {
      if (panel.active) {
        this.#setActive(page);
        // Where watchers say nothing, the file is looked at whenever a person comes back to it.
        void document.changed().catch((error: unknown) => this.#log.error(messageOf(error)));
      } else if (this.#active === page) this.#setActive(undefined);
    });
    if (document.takeForgotten()) {
      this.#edits.fire({ document });
      void window.showInformationMessage(l10n.t("What was not saved in {0} is back.", nameOf(document.uri)));
    }
    webview.html = pageHtml(webview, this.#context.extensionUri, "image", { worker: this.#engine === undefined });
    if (panel.active) this.#setActive(page);
  }

  #pagesOf(document: ImageDocument): readonly Page[] {
    return [...this.#pages].filter((page) => page.document === document);
  }

  #show({ document, panel }: Page): ShowMessage {
    const { webview } = panel;
    const at = (name: string): string =>
      webview.asWebviewUri(Uri.joinPath(this.#context.extensionUri, "engine", name)).toString();
    const isWorker = this.#engine === undefined;
    return {
      type: "show",
      name: nameOf(document.uri),
      // Another address for another version, so that none of it comes from a cache.
      src: webview
        .asWebviewUri(document.uri)
        .with({ query: `version=${encodeURIComponent(document.key.split("@").at(-1) ?? "")}` })
        .toString(),
      key: document.key,
      bytes: document.bytes,
      document: document.document,
      readOnly: document.readOnly,
      labels: describeLabels(document),
      engine: isWorker ? "worker" : "process",
      worker: isWorker
        ? {
            script: at("worker.js"),
            wasm: at("ort-wasm-simd-threaded.wasm"),
            checkpoint: at("nano.safetensors"),
            config: at("nano.json"),
          }
        : undefined,
      missing: document.missing,
      words: pageWords(),
    };
  }

  async #received(page: Page, message: ToHost): Promise<void> {
    const { document } = page;
    switch (message.type) {
      case "ready":
        page.post(this.#show(page));
        if (page.hidden.length > 0) page.post({ type: "filter", hidden: page.hidden });
        return;
      case "decoded":
        page.isDecoded = true;
        for (const warning of message.warnings) this.#log.warn(`${nameOf(document.uri)}: ${warning}`);
        await document.decoded(message);
        void this.#prepareNeighbours(page);
        return;
      case "undecoded":
        this.#log.warn(`${nameOf(document.uri)}: ${message.message}`);
        return;
      case "step":
        this.#step(page, message.step);
        return;
      case "view":
        page.zoom = message.isFitted ? l10n.t("Whole picture") : `${Math.round(100 * message.zoom)} %`;
        this.#showStatus();
        return;
      case "pixel":
        page.pixel = message.text;
        this.#showStatus();
        return;
      case "move":
        await this.move(message.by);
        return;
      case "new-class":
        await this.newClass(page);
        return;
      case "encode":
      case "predict":
      case "model":
        await this.#askEngine(page, message);
        return;
      case "segmented":
        this.#segmenting.get(message.id)?.resolve(message.answer);
        return;
      case "not-segmented":
        this.#segmenting.get(message.id)?.reject(new ExtensionError("engine-lost", message.message));
        return;
      case "log":
        this.#log.info(message.message);
        return;
      default:
        throw new ExtensionError(
          "message-malformed",
          `a page sent ${JSON.stringify((message as { type?: unknown }).type)}`,
        );
    }
  }

  #step(page: Page, step: Step): void {
    const { document } = page;
    try {
      document.take(step, page);
    } catch (error) {
      // Two views at once, or nothing may change: the page takes the document as it is.
      this.#log.warn(messageOf(error));
      if (document.document !== undefined) page.post({ type: "reset", document: document.document });
      if (error instanceof ExtensionError) void window.showWarningMessage(error.message);
      return;
    }
    this.#fire(document, step);
  }

  #fire(document: ImageDocument, step: Step): void {
    this.#edits.fire({
      document,
      label: stepText(step),
      undo: document.undoOf(step),
      redo: () => document.apply(step),
    });
    this.#showStatus();
  }

  async #askEngine(page: Page, message: Extract<ToHost, { type: "encode" | "predict" | "model" }>): Promise<void> {
    const { id } = message;
    try {
      const engine = this.#engine;
      if (engine === undefined) throw new ExtensionError("engine-lost", "there is no engine's process here");
      const result =
        message.type === "model"
          ? await engine.start()
          : message.type === "encode"
            ? await engine.request("encode", { key: message.key, picture: message.picture, ahead: message.ahead })
            : await engine.request("predict", message);
      page.post({ type: "answer", id, result });
    } catch (error) {
      const code = error instanceof ExtensionError ? error.code : "unknown";
      page.post({ type: "failure", id, code, message: messageOf(error) });
    }
  }

  /** The pictures after this one are prepared for clicks, so that going on does not wait for the encoder. */
  async #prepareNeighbours(page: Page): Promise<void> {
    const count = settings().get<number>("neighbours", 2);
    if (this.#engine?.facts === undefined || count === 0) return;
    const { siblings, at } = await siblingsOf(page.document.uri);
    const next = siblings.slice(at + 1, at + 1 + count);
    const pictures = await Promise.all(
      next.map(async (uri) => {
        const stat = await workspace.fs.stat(uri);
        return {
          key: `${uri.toString()}@${stat.mtime}:${stat.size}`,
          src: page.panel.webview.asWebviewUri(uri).toString(),
        };
      }),
    );
    if (pictures.length > 0) page.post({ type: "prepare", pictures });
  }

  async move(by: 1 | -1): Promise<void> {
    const page = this.#active;
    if (page === undefined) return;
    const { siblings, at } = await siblingsOf(page.document.uri);
    const next = siblings[at + by];
    if (next !== undefined) {
      await commands.executeCommand("vscode.openWith", next, viewType, {
        viewColumn: page.panel.viewColumn,
        preview: true,
      });
    }
  }

  /** For a language model: the picture is opened beside what a person does, and its page answers. */
  async segment(image: Uri, input: SegmentInput, token: CancellationToken): Promise<SegmentAnswer> {
    const opened = (): Page | undefined =>
      [...this.#pages].find((page) => page.isDecoded && page.document.uri.toString() === image.toString());
    if (opened() === undefined) {
      await commands.executeCommand("vscode.openWith", image, viewType, { preserveFocus: true, preview: true });
    }
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const end = (): void => {
        this.#segmenting.delete(id);
        clearTimeout(timer);
        cancelled.dispose();
      };
      const fail = (error: ExtensionError): void => {
        end();
        reject(error);
      };
      this.#segmenting.set(id, {
        resolve: (answer) => {
          end();
          resolve(answer);
        },
        reject: fail,
      });
      const cancelled = token.onCancellationRequested(() =>
        fail(new ExtensionError("cancelled", "the request was cancelled")),
      );
      const began = Date.now();
      let timer: ReturnType<typeof setTimeout>;
      const ask = (): void => {
        const page = opened();
        const draft = input.addDraft === true ? (input.class ?? null) : undefined;
        if (page !== undefined) page.post({ type: "segment", id, prompt: input, draft });
        else if (Date.now() - began > OPENING)
          fail(new ExtensionError("engine-lost", `${nameOf(image)} could not be shown`));
        else timer = setTimeout(ask, 100);
      };
      timer = setTimeout(ask);
    });
  }

  async chooseZoom(): Promise<void> {
    const fit = l10n.t("Whole picture");
    const chosen = await window.showQuickPick([
      fit,
      "6400 %",
      "1600 %",
      "800 %",
      "400 %",
      "200 %",
      "100 %",
      "50 %",
      "25 %",
      "10 %",
    ]);
    if (chosen === undefined) return;
    this.#active?.post({ type: "zoom", zoom: chosen === fit ? "fit" : Number.parseInt(chosen, 10) / 100 });
  }

  async chooseLabels(): Promise<void> {
    const document = this.#active?.document;
    if (document === undefined) return;
    const all = [...(document.labels === undefined ? [] : [document.labels]), ...document.otherLabels];
    if (all.length === 0) {
      await window.showInformationMessage(l10n.t("No labels of this picture were found. Saving makes some."));
      return;
    }
    const items = all.map((found) => ({
      label: workspace.asRelativePath(found.uri),
      description: found === document.labels ? l10n.t("{0}, shown", found.format) : found.format,
      found,
    }));
    const chosen = await window.showQuickPick(items, { title: l10n.t("Labels of this picture") });
    if (chosen !== undefined && chosen.found !== document.labels) await document.choose(chosen.found);
  }

  async filterClasses(): Promise<void> {
    const page = this.#active;
    if (page === undefined) return;
    const items = page.document.classes.map((label) => ({ label, picked: !page.hidden.includes(label) }));
    const chosen = await window.showQuickPick(items, {
      canPickMany: true as const,
      title: l10n.t("Classes that are shown"),
    });
    if (chosen === undefined) return;
    const wanted = new Set(chosen.map(({ label }) => label));
    page.hidden = page.document.classes.filter((name) => !wanted.has(name));
    page.post({ type: "filter", hidden: page.hidden });
  }

  async newClass(page: Page | undefined = this.#active): Promise<void> {
    if (page === undefined) return;
    const name = (await window.showInputBox({ prompt: l10n.t("Name of the class") }))?.trim();
    if (name === undefined || name === "") return;
    const step = page.document.addClass(name);
    if (step !== undefined) this.#fire(page.document, step);
  }

  #setActive(page: Page | undefined): void {
    this.#active = page;
    this.#showStatus();
  }

  #showStatus(): void {
    const page = this.#active;
    const [pixel, size, zoom, labels] = this.#status as [StatusBarItem, StatusBarItem, StatusBarItem, StatusBarItem];
    if (page === undefined) {
      for (const item of this.#status) item.hide();
      return;
    }
    const { document } = page;
    const { width, height } = document.document ?? { width: 0, height: 0 };
    pixel.text = page.pixel;
    size.text = width === 0 ? fileSize(document.bytes) : `${width}x${height}  ${fileSize(document.bytes)}`;
    zoom.text = page.zoom;
    labels.text = `$(symbol-misc) ${describeLabels(document)}`;
    labels.tooltip = [
      workspace.asRelativePath(document.labels?.uri ?? document.uri),
      document.readOnly,
      ...document.notes.slice(0, 5),
    ]
      .filter((line) => line !== undefined)
      .join("\n");
    for (const item of this.#status) {
      if (item.text === "") item.hide();
      else item.show();
    }
  }

  saveCustomDocument(document: ImageDocument): Promise<void> {
    return document.save();
  }

  /** A copy of the labels under another name; the picture is never written. */
  async saveCustomDocumentAs(document: ImageDocument, destination: Uri): Promise<void> {
    if (destination.toString() === document.uri.toString()) return document.save();
    throw new ExtensionError(
      "labels-read-only",
      l10n.t("Masklet saves labels, not pictures: use Save, or convert the labels of the dataset."),
    );
  }

  revertCustomDocument(document: ImageDocument): Promise<void> {
    return document.revert();
  }

  async backupCustomDocument(
    document: ImageDocument,
    { destination }: CustomDocumentBackupContext,
  ): Promise<CustomDocumentBackup> {
    await document.backup(destination);
    return {
      id: destination.toString(),
      delete: async () => {
        try {
          await workspace.fs.delete(destination);
        } catch {
          // It is gone already.
        }
      },
    };
  }

  dispose(): void {
    this.#edits.dispose();
    for (const one of this.#status) one.dispose();
  }
}

function describeLabels(document: ImageDocument): string {
  const count = document.document?.objects.length ?? 0;
  const format = document.labels?.format;
  const objects = count === 1 ? l10n.t("1 object") : l10n.t("{0} objects", count);
  const text = format === undefined ? objects : `${objects}, ${format}`;
  return document.readOnly === undefined ? text : l10n.t("{0}, read-only", text);
}

function fileSize(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} KB` : `${(bytes / 1e6).toFixed(2)} MB`;
}

/** Pictures of the same folder, as the explorer orders them. */
async function siblingsOf(uri: Uri): Promise<{ readonly siblings: readonly Uri[]; readonly at: number }> {
  const folder = folderOf(uri);
  const compare = new Intl.Collator(undefined, { numeric: true }).compare;
  const names = (await workspace.fs.readDirectory(folder))
    .filter(([name, type]) => (type & FileType.File) !== 0 && pictures.test(name))
    .map(([name]) => name)
    .sort(compare);
  return { siblings: names.map((name) => Uri.joinPath(folder, name)), at: names.indexOf(nameOf(uri)) };
}
