/** The editor of pictures in VS Code: its documents and their pages. */
import { type Step, stepText, stepWords } from "@masklet/editor";
import {
  type CustomDocumentOpenContext,
  type CustomEditorProvider,
  commands,
  type Disposable,
  type ExtensionContext,
  type LogOutputChannel,
  l10n,
  Uri,
  type WebviewPanel,
  window,
  workspace,
} from "vscode";
import type { Place } from "../activate.ts";
import type { EngineClient } from "../engine-client.ts";
import { ExtensionError, messageOf } from "../errors.ts";
import { LabelEditors } from "../label-editors.ts";
import { folderOf, nameOf } from "../labels/find.ts";
import type { ShowMessage, ToHost } from "../protocol.ts";
import { translated } from "../translate.ts";
import { askerOf } from "./asker.ts";
import { ImageDocument } from "./document.ts";
import { type ImagePage, newClass, showMessage } from "./image-page.ts";
import { pageHtml } from "./page.ts";
import { SegmentRequests } from "./segment-requests.ts";
import { siblingsOf } from "./siblings.ts";
import { describeLabels, ImageStatus } from "./status.ts";
import { viewType } from "./view-type.ts";
import { watchFiles } from "./watch.ts";

export class ImageEditors
  extends LabelEditors<ImageDocument>
  implements CustomEditorProvider<ImageDocument>, Disposable
{
  protected readonly notWritten: string = l10n.t(
    "Masklet saves labels, not pictures: use Save, or convert the labels of the dataset.",
  );
  readonly #context: ExtensionContext;
  readonly #place: Place;
  readonly #engine: EngineClient | undefined;
  readonly #log: LogOutputChannel;
  readonly #pages = new Set<ImagePage>();
  readonly #status: ImageStatus = new ImageStatus();
  #active: ImagePage | undefined;
  /** Objects that language models ask for. */
  readonly requests: SegmentRequests = new SegmentRequests(() => this.#pages);

  constructor(context: ExtensionContext, place: Place, engine: EngineClient | undefined, log: LogOutputChannel) {
    super();
    this.#context = context;
    this.#place = place;
    this.#engine = engine;
    this.#log = log;
  }

  get active(): ImagePage | undefined {
    return this.#active;
  }

  async openCustomDocument(uri: Uri, { backupId }: CustomDocumentOpenContext): Promise<ImageDocument> {
    const storage = this.#context.storageUri ?? this.#context.globalStorageUri;
    const document = await ImageDocument.open(
      uri,
      { files: this.#place.files, ask: askerOf(this.#context.workspaceState), drafts: Uri.joinPath(storage, "drafts") },
      backupId === undefined ? undefined : Uri.parse(backupId),
    );
    const watched = watchFiles(document, (error) => this.#log.error(messageOf(error)));
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
      this.#status.show(this.#active);
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

  async resolveCustomEditor(document: ImageDocument, panel: WebviewPanel): Promise<void> {
    const { webview } = panel;
    const roots = [
      this.#context.extensionUri,
      folderOf(document.uri),
      ...(workspace.workspaceFolders ?? []).map(({ uri }) => uri),
    ];
    webview.options = { enableScripts: true, localResourceRoots: roots };
    const page: ImagePage = {
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
      this.edits.fire({ document });
      void window.showInformationMessage(l10n.t("What was not saved in {0} is back.", nameOf(document.uri)));
    }
    webview.html = pageHtml(webview, this.#context.extensionUri, "image", { worker: this.#engine === undefined });
    if (panel.active) this.#setActive(page);
  }

  #pagesOf(document: ImageDocument): readonly ImagePage[] {
    return [...this.#pages].filter((page) => page.document === document);
  }

  async #received(page: ImagePage, message: ToHost): Promise<void> {
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
        this.#status.show(this.#active);
        return;
      case "pixel":
        page.pixel = message.text;
        this.#status.show(this.#active);
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
      case "not-segmented":
        this.requests.answered(message);
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

  #step(page: ImagePage, step: Step): void {
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
    this.edits.fire({
      document,
      label: stepText(step, translated(stepWords, l10n.bundle)),
      undo: document.undoOf(step),
      redo: () => document.apply(step),
    });
    this.#status.show(this.#active);
  }

  async #askEngine(page: ImagePage, message: Extract<ToHost, { type: "encode" | "predict" | "model" }>): Promise<void> {
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
  async #prepareNeighbours(page: ImagePage): Promise<void> {
    const count = workspace.getConfiguration("masklet").get<number>("neighbours", 2);
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

  async newClass(page: ImagePage): Promise<void> {
    const step = await newClass(page);
    if (step !== undefined) this.#fire(page.document, step);
  }

  #show(page: ImagePage): ShowMessage {
    return showMessage(page, this.#context.extensionUri, this.#engine === undefined);
  }

  #setActive(page: ImagePage | undefined): void {
    this.#active = page;
    this.#status.show(this.#active);
  }

  override dispose(): void {
    super.dispose();
    this.#status.dispose();
  }
}
