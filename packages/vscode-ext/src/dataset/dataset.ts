/** A dataset that is open: its index, drafts and findings, kept true while files change. */
import type { ByteSource } from "@masklet/core";
import type { LabelledImage, ReadFormat } from "@masklet/labels";
import {
  type CancellationToken,
  Diagnostic,
  type DiagnosticCollection,
  DiagnosticSeverity,
  Disposable,
  type Event,
  EventEmitter,
  l10n,
  Range,
  RelativePattern,
  Uri,
  workspace,
} from "vscode";
import { messageOf } from "../errors.ts";
import { DraftStore, type PictureDrafts } from "./drafts.ts";
import { DatasetIndex, type IndexProgress, type PlacedFinding } from "./index.ts";
import { placeOf, textPlace } from "./locate.ts";
import { type ImageFacts, noFacts } from "./query.ts";
import { WorkspaceFolderFiles, WorkspaceState } from "./workspace-files.ts";

export interface OpenOptions {
  /** The file that it is opened by. */
  readonly file?: string;
  readonly format?: ReadFormat;
  readonly signal: AbortSignal;
  readonly progress?: (progress: IndexProgress) => void;
}

/** What a dataset needs from the extension. */
export interface DatasetParts {
  readonly open: ((uri: Uri) => Promise<ByteSource | undefined>) | undefined;
  /** A folder of the extension's own, for drafts. */
  readonly storage: Uri;
  readonly problems: DiagnosticCollection;
  readonly log: (message: string) => void;
}

/** Files change many at a time: they are looked at together after so many milliseconds. */
const settle = 300;
/** Findings that are shown at a file; more help nobody. */
const mostProblems = 1000;

export class OpenDataset implements Disposable {
  readonly root: Uri;
  readonly files: WorkspaceFolderFiles;
  readonly #parts: DatasetParts;
  readonly #options: Omit<OpenOptions, "signal" | "progress">;
  #index: DatasetIndex;
  readonly drafts: DraftStore;
  readonly state: WorkspaceState;
  readonly #problems = new Map<string, number>();
  #isChecked = false;
  readonly #changes = new EventEmitter<void>();
  readonly onDidChange: Event<void> = this.#changes.event;
  readonly #watcher: Disposable;
  readonly #changed = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #updating: Promise<void> = Promise.resolve();
  readonly #end = new AbortController();

  private constructor(
    root: Uri,
    files: WorkspaceFolderFiles,
    index: DatasetIndex,
    drafts: DraftStore,
    state: WorkspaceState,
    parts: DatasetParts,
    options: Omit<OpenOptions, "signal" | "progress">,
  ) {
    this.root = root;
    this.files = files;
    this.#index = index;
    this.drafts = drafts;
    this.state = state;
    this.#parts = parts;
    this.#options = options;
    this.#watcher = this.#watch();
  }

  /** Opens a folder. Rejects as `DatasetIndex.build`. */
  static async open(root: Uri, options: OpenOptions, parts: DatasetParts): Promise<OpenDataset> {
    const files = new WorkspaceFolderFiles(root, parts.open);
    const { signal, progress, ...rest } = options;
    const index = await DatasetIndex.build(files, options);
    const state = new WorkspaceState(Uri.joinPath(parts.storage, "datasets", await keyOf(root)));
    const drafts = await DraftStore.open(state, (name, reason) => parts.log(`${name}: ${reason}`));
    return new OpenDataset(root, files, index, drafts, state, parts, rest);
  }

  get name(): string {
    const { path } = this.root;
    return this.#options.file ?? path.slice(path.lastIndexOf("/") + 1);
  }

  get index(): DatasetIndex {
    return this.#index;
  }

  get isChecked(): boolean {
    return this.#isChecked;
  }

  factsOf = (path: string): ImageFacts => {
    const drafts = this.drafts.summary(path);
    const problems = this.#problems.get(path) ?? 0;
    if (drafts === undefined && problems === 0) return noFacts;
    return { drafts: drafts?.drafts ?? 0, best: drafts?.best ?? 0, problems };
  };

  uri(path: string): Uri {
    return this.files.uri(path);
  }

  image(path: string): Promise<LabelledImage | undefined> {
    return this.#index.image(path, this.#end.signal);
  }

  draftsOf(path: string): Promise<PictureDrafts | undefined> {
    return this.drafts.get(path);
  }

  /** Tells everyone that something is not as it was. */
  touch(): void {
    this.#changes.fire();
  }

