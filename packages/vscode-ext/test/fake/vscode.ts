/**
 * A fake of VS Code's API for unit tests, held to VS Code's typings, and over real files: vitest takes it wherever
 * `vscode` is imported. What a person would do at a dialog is put into `answers` beforehand; what was shown is in `shown`.
 */
import { constants } from "node:fs";
import { access, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { matchesGlob } from "node:path";
import type * as vscode from "vscode";
import { URI, Utils } from "vscode-uri";

/** What people were told and asked, in order. */
export const shown: { readonly kind: string; readonly message: string; readonly items: readonly unknown[] }[] = [];
/** What a person chooses, one for each question: matched by name with the items; a value that is none of them is given back as it is. */
export const answers: unknown[] = [];
/** Commands that were run and are no one's here. */
export const ran: { readonly command: string; readonly args: readonly unknown[] }[] = [];
/** Settings by their whole names. */
export const settings = new Map<string, unknown>();
export const registered = {
  commands: new Map<string, (...args: never[]) => unknown>(),
  customEditors: new Map<string, vscode.CustomEditorProvider>(),
  tools: new Map<string, vscode.LanguageModelTool<unknown>>(),
  trees: new Map<string, vscode.TreeDataProvider<unknown>>(),
  watchers: [] as FakeWatcher[],
  panels: [] as FakePanel[],
  diagnostics: new Map<string, FakeDiagnostics>(),
  /** What other extensions export, by their ids. */
  exports: new Map<string, unknown>(),
};

/** Everything as it was at first. */
export function resetFake(): void {
  shown.length = 0;
  answers.length = 0;
  ran.length = 0;
  settings.clear();
  for (const map of [
    registered.commands,
    registered.customEditors,
    registered.tools,
    registered.trees,
    registered.diagnostics,
    registered.exports,
  ]) {
    map.clear();
  }
  registered.watchers.length = 0;
  registered.panels.length = 0;
  state.isTrusted = true;
  state.folders = [];
}

const state = { isTrusted: true, folders: [] as vscode.WorkspaceFolder[] };

/** The folders that are open. */
export function openFolders(...paths: readonly string[]): void {
  state.folders = paths.map((path, index) => ({ uri: Uri.file(path), name: path.split("/").at(-1) ?? path, index }));
}

export function trust(isTrusted: boolean): void {
  state.isTrusted = isTrusted;
  if (isTrusted) granted.fire();
}

// VS Code's own class, whose constructor is not for us; vscode-uri is the same code.
export const Uri: Pick<typeof vscode.Uri, "file" | "parse" | "from" | "joinPath"> = {
  file: (path) => URI.file(path) as vscode.Uri,
  parse: (value, strict) => URI.parse(value, strict) as vscode.Uri,
  from: (parts) => URI.from(parts) as vscode.Uri,
  joinPath: (base, ...parts) => Utils.joinPath(URI.from(base), ...parts) as vscode.Uri,
};

export class Disposable implements vscode.Disposable {
  readonly #done: () => unknown;
  constructor(done: () => unknown) {
    this.#done = done;
  }
  static from(...all: { dispose(): unknown }[]): Disposable {
    return new Disposable(() => {
      for (const one of all) one.dispose();
    });
  }
  dispose(): unknown {
    return this.#done();
  }
}

export class EventEmitter<T> implements vscode.EventEmitter<T> {
  readonly #listeners = new Set<(event: T) => unknown>();
  readonly event: vscode.Event<T> = (listener, self, disposables) => {
    const own = (event: T): unknown => listener.call(self, event);
    this.#listeners.add(own);
    const disposable = new Disposable(() => this.#listeners.delete(own));
    disposables?.push(disposable);
    return disposable;
  };
  fire(event: T): void {
    for (const listener of [...this.#listeners]) listener(event);
  }
  dispose(): void {
    this.#listeners.clear();
  }
}

export class CancellationTokenSource implements vscode.CancellationTokenSource {
  readonly #cancelled = new EventEmitter<void>();
  #isCancelled = false;
  readonly token: vscode.CancellationToken;
  constructor() {
    const isCancelled = (): boolean => this.#isCancelled;
    this.token = {
      get isCancellationRequested() {
        return isCancelled();
      },
      onCancellationRequested: this.#cancelled.event as vscode.Event<unknown>,
    };
  }
  cancel(): void {
    this.#isCancelled = true;
    this.#cancelled.fire();
  }
  dispose(): void {
    this.#cancelled.dispose();
  }
}

export class FileSystemError extends Error {
  readonly code: string;
  constructor(message: string, code = "Unknown") {
    super(message);
    this.code = code;
  }
  static FileNotFound(of?: string | vscode.Uri): FileSystemError {
    return new FileSystemError(String(of), "FileNotFound");
  }
  static NoPermissions(of?: string | vscode.Uri): FileSystemError {
    return new FileSystemError(String(of), "NoPermissions");
  }
}

export const FileType = { Unknown: 0, File: 1, Directory: 2, SymbolicLink: 64 } as const satisfies Record<
  keyof typeof vscode.FileType,
  number
>;
export const FilePermission = { Readonly: 1 } as const satisfies Record<keyof typeof vscode.FilePermission, number>;
export const ViewColumn = { Active: -1, Beside: -2, One: 1, Two: 2, Three: 3 } as const;
export const StatusBarAlignment = { Left: 1, Right: 2 } as const;
export const ProgressLocation = { SourceControl: 1, Window: 10, Notification: 15 } as const;
export const ConfigurationTarget = { Global: 1, Workspace: 2, WorkspaceFolder: 3 } as const;
export const UIKind = { Desktop: 1, Web: 2 } as const;
export const TreeItemCollapsibleState = { None: 0, Collapsed: 1, Expanded: 2 } as const;
export const DiagnosticSeverity = { Error: 0, Warning: 1, Information: 2, Hint: 3 } as const;
export const QuickPickItemKind = { Separator: -1, Default: 0 } as const;
export const CodeActionKind = { QuickFix: { value: "quickfix" } } as const;

export class Position {
  readonly line: number;
  readonly character: number;
  constructor(line: number, character: number) {
    this.line = line;
    this.character = character;
  }
}

export class Range {
  readonly start: Position;
  readonly end: Position;
  constructor(a: Position | number, b: Position | number, c?: number, d?: number) {
    this.start = typeof a === "number" ? new Position(a, b as number) : a;
    this.end = typeof a === "number" ? new Position(c ?? 0, d ?? 0) : (b as Position);
  }
}

export class Location {
  readonly uri: vscode.Uri;
  readonly range: Range;
  constructor(uri: vscode.Uri, range: Range) {
    this.uri = uri;
    this.range = range;
  }
}

export class Diagnostic {
  source?: string;
  code?: string | number;
  readonly range: Range;
  readonly message: string;
  readonly severity: number;
  constructor(range: Range, message: string, severity: number = DiagnosticSeverity.Error) {
    this.range = range;
    this.message = message;
    this.severity = severity;
  }
}

export class TreeItem {
  label?: string;
  resourceUri?: vscode.Uri;
  description?: string;
  contextValue?: string;
  id?: string;
  iconPath?: unknown;
  tooltip?: string;
  command?: vscode.Command;
  collapsibleState: number;
  constructor(label: string | vscode.Uri, collapsibleState: number = TreeItemCollapsibleState.None) {
    if (typeof label === "string") this.label = label;
    else this.resourceUri = label;
    this.collapsibleState = collapsibleState;
  }
}

export class ThemeIcon {
  readonly id: string;
  constructor(id: string) {
    this.id = id;
  }
}
export class ThemeColor extends ThemeIcon {}

export class RelativePattern {
  readonly baseUri: vscode.Uri;
  readonly base: string;
  readonly pattern: string;
  constructor(base: vscode.Uri | vscode.WorkspaceFolder | string, pattern: string) {
    this.baseUri = typeof base === "string" ? Uri.file(base) : "uri" in base ? base.uri : base;
    this.base = this.baseUri.fsPath;
    this.pattern = pattern;
  }
}

export class LanguageModelTextPart implements vscode.LanguageModelTextPart {
  value: string;
  constructor(value: string) {
    this.value = value;
  }
}
export class LanguageModelDataPart implements vscode.LanguageModelDataPart {
  data: Uint8Array;
  mimeType: string;
  constructor(data: Uint8Array, mimeType: string) {
    this.data = data;
    this.mimeType = mimeType;
  }
  static image(data: Uint8Array, mime: string): LanguageModelDataPart {
    return new LanguageModelDataPart(data, mime);
  }
}
export class LanguageModelToolResult implements vscode.LanguageModelToolResult {
  content: (LanguageModelTextPart | LanguageModelDataPart)[];
  constructor(content: (LanguageModelTextPart | LanguageModelDataPart)[]) {
    this.content = content;
  }
}
export class MarkdownString {
  value: string;
  constructor(value = "") {
    this.value = value;
  }
}

function located(error: unknown, uri: vscode.Uri): unknown {
  const { code } = error as { code?: string };
  if (code === "ENOENT" || code === "ENOTDIR") return FileSystemError.FileNotFound(uri);
  if (code === "EACCES" || code === "EPERM" || code === "EROFS") return FileSystemError.NoPermissions(uri);
  return error;
}

async function at<T>(uri: vscode.Uri, work: (path: string) => Promise<T>): Promise<T> {
  try {
    return await work(uri.fsPath);
  } catch (error) {
    throw located(error, uri);
  }
}

const isReadOnly = (path: string): Promise<boolean> =>
  access(path, constants.W_OK).then(
    () => false,
    () => true,
  );

const fs: vscode.FileSystem = {
  stat: (uri) =>
    at(uri, async (path) => {
      const found = await stat(path);
      return {
        type: found.isDirectory() ? FileType.Directory : FileType.File,
        ctime: found.ctimeMs,
        mtime: found.mtimeMs,
        size: found.size,
        ...((await isReadOnly(path)) || (found.mode & 0o200) === 0 ? { permissions: FilePermission.Readonly } : {}),
      };
    }),
  readFile: (uri) => at(uri, async (path) => new Uint8Array(await readFile(path))),
  writeFile: (uri, content) =>
    at(uri, async (path) => {
      const there = await stat(path).catch(() => undefined);
      if (there !== undefined && (there.mode & 0o200) === 0) throw FileSystemError.NoPermissions(uri);
      await mkdir(Utils.dirname(URI.file(path)).fsPath, { recursive: true });
      await writeFile(path, content);
    }),
  readDirectory: (uri) =>
    at(uri, async (path) =>
      (await readdir(path, { withFileTypes: true })).map((entry) => [
        entry.name,
        entry.isDirectory() ? FileType.Directory : FileType.File,
      ]),
    ),
  createDirectory: (uri) => at(uri, async (path) => void (await mkdir(path, { recursive: true }))),
  delete: (uri, options) => at(uri, (path) => rm(path, { recursive: options?.recursive ?? false })),
  rename: (from, to) => at(from, (path) => rename(path, to.fsPath)),
  copy: (from, to) => at(from, async (path) => writeFile(to.fsPath, await readFile(path))),
  isWritableFileSystem: (scheme) => (scheme === "file" ? true : undefined),
};

export class FakeWatcher implements vscode.FileSystemWatcher {
  readonly ignoreCreateEvents = false;
  readonly ignoreChangeEvents = false;
  readonly ignoreDeleteEvents = false;
  readonly created: EventEmitter<vscode.Uri> = new EventEmitter();
  readonly changed: EventEmitter<vscode.Uri> = new EventEmitter();
  readonly deleted: EventEmitter<vscode.Uri> = new EventEmitter();
  readonly onDidCreate: vscode.Event<vscode.Uri> = this.created.event;
  readonly onDidChange: vscode.Event<vscode.Uri> = this.changed.event;
  readonly onDidDelete: vscode.Event<vscode.Uri> = this.deleted.event;
  readonly pattern: vscode.GlobPattern;
  constructor(pattern: vscode.GlobPattern) {
    this.pattern = pattern;
  }
  dispose(): void {
    const index = registered.watchers.indexOf(this);
    if (index >= 0) registered.watchers.splice(index, 1);
  }
}

/** A page whose messages a test sends and reads. */
export class FakeWebview implements vscode.Webview {
  options: vscode.WebviewOptions = {};
  html = "";
  readonly cspSource = "https://*.vscode-cdn.net";
  /** What the extension has sent to the page. */
  readonly sent: unknown[] = [];
  readonly received: EventEmitter<unknown> = new EventEmitter();
  readonly onDidReceiveMessage: vscode.Event<unknown> = this.received.event;
  /** Called for each message that the extension sends; a test's page. */
  page: ((message: unknown) => void) | undefined;
  async postMessage(message: unknown): Promise<boolean> {
    const copy = structuredClone(message);
    this.sent.push(copy);
    this.page?.(copy);
    return true;
  }
  asWebviewUri(uri: vscode.Uri): vscode.Uri {
    return Uri.from({ scheme: "https", authority: "file+.vscode-resource.vscode-cdn.net", path: uri.path });
  }
}

export class FakePanel implements vscode.WebviewPanel {
  title: string;
  iconPath?: Exclude<vscode.WebviewPanel["iconPath"], undefined>;
  readonly viewType: string;
  readonly webview: FakeWebview = new FakeWebview();
  readonly options: vscode.WebviewPanelOptions = {};
  viewColumn: vscode.ViewColumn = ViewColumn.One;
  active = true;
  visible = true;
  readonly disposed: EventEmitter<void> = new EventEmitter();
  readonly viewChanged: EventEmitter<vscode.WebviewPanelOnDidChangeViewStateEvent> = new EventEmitter();
  readonly onDidDispose: vscode.Event<void> = this.disposed.event;
  readonly onDidChangeViewState: vscode.Event<vscode.WebviewPanelOnDidChangeViewStateEvent> = this.viewChanged.event;
  constructor(viewType: string, title: string) {
    this.viewType = viewType;
    this.title = title;
  }
  reveal(): void {
    this.setState(true, true);
  }
  setState(active: boolean, visible: boolean): void {
    this.active = active;
    this.visible = visible;
    this.viewChanged.fire({ webviewPanel: this });
  }
  dispose(): void {
    this.disposed.fire();
  }
}

class FakeStatusBarItem implements vscode.StatusBarItem {
  readonly id = "";
  readonly alignment: vscode.StatusBarAlignment = StatusBarAlignment.Right;
  readonly priority = 0;
  name: string | undefined;
  text = "";
  tooltip: string | undefined;
  color: string | undefined;
  backgroundColor: vscode.ThemeColor | undefined;
  command: string | undefined;
  accessibilityInformation: undefined;
  visible = false;
  show(): void {
    this.visible = true;
  }
  hide(): void {
    this.visible = false;
  }
  dispose(): void {
    this.visible = false;
  }
}

function answer(items: readonly unknown[]): unknown {
  const next = answers.shift();
  const nameOf = (item: unknown): unknown =>
    typeof item === "object" && item !== null
      ? "label" in item
        ? item.label
        : "title" in item
          ? item.title
          : item
      : item;
  return items.find((item) => nameOf(item) === next) ?? next;
}

function message(kind: string) {
  return async (text: string, ...rest: readonly unknown[]): Promise<never> => {
    const items = rest.filter(
      (one) => typeof one === "string" || (typeof one === "object" && one !== null && "title" in one),
    );
    shown.push({ kind, message: text, items });
    return (items.length === 0 ? undefined : answer(items)) as never;
  };
}

const folderChanges = new EventEmitter<vscode.WorkspaceFoldersChangeEvent>();
const settingChanges = new EventEmitter<vscode.ConfigurationChangeEvent>();
const fileRenames = new EventEmitter<vscode.FileRenameEvent>();
const granted = new EventEmitter<void>();
const nothing = (): Disposable => new Disposable(() => undefined);

/** Changes a setting as a person would. */
export function configure(name: string, value: unknown): void {
  settings.set(name, value);
  settingChanges.fire({ affectsConfiguration: (section) => name === section || name.startsWith(`${section}.`) });
}

async function walk(folder: vscode.Uri, found: vscode.Uri[]): Promise<void> {
  for (const [name, type] of await fs.readDirectory(folder)) {
    const uri = Uri.joinPath(folder, name);
    if (type === FileType.Directory) await walk(uri, found);
    else found.push(uri);
  }
}

export const workspace = {
  fs,
  get isTrusted(): boolean {
    return state.isTrusted;
  },
  get workspaceFolders(): readonly vscode.WorkspaceFolder[] {
    return state.folders;
  },
  onDidGrantWorkspaceTrust: granted.event,
  onDidChangeWorkspaceFolders: folderChanges.event,
  onDidChangeConfiguration: settingChanges.event,
  onDidRenameFiles: fileRenames.event,
  getWorkspaceFolder: (uri: vscode.Uri): vscode.WorkspaceFolder | undefined =>
    state.folders.find((folder) => `${uri.path}/`.startsWith(`${folder.uri.path}/`)),
  asRelativePath: (path: vscode.Uri | string): string => {
    const whole = typeof path === "string" ? path : path.fsPath;
    const folder = state.folders.find(({ uri }) => whole.startsWith(`${uri.fsPath}/`));
    return folder === undefined ? whole : whole.slice(folder.uri.fsPath.length + 1);
  },
  findFiles: async (
    include: vscode.GlobPattern,
    exclude?: vscode.GlobPattern | null,
    most = Number.MAX_SAFE_INTEGER,
  ): Promise<vscode.Uri[]> => {
    const folders = typeof include === "string" ? state.folders.map(({ uri }) => uri) : [include.baseUri];
    const pattern = typeof include === "string" ? include : include.pattern;
    const found: vscode.Uri[] = [];
    for (const folder of folders) {
      const all: vscode.Uri[] = [];
      await walk(folder, all);
      const relative = (uri: vscode.Uri): string => uri.path.slice(folder.path.length + 1);
      found.push(
        ...all.filter(
          (uri) =>
            matchesGlob(relative(uri), pattern) &&
            !(typeof exclude === "string" && matchesGlob(relative(uri), exclude)),
        ),
      );
    }
    return found.slice(0, most);
  },
  createFileSystemWatcher: (pattern: vscode.GlobPattern): vscode.FileSystemWatcher => {
    const watcher = new FakeWatcher(pattern);
    registered.watchers.push(watcher);
    return watcher;
  },
  getConfiguration: (section = ""): Pick<vscode.WorkspaceConfiguration, "get" | "update" | "has" | "inspect"> => {
    const nameOf = (key: string): string => (section === "" ? key : `${section}.${key}`);
    return {
      get: <T>(key: string, otherwise?: T): T => (settings.get(nameOf(key)) ?? otherwise) as T,
      has: (key) => settings.has(nameOf(key)),
      inspect: (key) => ({ key }),
      update: async (key, value) => configure(nameOf(key), value),
    };
  },
} satisfies Partial<Omit<typeof vscode.workspace, "getConfiguration" | "findFiles">> & Record<string, unknown>;

export const window = {
  showInformationMessage: message("information"),
  showWarningMessage: message("warning"),
  showErrorMessage: message("error"),
  showQuickPick: async (given: unknown): Promise<never> => {
    const items = [...((await given) as readonly unknown[])];
    shown.push({ kind: "pick", message: "", items });
    return answer(items) as never;
  },
  showInputBox: async (options?: vscode.InputBoxOptions): Promise<string | undefined> => {
    shown.push({ kind: "input", message: options?.prompt ?? "", items: [] });
    return answers.shift() as string | undefined;
  },
  showOpenDialog: async (): Promise<vscode.Uri[] | undefined> => answers.shift() as vscode.Uri[] | undefined,
  createStatusBarItem: (): vscode.StatusBarItem => new FakeStatusBarItem(),
  createOutputChannel: (name: string): vscode.LogOutputChannel => {
    const log = (level: string) => (text: unknown) =>
      void shown.push({ kind: level, message: String(text), items: [] });
    return {
      name,
      logLevel: 2,
      onDidChangeLogLevel: new EventEmitter<vscode.LogLevel>().event,
      trace: log("log"),
      debug: log("log"),
      info: log("log"),
      warn: log("log"),
      error: log("log"),
      append: log("log"),
      appendLine: log("log"),
      replace: log("log"),
      clear: () => undefined,
      show: () => undefined,
      hide: () => undefined,
      dispose: () => undefined,
    };
  },
  createWebviewPanel: (viewType: string, title: string): vscode.WebviewPanel => {
    const panel = new FakePanel(viewType, title);
    registered.panels.push(panel);
    return panel;
  },
  registerCustomEditorProvider: (viewType: string, provider: vscode.CustomEditorProvider): vscode.Disposable => {
    registered.customEditors.set(viewType, provider);
    return new Disposable(() => registered.customEditors.delete(viewType));
  },
  registerTreeDataProvider: (id: string, provider: vscode.TreeDataProvider<unknown>): vscode.Disposable => {
    registered.trees.set(id, provider);
    return new Disposable(() => registered.trees.delete(id));
  },
  registerWebviewPanelSerializer: nothing,
  withProgress: async <T>(
    _options: vscode.ProgressOptions,
    task: (
      progress: vscode.Progress<{ message?: string; increment?: number }>,
      token: vscode.CancellationToken,
    ) => Thenable<T>,
  ): Promise<T> => task({ report: () => undefined }, new CancellationTokenSource().token),
};

export const commands = {
  registerCommand: (command: string, run: (...args: never[]) => unknown): vscode.Disposable => {
    registered.commands.set(command, run);
    return new Disposable(() => registered.commands.delete(command));
  },
  executeCommand: async (command: string, ...args: unknown[]): Promise<never> => {
    const own = registered.commands.get(command);
    if (own !== undefined) return (await own(...(args as never[]))) as never;
    ran.push({ command, args });
    return undefined as never;
  },
};

export class FakeDiagnostics {
  readonly entries: Map<string, readonly Diagnostic[]> = new Map();
  set(uri: vscode.Uri, diagnostics: readonly Diagnostic[] | undefined): void {
    if (diagnostics === undefined) this.entries.delete(uri.toString());
    else this.entries.set(uri.toString(), diagnostics);
  }
  get(uri: vscode.Uri): readonly Diagnostic[] | undefined {
    return this.entries.get(uri.toString());
  }
  delete(uri: vscode.Uri): void {
    this.entries.delete(uri.toString());
  }
  clear(): void {
    this.entries.clear();
  }
  dispose(): void {
    this.clear();
  }
}

export const languages = {
  createDiagnosticCollection: (name: string): FakeDiagnostics => {
    const collection = new FakeDiagnostics();
    registered.diagnostics.set(name, collection);
    return collection;
  },
  registerCodeActionsProvider: nothing,
};

export const lm = {
  registerTool: <T>(name: string, tool: vscode.LanguageModelTool<T>): vscode.Disposable => {
    registered.tools.set(name, tool as vscode.LanguageModelTool<unknown>);
    return new Disposable(() => registered.tools.delete(name));
  },
};

export const l10n = {
  bundle: undefined as Record<string, string> | undefined,
  t: (text: string, ...values: readonly unknown[]): string => {
    const [first] = values;
    const named = typeof first === "object" && first !== null ? (first as Record<string, unknown>) : values;
    return text.replace(/\{(\w+)\}/g, (whole, key: string) => String((named as Record<string, unknown>)[key] ?? whole));
  },
};

export const extensions = {
  getExtension: (id: string): Pick<vscode.Extension<unknown>, "activate"> | undefined =>
    registered.exports.has(id) ? { activate: async () => registered.exports.get(id) } : undefined,
};

export const env = { uiKind: UIKind.Desktop, language: "en", remoteName: undefined, appName: "Fake" };

class Memento implements vscode.Memento {
  readonly #values = new Map<string, unknown>();
  keys(): readonly string[] {
    return [...this.#values.keys()];
  }
  get<T>(key: string, otherwise?: T): T {
    return (this.#values.get(key) ?? otherwise) as T;
  }
  async update(key: string, value: unknown): Promise<void> {
    this.#values.set(key, value);
  }
  setKeysForSync(): void {}
}

/** What `activate` is given: `extension` is the folder with the extension's files, `storage` one of its own. */
export function fakeContext(extension: string, storage: string): vscode.ExtensionContext {
  const context: Pick<
    vscode.ExtensionContext,
    | "subscriptions"
    | "extensionUri"
    | "extensionPath"
    | "globalState"
    | "workspaceState"
    | "globalStorageUri"
    | "storageUri"
    | "asAbsolutePath"
  > = {
    subscriptions: [],
    extensionUri: Uri.file(extension),
    extensionPath: extension,
    globalState: new Memento(),
    workspaceState: new Memento(),
    globalStorageUri: Uri.file(`${storage}/global`),
    storageUri: Uri.file(`${storage}/workspace`),
    asAbsolutePath: (path) => `${extension}/${path}`,
  };
  return context as vscode.ExtensionContext; // what else there is, nothing here uses
}
