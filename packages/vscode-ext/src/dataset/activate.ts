/** Datasets in VS Code: the tree, the commands, and the pages that they open. Nothing is read before someone asks. */
import { LabelError, type LabelStats, type ReadFormat } from "@masklet/labels";
import {
  commands,
  type Disposable,
  type ExtensionContext,
  FileType,
  l10n,
  languages,
  ProgressLocation,
  Uri,
  ViewColumn,
  window,
  workspace,
} from "vscode";
import type { Place } from "../activate.ts";
import { messageOf } from "../errors.ts";
import { pageHtml } from "../image/page.ts";
import type { ImageParts } from "../image/register.ts";
import { showComparison } from "./comparison.ts";
import { OpenDataset, signalOf } from "./dataset.ts";
import { Gallery } from "./gallery.ts";
import { CommitFolder, differenceFromHead } from "./git.ts";
import { DatasetIndex, type IndexProgress } from "./index.ts";
import { unfinishedJob } from "./job.ts";
import type { StatisticsMessage } from "./pages.ts";
import type { Filter } from "./query.ts";
import { DatasetTree } from "./tree.ts";
import { statisticsWords } from "./words.ts";
import { WorkspaceFolderFiles } from "./workspace-files.ts";

/** Registers everything that is about datasets. */
export function registerDatasets(context: ExtensionContext, place: Place, parts: ImageParts): void {
  const datasets = new Datasets(context, place, parts);
  const on = (name: string, run: (...args: never[]) => Promise<unknown>): Disposable =>
    commands.registerCommand(`masklet.dataset.${name}`, (...args: never[]) =>
      run(...args).catch((error: unknown) => {
        if (error instanceof Error && error.name === "AbortError") return;
        parts.log.error(messageOf(error));
        void window.showErrorMessage(messageOf(error));
      }),
    );
  context.subscriptions.push(
    datasets,
    window.registerTreeDataProvider("masklet.dataset", datasets.tree),
    on("open", (uri?: Uri) => datasets.open(uri)),
    on("sample", async () => datasets.open(await sampleDataset(context))),
    on("gallery", async (filter?: Filter) => datasets.gallery(filter)),
    on("nextUnlabelled", async () => datasets.gallery(undefined)?.nextUnlabelled()),
    on("statistics", () => datasets.statistics()),
    on("check", () => datasets.check()),
    on("compare", () => datasets.compare()),
    on("compareWithHead", () => datasets.compareWithHead()),
    on("resumeJob", () => datasets.resume()),
    on("acceptAbove", () => datasets.acceptAbove()),
    on("chooseDetector", () => chooseDetector()),
    on("refresh", () => datasets.refresh()),
  );
}

/** A small dataset to try things with: a copy of one's own, because what is in the extension's folder goes with its next version. */
async function sampleDataset(context: ExtensionContext): Promise<Uri> {
  const [from, to] = [
    Uri.joinPath(context.extensionUri, "media", "sample"),
    Uri.joinPath(context.globalStorageUri, "sample"),
  ];
  await workspace.fs.createDirectory(to);
  const there = new Set((await workspace.fs.readDirectory(to)).map(([name]) => name));
  // Where the extension lies on a web server, there is no list of its files. The picture is the last: with it, all are there.
  for (const name of ["scene.json", "balls.jpg", "scene.png"]) {
    if (there.has("scene.png") || there.has(name)) continue;
    await workspace.fs.writeFile(Uri.joinPath(to, name), await workspace.fs.readFile(Uri.joinPath(from, name)));
  }
  return to;
}

class Datasets implements Disposable {
  readonly tree: DatasetTree = new DatasetTree();
  readonly #context: ExtensionContext;
  readonly #place: Place;
  readonly #parts: ImageParts;
  readonly #problems = languages.createDiagnosticCollection("masklet");
  #current: OpenDataset | undefined;
  #opened: Uri | undefined;
  #gallery: Gallery | undefined;

  constructor(context: ExtensionContext, place: Place, parts: ImageParts) {
    this.#context = context;
    this.#place = place;
    this.#parts = parts;
  }

  #need(): OpenDataset {
    if (this.#current !== undefined) return this.#current;
    throw new LabelError("file-missing", l10n.t('No dataset is open: use "Masklet: Open Dataset..."'));
  }