  #watch(): Disposable {
    const watcher = workspace.createFileSystemWatcher(
      new RelativePattern(
        this.root,
        "**/*.{json,xml,txt,yaml,yml,png,jpg,jpeg,webp,bmp,gif,tif,tiff,avif,JPG,JPEG,PNG}",
      ),
    );
    const heard = (uri: Uri): void => {
      const prefix = `${this.root.path.replace(/\/$/, "")}/`;
      if (!uri.path.startsWith(prefix)) return;
      this.#changed.add(uri.path.slice(prefix.length));
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => void this.update(), settle);
    };
    return Disposable.from(watcher, watcher.onDidChange(heard), watcher.onDidCreate(heard), watcher.onDidDelete(heard));
  }

  /** Takes in what has changed since; resolves when the index says it. */
  update(paths: readonly string[] = []): Promise<void> {
    for (const path of paths) this.#changed.add(path);
    this.#updating = this.#updating.then(async () => {
      const changed = [...this.#changed];
      this.#changed.clear();
      this.#checking?.abort();
      const { signal } = this.#end;
      if (changed.length === 0 || signal.aborted) return;
      try {
        if (!(await this.#index.update(changed, signal))) {
          const before = this.#index;
          this.#index = await DatasetIndex.build(this.files, { ...this.#options, signal });
          before.close();
          changed.push(...this.#shown.keys()); // whose lines may be others
        }
        this.#changes.fire();
        if (this.#isChecked) void this.#checkAgain(changed);
      } catch (error) {
        if (!signal.aborted) this.#parts.log(messageOf(error));
      }
    });
    return this.#updating;
  }

  /** Checks all labels, and lists what is found among the problems. Resolves with how many there are. */
  async check(options: {
    readonly signal: AbortSignal;
    readonly progress?: (progress: IndexProgress) => void;
  }): Promise<number> {
    const findings = await this.#index.check(options);
    await this.#list(findings, options.signal);
    this.#isChecked = true;
    this.#changes.fire();
    return findings.length;
  }

  #checking: AbortController | undefined;

  /** Labels were checked, and have changed since: what is listed must not be of what they were. */
  async #checkAgain(changed: readonly string[]): Promise<void> {
    const abort = new AbortController();
    this.#checking = abort;
    const signal = AbortSignal.any([abort.signal, this.#end.signal]);
    for (const file of changed) this.#stale.add(file);
    try {
      await this.#list(await this.#index.check({ signal }), signal);
      this.#changes.fire();
    } catch (error) {
      if (!signal.aborted) this.#parts.log(messageOf(error));
    }
  }

  /** Lists findings at their files, and no others. */
  async #list(findings: readonly PlacedFinding[], signal: AbortSignal): Promise<void> {
    const byFile = new Map<string, PlacedFinding[]>();
    this.#problems.clear();
    for (const finding of findings) {
      const file =
        finding.labels === ""
          ? (this.#options.file ?? this.#index.source.units[0]?.files[0] ?? finding.file)
          : finding.labels;
      const list = byFile.get(file);
      if (list === undefined) byFile.set(file, [finding]);
      else list.push(finding);
      const path = this.#index.entry(finding.file)?.path ?? this.#pathOf(finding);
      if (path !== undefined) this.#problems.set(path, (this.#problems.get(path) ?? 0) + 1);
    }
    for (const file of [...this.#shown.keys()].filter((one) => !byFile.has(one))) {
      this.#parts.problems.delete(this.uri(file));
      this.#shown.delete(file);
    }
    for (const [file, own] of byFile) {
      signal.throwIfAborted();
      const said = JSON.stringify(own.map(({ severity, at, message, file: about }) => [severity, at, message, about]));
      if (this.#shown.get(file) === said && !this.#stale.has(file)) continue;
      this.#parts.problems.set(this.uri(file), await this.#diagnostics(file, own));
      this.#shown.set(file, said);
    }
    this.#stale.clear();
  }

  /** What is listed at which file. */
  readonly #shown = new Map<string, string>();
  /** Files whose findings may be at other lines. */
  readonly #stale = new Set<string>();

  clearProblems(): void {
    for (const file of this.#shown.keys()) this.#parts.problems.delete(this.uri(file));
    this.#shown.clear();
  }

  /** The picture that a finding in a label file is about, where the file is of one picture. */
  #pathOf({ labels, file }: PlacedFinding): string | undefined {
    const named = this.#index.entries.filter((entry) => entry.named?.labels === labels);
    return named.find((entry) => entry.named?.file === file)?.path ?? (named.length === 1 ? named[0]?.path : undefined);
  }

  async #diagnostics(file: string, findings: readonly PlacedFinding[]): Promise<readonly Diagnostic[]> {
    const { size } = await this.files.stat(file).catch(() => ({ size: 0 }));
    // VS Code does not open larger files for extensions, so that there is no line to go to.
    const bytes = size > 0 && size <= 50 * 2 ** 20 && !/\.png$/i.test(file) ? await this.files.read(file) : undefined;
    const coco = this.#index.format === "coco" && bytes !== undefined ? await this.#index.source.coco(file) : undefined;
    const made: Diagnostic[] = [];
    for (const finding of findings.slice(0, mostProblems)) {
      const [place] = coco === undefined || finding.object?.id === undefined ? [] : coco.find(finding.object.id);
      const slice = place === undefined ? undefined : coco?.slice(place);
      const { line, character, endLine, endCharacter } =
        bytes === undefined
          ? { line: 0, character: 0, endLine: 0, endCharacter: 0 }
          : slice === undefined
            ? placeOf(finding, this.#index.format, bytes)
            : textPlace(bytes, slice.start, slice.end);
      const about = finding.file === file || finding.file === "" ? "" : `${finding.file}: `;
      const diagnostic = new Diagnostic(
        new Range(line, character, endLine, endCharacter),
        `${about}${finding.at === "" ? "" : `${finding.at}: `}${finding.message}`,
        finding.severity === "error" ? DiagnosticSeverity.Error : DiagnosticSeverity.Warning,
      );
      diagnostic.source = "Masklet";
      made.push(diagnostic);
    }
    if (findings.length > mostProblems) {
      const rest = l10n.t("and {0} more findings", findings.length - mostProblems);
      made.push(new Diagnostic(new Range(0, 0, 0, 0), rest, DiagnosticSeverity.Information));
    }
    return made;
  }

  dispose(): void {
    clearTimeout(this.#timer);
    this.#end.abort();
    this.#watcher.dispose();
    this.clearProblems();
    this.#index.close();
    this.#changes.dispose();
  }
}

/** A signal that a cancel button pulls. */
export function signalOf(token: CancellationToken): AbortSignal {
  const abort = new AbortController();
  if (token.isCancellationRequested) abort.abort();
  token.onCancellationRequested(() => abort.abort());
  return abort.signal;
}

/** Folders of the same name are not the same. */
async function keyOf(root: Uri): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(root.toString()));
  return Array.from(new Uint8Array(digest, 0, 8), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
