/** The editor of videos in VS Code: its documents, pages and commands. */
import { type VideoStep, videoStepText, videoStepWords } from "@masklet/editor";
import {
  type CustomDocumentOpenContext,
  type CustomEditorProvider,
  commands,
  Disposable,
  type ExtensionContext,
  l10n,
  RelativePattern,
  Uri,
  type WebviewPanel,
  window,
  workspace,
} from "vscode";
import type { Place } from "../activate.ts";
import type { EnginePort } from "../engine-client.ts";
import { ExtensionError, messageOf } from "../errors.ts";
import { pageHtml } from "../image/page.ts";
import type { ImageParts } from "../image/register.ts";
import { LabelEditors } from "../label-editors.ts";
import { folderOf, nameOf } from "../labels/find.ts";
import { translated } from "../translate.ts";
import { VideoDocument } from "./document.ts";
import { askAndExport } from "./export-command.ts";
import { frameNames } from "./frames.ts";
import { askAndImport } from "./import-command.ts";
import type { ShowVideo, ToVideoHost, ToVideoPage } from "./protocol.ts";
import { videoWords } from "./words.ts";

export const viewType = "masklet.video";

export function registerVideos(context: ExtensionContext, place: Place, parts: ImageParts): void {
  const provider = new VideoEditors(context, place, parts);
  const command = (name: string, run: (uri?: Uri) => unknown): Disposable =>
    commands.registerCommand(`masklet.video.${name}`, run);
  context.subscriptions.push(
    provider,
    window.registerCustomEditorProvider(viewType, provider, {
      supportsMultipleEditorsPerDocument: true,
      // Tracking goes on behind another tab.
      webviewOptions: { retainContextWhenHidden: true },
    }),
    command("openFolder", openFolder),
    command("open", (uri) => uri && commands.executeCommand("vscode.openWith", uri, viewType)),
    command("newClass", () => provider.newClass()),
    command("nextDrift", () => provider.active?.post({ type: "drift", by: 1 })),
    command("previousDrift", () => provider.active?.post({ type: "drift", by: -1 })),
    command("import", () => provider.import()),
    command("export", () => askAndExport(provider.active?.document, place.files)),
  );
}

/** What VS Code's menus call a step. */
const labelOf = (step: VideoStep): string => videoStepText(step, translated(videoStepWords, l10n.bundle));

async function openFolder(uri?: Uri): Promise<void> {
  const chosen = await (uri === undefined
    ? window.showOpenDialog({ canSelectFiles: false, canSelectFolders: true, title: l10n.t("Folder of frames") })
    : [uri]);
  const folder = chosen?.[0];
  if (folder === undefined) return;
  try {
    await frameNames(folder);
  } catch (error) {
    await window.showErrorMessage(messageOf(error));
    return;
  }
  await commands.executeCommand("vscode.openWith", folder, viewType);
}

/** One page of a document. */
interface Page {
  readonly document: VideoDocument;
  readonly panel: WebviewPanel;
  /** What the engine knows this page's video by, where ffmpeg reads it. */
  readonly video: number;
  post(message: ToVideoPage): void;
  isOpened: boolean;
  hasFfmpeg: boolean;
  port: EnginePort | undefined;
}

class VideoEditors extends LabelEditors<VideoDocument> implements CustomEditorProvider<VideoDocument>, Disposable {
  protected readonly notWritten = l10n.t("Masklet saves what is tracked, not videos: use Save, or export the tracks.");
  readonly #context: ExtensionContext;
  readonly #place: Place;
  readonly #parts: ImageParts;
  readonly #pages = new Set<Page>();
  #active: Page | undefined;
  #nextVideo = 1;

  constructor(context: ExtensionContext, place: Place, parts: ImageParts) {
    super();
    this.#context = context;
    this.#place = place;
    this.#parts = parts;
  }

  get active(): Page | undefined {
    return this.#active;
  }