  async open(given: Uri | undefined): Promise<void> {
    const uri = given ?? (await choose());
    if (uri === undefined) return;
    const { root, file } = await rootOf(uri);
    const opened = await this.#progress(l10n.t("Opening {0}", file ?? root.path), (signal, progress) =>
      this.#read(root, file, signal, progress),
    );
    if (opened === undefined) return;
    this.#close();
    this.#opened = uri;
    this.#current = opened;
    opened.onDidChange(() => this.tree.refresh());
    this.tree.show(opened);
    await commands.executeCommand("setContext", "masklet.hasDataset", true);
    const broken = opened.index.findings.filter(({ severity }) => severity === "error").length;
    if (broken > 0) void this.#offerCheck(broken);
    this.gallery({});
    if ((await unfinishedJob(opened.state)) !== undefined) void this.#offerResume();
  }

  async #offerCheck(count: number): Promise<void> {
    const check = l10n.t("Check Labels");
    const chosen = await window.showWarningMessage(
      l10n.t("{0} parts of the labels cannot be read and are left out.", count),
      check,
    );
    if (chosen === check) await this.check();
  }

  async #offerResume(): Promise<void> {
    const go = l10n.t("Continue");
    const chosen = await window.showInformationMessage(
      l10n.t("Masks were being proposed for this dataset when it was closed."),
      go,
    );
    if (chosen === go) await this.resume();
  }

  /** Opens a dataset; of several formats a person chooses. */
  async #read(
    root: Uri,
    file: string | undefined,
    signal: AbortSignal,
    progress: (progress: IndexProgress) => void,
  ): Promise<OpenDataset | undefined> {
    const parts = {
      open: this.#place.open,
      storage: this.#context.storageUri ?? this.#context.globalStorageUri,
      problems: this.#problems,
      log: (message: string) => this.#parts.log.warn(message),
    };
    const options = { signal, progress, ...(file !== undefined && { file }) };
    try {
      return await OpenDataset.open(root, options, parts);
    } catch (error) {
      const formats =
        error instanceof LabelError && error.code === "format-ambiguous" ? error.details["formats"] : undefined;
      if (!Array.isArray(formats)) throw error;
      const format = await window.showQuickPick(formats as ReadFormat[], {
        title: l10n.t("Labels of several kinds are there. Which ones?"),
      });
      return format === undefined
        ? undefined
        : OpenDataset.open(root, { ...options, format: format as ReadFormat }, parts);
    }
  }

  async refresh(): Promise<void> {
    if (this.#opened !== undefined) await this.open(this.#opened);
  }

  gallery(filter: Filter | undefined): Gallery | undefined {
    const dataset = this.#need();
    if (this.#gallery !== undefined) this.#gallery.reveal(filter);
    else {
      this.#gallery = new Gallery(
        this.#context,
        dataset,
        filter ?? {},
        {
          engine: this.#parts.engine,
          detector: async () => workspace.getConfiguration("masklet").get<string>("detector") || chooseDetector(),
          model: () => workspace.getConfiguration("masklet").get("model", "nano"),
          accept: {
            files: this.#place.files,
            memory: this.#context.workspaceState,
            chooseClass: (names, isFree) => this.#chooseClass(names, isFree),
          },
        },
        () => {
          this.#gallery = undefined;
        },
      );
    }
    return this.#gallery;
  }

  /** The class of drafts without one is asked once for each dataset, and the last one comes first. */
  async #chooseClass(names: readonly string[], isFree: boolean): Promise<string | undefined> {
    if (this.#class !== undefined && (isFree || names.includes(this.#class))) return this.#class;
    const other = l10n.t("New class...");
    const chosen = await window.showQuickPick([...names, ...(isFree ? [other] : [])], {
      title: l10n.t("Class of the accepted drafts"),
    });
    this.#class =
      chosen === other
        ? (await window.showInputBox({ prompt: l10n.t("Name of the class") }))?.trim() || undefined
        : chosen;
    return this.#class;
  }

  #class: string | undefined;

  async check(): Promise<void> {
    const dataset = this.#need();
    const count = await this.#progress(l10n.t("Checking labels"), (signal, progress) =>
      dataset.check({ signal, progress }),
    );
    if (count === 0) void window.showInformationMessage(l10n.t("Nothing is wrong with these labels."));
    else await commands.executeCommand("workbench.actions.view.problems");
  }

  async statistics(): Promise<void> {
    const dataset = this.#need();
    const stats = await this.#progress(l10n.t("Counting labels"), (signal, progress) =>
      dataset.index.stats({ signal, progress }),
    );
    showStatistics(this.#context, dataset.name, stats);
  }

  async compare(): Promise<void> {
    const dataset = this.#need();
    const uri = await choose();
    if (uri === undefined) return;
    const { root, file } = await rootOf(uri);
    const files = new WorkspaceFolderFiles(root, this.#place.open);
    const other = await this.#progress(l10n.t("Opening {0}", file ?? root.path), (signal, progress) =>
      DatasetIndex.build(files, { signal, progress, ...(file !== undefined && { file }) }),
    );
    await this.#show(other, file ?? root.path.slice(root.path.lastIndexOf("/") + 1), dataset);
  }

  async compareWithHead(): Promise<void> {
    const dataset = this.#need();
    const before = await this.#progress(l10n.t("Reading the last commit"), async (signal, progress) => {
      const files = new CommitFolder(dataset.files, await differenceFromHead(dataset.files));
      const { format } = dataset.index;
      return DatasetIndex.build(files, { signal, progress, ...(format !== undefined && { format }) });
    });
    await this.#show(before, "HEAD", dataset);
  }

  async #show(before: DatasetIndex, name: string, dataset: OpenDataset): Promise<void> {
    await this.#progress(l10n.t("Comparing labels"), (signal) =>
      showComparison(this.#context, { before, name, dataset }, signal),
    );
  }

  async resume(): Promise<void> {
    const job = await unfinishedJob(this.#need().state);
    if (job === undefined) void window.showInformationMessage(l10n.t("Nothing is left to continue."));
    else await this.gallery(undefined)?.run(job);
  }

  async acceptAbove(): Promise<void> {
    const { drafts } = this.#need();
    const given = await window.showInputBox({
      prompt: l10n.t("Accept all drafts of this score or more, 0 to 1"),
      value: "0.9",
      validateInput: (text) => (/^(0|1|0?\.\d+|1\.0+)$/.test(text.trim()) ? undefined : l10n.t("A number from 0 to 1")),
    });
    if (given === undefined) return;
    const least = Number(given);
    const gallery = this.gallery(undefined);
    const paths = drafts.paths.filter((path) => (drafts.summary(path)?.best ?? 0) >= least);
    const accepted = await this.#progress(l10n.t("Accepting drafts"), async (signal) => {
      let count = 0;
      for (const path of paths) {
        signal.throwIfAborted();
        const ids = ((await drafts.get(path))?.drafts ?? []).filter(({ score }) => score >= least).map(({ id }) => id);
        await gallery?.accept(path, ids);
        count += ids.length;
      }
      return count;
    });
    void window.showInformationMessage(l10n.t("{0} drafts in {1} pictures were accepted.", accepted, paths.length));
  }

  #progress<T>(
    title: string,
    work: (signal: AbortSignal, progress: (progress: IndexProgress) => void) => Promise<T>,
  ): Promise<T> {
    return Promise.resolve(
      window.withProgress({ location: ProgressLocation.Notification, title, cancellable: true }, (report, token) => {
        let share = 0;
        return work(signalOf(token), ({ done, total }) => {
          const now = total === undefined || total === 0 ? 0 : done / total;
          report.report({
            message: total === undefined ? String(done) : `${done} / ${total}`,
            increment: 100 * Math.max(0, now - share),
          });
          share = Math.max(share, now);
        });
      }),
    );
  }

  #close(): void {
    this.#gallery?.dispose();
    this.#gallery = undefined;
    this.#current?.dispose();
    this.#current = undefined;
    this.#class = undefined;
  }

  dispose(): void {
    this.#close();
    this.#problems.dispose();
    this.tree.dispose();
  }
}