  async openCustomDocument(uri: Uri, { backupId }: CustomDocumentOpenContext): Promise<VideoDocument> {
    const storage = this.#context.storageUri ?? this.#context.globalStorageUri;
    const document = await VideoDocument.open(
      uri,
      { files: this.#place.files, conflict: askConflict, storage: Uri.joinPath(storage, "videos") },
      backupId === undefined ? undefined : Uri.parse(backupId),
    );
    const heard = document.onDidChange((event) => {
      if (event.type === "trouble") {
        this.#parts.log.warn(event.message);
        void window.showWarningMessage(event.message);
        return;
      }
      for (const page of this.#pagesOf(document)) {
        if (event.type === "reset") this.#showDocument(page);
        else if (event.from !== page) {
          page.post({ type: "step", step: event.step, shown: event.from === undefined });
        }
      }
    });
    const { labels } = document;
    const watcher = workspace.createFileSystemWatcher(new RelativePattern(folderOf(labels), nameOf(labels)));
    const changed = (): void => this.#tried(document.changed());
    for (const event of [watcher.onDidChange, watcher.onDidCreate, watcher.onDidDelete]) event(changed);
    const trusted = workspace.onDidGrantWorkspaceTrust(() => this.#tried(document.trusted()));
    document.onDidDispose(() => Disposable.from(heard, watcher, trusted).dispose());
    return document;
  }

  async resolveCustomEditor(document: VideoDocument, panel: WebviewPanel): Promise<void> {
    const { webview } = panel;
    const root = document.names === undefined ? folderOf(document.uri) : document.uri;
    webview.options = { enableScripts: true, localResourceRoots: [this.#context.extensionUri, root] };
    const page: Page = {
      document,
      panel,
      video: this.#nextVideo++,
      post: (message) => void webview.postMessage(message),
      isOpened: false,
      hasFfmpeg: false,
      port: undefined,
    };
    this.#pages.add(page);
    webview.onDidReceiveMessage((message: ToVideoHost) => {
      this.#received(page, message).catch((error: unknown) => {
        this.#parts.log.error(messageOf(error));
        void window.showErrorMessage(messageOf(error));
      });
    });
    panel.onDidDispose(() => {
      this.#pages.delete(page);
      this.#disconnect(page);
      const { engine } = this.#parts;
      if (page.hasFfmpeg && engine?.isRunning) this.#tried(engine.request("close-video", { video: page.video }));
      if (this.#active === page) this.#active = undefined;
    });
    panel.onDidChangeViewState(() => {
      if (panel.active) {
        this.#active = page;
        // Where watchers say nothing, the file is looked at whenever a person comes back to it.
        this.#tried(document.changed());
      } else if (this.#active === page) this.#active = undefined;
    });
    if (document.takeForgotten()) {
      this.edits.fire({ document });
      void window.showInformationMessage(l10n.t("What was not saved in {0} is back.", nameOf(document.uri)));
    }
    const worker = this.#parts.engine === undefined;
    webview.html = pageHtml(webview, this.#context.extensionUri, "video", { worker });
    if (panel.active) this.#active = page;
  }

  /** What goes wrong where nobody waits for it. */
  #tried(work: Promise<unknown> | undefined): void {
    work?.catch((error: unknown) => this.#parts.log.error(messageOf(error)));
  }

  #pagesOf(document: VideoDocument): readonly Page[] {
    return [...this.#pages].filter((page) => page.document === document);
  }

  #show({ document, panel }: Page): ShowVideo {
    const { webview } = panel;
    const at = (uri: Uri): string => webview.asWebviewUri(uri).toString();
    const own = (name: string): string => at(Uri.joinPath(this.#context.extensionUri, "engine", name));
    const { uri, names } = document;
    const engine = this.#parts.engine === undefined ? "worker" : "process";
    return {
      type: "show",
      name: nameOf(uri),
      source: names === undefined ? { kind: "file", src: at(uri) } : { kind: "frames", base: at(uri), names },
      engine,
      worker:
        engine === "worker"
          ? {
              script: own("worker.js"),
              wasm: own("ort-wasm-simd-threaded.wasm"),
              checkpoint: own("nano.safetensors"),
              config: own("nano.json"),
            }
          : undefined,
      words: videoWords(),
      translation: l10n.bundle,
    };
  }

  #showDocument(page: Page): void {
    const { document, readOnly } = page.document;
    if (page.isOpened) page.post({ type: "document", document, readOnly });
  }

  async #received(page: Page, message: ToVideoHost): Promise<void> {
    const { document } = page;
    switch (message.type) {
      case "ready":
        // The page may have been loaded anew: what the one before had is gone.
        this.#disconnect(page);
        page.isOpened = false;
        page.post(this.#show(page));
        return;
      case "opened": {
        const { width, height, count, rate, decoder } = message;
        this.#parts.log.info(`${nameOf(document.uri)}: ${width}x${height}, ${count} frames, by ${decoder}`);
        document.opened({ width, height, count }, rate);
        page.isOpened = true;
        this.#showDocument(page);
        return;
      }
      case "unopened":
        this.#parts.log.warn(`${nameOf(document.uri)}: ${message.message}`);
        return;
      case "step":
        this.#step(page, message.step);
        return;
      case "connect":
        await this.#connect(page);
        return;
      case "port":
        page.port?.post(message.message);
        return;
      case "open-video":
      case "video-frame":
        await this.#askFfmpeg(page, message);
        return;
      case "new-class":
        await this.newClass(page);
        return;
      case "log":
        this.#parts.log.info(message.message);
        return;
      default:
        throw new ExtensionError(
          "message-malformed",
          `a page sent ${JSON.stringify((message as { type?: unknown }).type)}`,
        );
    }
  }

  #step(page: Page, step: VideoStep): void {
    const { document } = page;
    try {
      document.take(step, page);
    } catch (error) {
      // Two views at once, an undo while it was tracked, or nothing may change: the page takes the document as it is.
      this.#parts.log.warn(messageOf(error));
      this.#showDocument(page);
      const text = labelOf(step);
      void window.showWarningMessage(
        error instanceof ExtensionError ? error.message : l10n.t("{0} was given up: {1}", text, messageOf(error)),
      );
      return;
    }
    this.#fire(document, step);
  }

  #fire(document: VideoDocument, step: VideoStep): void {
    this.edits.fire({
      document,
      label: labelOf(step),
      undo: document.undoOf(step),
      redo: () => document.apply(step),
    });
  }

  /** Adds the objects of labels in another format, as one step. */
  async import(): Promise<void> {
    const document = this.#active?.document;
    if (document === undefined) return;
    try {
      const step = await askAndImport(document);
      if (step === undefined) return;
      document.take(step, undefined);
      this.#fire(document, step);
    } catch (error) {
      this.#parts.log.warn(messageOf(error));
      await window.showErrorMessage(messageOf(error));
    }
  }

  async #connect(page: Page): Promise<void> {
    this.#disconnect(page);
    const lost = (error: unknown): void => {
      page.port = undefined;
      page.post({ type: "lost", message: messageOf(error) });
    };
    try {
      const engine = this.#parts.engine;
      if (engine === undefined) throw new ExtensionError("engine-lost", "there is no engine's process here");
      const port = await engine.openPort({ message: (message) => page.post({ type: "port", message }), lost });
      if (this.#pages.has(page)) {
        page.port = port;
        page.post({ type: "connected" });
      } else port.close();
    } catch (error) {
      lost(error);
    }
  }

  #disconnect(page: Page): void {
    page.port?.close();
    page.port = undefined;
  }

  /** Videos that Chromium does not decode are read by ffmpeg, beside the model. */
  async #askFfmpeg(page: Page, message: Extract<ToVideoHost, { type: "open-video" | "video-frame" }>): Promise<void> {
    const { id } = message;
    const { video } = page;
    const { uri } = page.document;
    const engine = this.#parts.engine;
    try {
      if (engine === undefined || uri.scheme !== "file") {
        throw new ExtensionError("engine-lost", l10n.t("ffmpeg reads files of this machine alone."));
      }
      if (!workspace.isTrusted) {
        throw new ExtensionError("engine-lost", l10n.t("This workspace is not trusted: no other program is run."));
      }
      const open = (): Promise<unknown> => engine.request("open-video", { video, path: uri.fsPath });
      const frame = (index: number): Promise<unknown> => engine.request("video-frame", { video, index });
      page.hasFfmpeg = true;
      const result =
        message.type === "open-video"
          ? await open()
          : await frame(message.index).catch(async (error: unknown) => {
              // The process is another one now.
              if (!(error instanceof ExtensionError) || error.code !== "picture-unknown") throw error;
              await open();
              return frame(message.index);
            });
      page.post({ type: "answer", id, result });
    } catch (error) {
      const code = error instanceof ExtensionError ? error.code : "unknown";
      page.post({ type: "failure", id, code, message: messageOf(error) });
    }
  }

  async newClass(page: Page | undefined = this.#active): Promise<void> {
    if (page === undefined) return;
    const name = (await window.showInputBox({ prompt: l10n.t("Name of the class") }))?.trim();
    if (name === undefined || name === "") return;
    const step = page.document.addClass(name);
    if (step !== undefined) this.#fire(page.document, step);
  }
}

async function askConflict(file: string): Promise<"mine" | "theirs" | undefined> {
  const mine = l10n.t("Keep Mine");
  const theirs = l10n.t("Take Theirs");
  const message = l10n.t("{0} was changed here and by somebody else.", file);
  const chosen = await window.showWarningMessage(message, { modal: true }, mine, theirs);
  return chosen === mine ? "mine" : chosen === theirs ? "theirs" : undefined;
}