async function choose(): Promise<Uri | undefined> {
  const [chosen] =
    (await window.showOpenDialog({
      canSelectFiles: true,
      canSelectFolders: true,
      openLabel: l10n.t("Open Dataset"),
      ...(workspace.workspaceFolders?.[0] !== undefined && { defaultUri: workspace.workspaceFolders[0].uri }),
    })) ?? [];
  return chosen;
}

/** Asks for a detector's file, and keeps it among the settings. */
async function chooseDetector(): Promise<string | undefined> {
  const [chosen] =
    (await window.showOpenDialog({
      title: l10n.t("Detector: an ONNX file of YOLO, RT-DETR, D-FINE, DETR, RF-DETR or torchvision"),
      filters: { ONNX: ["onnx"] },
    })) ?? [];
  if (chosen === undefined) return undefined;
  if (chosen.scheme !== "file")
    throw new LabelError("file-missing", l10n.t("{0}: the engine opens files of this machine", chosen.toString()));
  await workspace.getConfiguration("masklet").update("detector", chosen.fsPath, true);
  return chosen.fsPath;
}

/** Folders of labels beside which their pictures lie. */
const besidePictures = /^(annotations|labels|anns|gt)$/i;

/**
 * The folder of a dataset by what was chosen: of a file its own, or the one above where it lies among annotations; never one
 * outside of the workspace that the file is in.
 */
export async function rootOf(uri: Uri): Promise<{ readonly root: Uri; readonly file: string | undefined }> {
  if (((await workspace.fs.stat(uri)).type & FileType.Directory) !== 0) return { root: uri, file: undefined };
  const folder = Uri.joinPath(uri, "..");
  const name = uri.path.slice(uri.path.lastIndexOf("/") + 1);
  const last = folder.path.slice(folder.path.lastIndexOf("/") + 1);
  const isTop = workspace.getWorkspaceFolder(uri)?.uri.path === folder.path;
  if (!besidePictures.test(last) || isTop) return { root: folder, file: name };
  return { root: Uri.joinPath(folder, ".."), file: `${last}/${name}` };
}

function showStatistics(context: ExtensionContext, name: string, stats: LabelStats): void {
  const panel = window.createWebviewPanel("masklet.statistics", l10n.t("Statistics: {0}", name), ViewColumn.Active, {
    enableScripts: true,
    localResourceRoots: [context.extensionUri],
  });
  const message: StatisticsMessage = { type: "statistics", name, stats, words: statisticsWords() };
  panel.webview.onDidReceiveMessage(() => void panel.webview.postMessage(message));
  panel.webview.html = pageHtml(panel.webview, context.extensionUri, "statistics");
}
