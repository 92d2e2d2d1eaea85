/**
 * A video that is open, with its objects: the model of truth behind every view of it. Views make steps and show them; here they
 * are taken, given to VS Code's undo, and written to a file beside the video. The video itself is never written.
 */
import {
  EditorError,
  invertVideoStep,
  type VideoEditorDocument,
  VideoEditorSession,
  type VideoSize,
  type VideoStep,
} from "@masklet/editor";
import { type CustomDocument, type Event, EventEmitter, l10n, Uri, workspace } from "vscode";
import { ExtensionError, messageOf } from "../errors.ts";
import { nameOf, readIfThere } from "../labels/find.ts";
import { classesOf } from "../protocol.ts";
import { alone, type FileWriter, sameBytes } from "../storage.ts";
import { frameNames, isFolder } from "./frames.ts";
import { labelsUri, readVideoLabels, writeVideoLabels } from "./labels-file.ts";

export interface VideoDocumentOptions {
  readonly files: FileWriter;
  /** Whose objects stay, where the file was changed by somebody else; `undefined`: nobody has decided. */
  readonly conflict: (file: string) => Promise<"mine" | "theirs" | undefined>;
  /** Where unsaved work is kept besides VS Code's own backup. */
  readonly storage: Uri;
}

export type VideoDocumentEvent =
  /** A step that pages have not made themselves; `from` has. */
  | { readonly type: "step"; readonly step: VideoStep; readonly from: unknown }
  /** Everything may be another now. */
  | { readonly type: "reset" }
  | { readonly type: "trouble"; readonly message: string };

export class VideoDocument implements CustomDocument {
  readonly uri: Uri;
  /** The file of its objects. */
  readonly labels: Uri;
  /** The files' names in the order of the frames; `undefined` for a video in one file. */
  readonly names: readonly string[] | undefined;
  readonly #options: VideoDocumentOptions;
  readonly #events = new EventEmitter<VideoDocumentEvent>();
  readonly onDidChange: Event<VideoDocumentEvent> = this.#events.event;
  readonly #closed = new EventEmitter<void>();
  readonly onDidDispose: Event<void> = this.#closed.event;
  /** What the page has opened; `undefined` before. */
  #size: VideoSize | undefined;
  #rate: number | undefined;
  #session: VideoEditorSession | undefined;
  /** The file as it was read or written last; `undefined` where there was none. */
  #lastSeen: Uint8Array | undefined;
  /** What it holds. */
  #saved: VideoEditorDocument | undefined;
  /** Why the file cannot be read. */
  #unread: string | undefined;
  #readOnly: string | undefined;
  #isForgotten = false;
  /** How often what was not saved has been saved or given up. */
  #forgotten = 0;

  private constructor(uri: Uri, names: readonly string[] | undefined, options: VideoDocumentOptions) {
    this.uri = uri;
    this.labels = labelsUri(uri);
    this.names = names;
    this.#options = options;
  }

  /**
   * Opens a video file, or a folder of frames, and what objects it has; with a backup, as it was when that was made. Rejects
   * as `frameNames`, and with an `ExtensionError` "message-malformed" for a backup that cannot be read.
   */
  static async open(uri: Uri, options: VideoDocumentOptions, backup?: Uri): Promise<VideoDocument> {
    const document = new VideoDocument(uri, (await isFolder(uri)) ? await frameNames(uri) : undefined, options);
    await document.#readFile();
    // Ours is as new as any: VS Code may name one that was replaced since.
    const unsaved = await document.#unsaved();
    const own = await readIfThere(unsaved);
    const kept = own ?? (backup === undefined ? undefined : await readIfThere(backup));
    if (kept !== undefined)
      document.#begin(readVideoLabels(kept, (own === undefined ? backup : unsaved)?.fsPath ?? ""));
    document.#isForgotten = own !== undefined && backup === undefined;
    await document.#check();
    return document;
  }

  /** Whether it was opened with unsaved work that VS Code does not know of, and has to be told of; true once. */
  takeForgotten(): boolean {
    const isForgotten = this.#isForgotten;
    this.#isForgotten = false;
    return isForgotten;
  }

  /** `undefined` until the page has opened the video, and where the objects are of another one. */
  get document(): VideoEditorDocument | undefined {
    return this.#size === undefined || this.#misfit() !== undefined ? undefined : this.#session?.document;
  }

  /** Frames per second, where the video says it. */
  get rate(): number | undefined {
    return this.#rate;
  }

  /** Why nothing can be changed. */
  get readOnly(): string | undefined {
    return this.#misfit() ?? this.#readOnly;
  }

  /** The page has opened the video. */
  opened(size: VideoSize, rate: number | undefined): void {
    this.#size = size;
    this.#rate = rate;
    if (this.#session === undefined) this.#saved = this.#begin(undefined);
  }

  /** What is wrong with objects of another video. */
  #misfit(): string | undefined {
    const [video, labels] = [this.#size, this.#session?.document];
    if (video === undefined || labels === undefined) return undefined;
    if (video.width === labels.width && video.height === labels.height && video.count === labels.count)
      return undefined;
    const of = ({ width, height, count }: VideoSize): string => l10n.t("{0}x{1}, {2} frames", width, height, count);
    return l10n.t("{0} is of another video: {1}; this one has {2}.", nameOf(this.labels), of(labels), of(video));
  }

  /** Shows a document, or an empty one once the video's size is known. */
  #begin(document: VideoEditorDocument | undefined): VideoEditorDocument | undefined {
    const from = document ?? this.#size;
    this.#session = from && new VideoEditorSession(from, { historyLimit: 0 });
    return this.#session?.document;
  }

  /** Reads the file anew, and shows what it has. */
  async #readFile(): Promise<void> {
    this.#lastSeen = await readIfThere(this.labels);
    this.#unread = undefined;
    let document: VideoEditorDocument | undefined;
    try {
      document = this.#lastSeen && readVideoLabels(this.#lastSeen, nameOf(this.labels));
    } catch (error) {
      this.#unread = messageOf(error); // and is not written over
    }
    this.#saved = this.#begin(document);
  }

  async #check(): Promise<void> {
    this.#readOnly = this.#unread;
    if (!workspace.isTrusted) {
      this.#readOnly ??= l10n.t("This workspace is not trusted: labels are shown, and not changed.");
    }
    if (!(await this.#options.files.isWritable(this.labels))) {
      this.#readOnly ??= l10n.t("{0} is read-only.", nameOf(this.labels));
    }
  }

  /** The workspace is trusted from now on. */
  async trusted(): Promise<void> {
    await this.#check();
    this.#events.fire({ type: "reset" });
  }

  /** Takes a step that a page has made. Throws an `EditorError` where it does not fit, and an `ExtensionError` where nothing may change. */
  take(step: VideoStep, from: unknown): void {
    this.#writable().take(step);
    this.#events.fire({ type: "step", step, from });
  }

  /** For VS Code's undo and redo of a step. What no longer fits is said, and changes nothing. */
  apply(step: VideoStep): void {
    try {
      this.take(step, undefined);
    } catch (error) {
      if (!(error instanceof EditorError)) throw error;
      this.#trouble(
        l10n.t("That cannot be undone or redone: the labels were changed elsewhere since ({0}).", error.message),
      );
    }
  }

  undoOf(step: VideoStep): () => void {
    return () => this.apply(invertVideoStep(step));
  }

  /** A class that objects may have from now on; the step is a person's, and is undone as others are. */
  addClass(name: string): VideoStep | undefined {
    const session = this.#writable();
    const { classes } = session.document;
    if (classes.some((one) => one.name === name)) return undefined;
    let made: VideoStep | undefined;
    const stop = session.subscribe((event) => {
      if (event.type === "step") made = { ...event.step, frame: null }; // classes are of no frame
    });
    session.frameEditor.setClasses([...classes, ...classesOf([name], new Map())]);
    stop();
    if (made !== undefined) this.#events.fire({ type: "step", step: made, from: undefined });
    return made;
  }

  /**
   * Writes the objects beside the video, where they are not there already. Rejects with an `ExtensionError`:
   * "labels-read-only"; "labels-conflict" where somebody else has changed the file and nobody has decided. Nothing is written
   * then.
   */
  async save(): Promise<void> {
    if (this.readOnly !== undefined) throw new ExtensionError("labels-read-only", this.readOnly);
    const written = await alone(this.labels, () => this.#write());
    // What was done meanwhile is not saved.
    if (this.#session?.document === written) await this.#forgetUnsaved();
  }

  /** -> the document that the file has now */
  async #write(): Promise<VideoEditorDocument | undefined> {
    const there = await readIfThere(this.labels);
    if (!sameBytes(there, this.#lastSeen)) {
      const choice = await this.#options.conflict(nameOf(this.labels));
      if (choice === undefined) {
        const message = l10n.t("Not saved: {0} was changed by somebody else.", nameOf(this.labels));
        throw new ExtensionError("labels-conflict", message, { details: { file: this.labels.path } });
      }
      if (choice === "theirs") {
        await this.#reload();
        return this.#session?.document;
      }
    }
    const document = this.#session?.document;
    const bytes = this.#bytes();
    if (bytes === undefined || (document === this.#saved && sameBytes(there, this.#lastSeen))) return document;
    if (!sameBytes(bytes, there)) await this.#options.files.write(this.labels, bytes);
    this.#lastSeen = bytes;
    this.#saved = document;
    return document;
  }

  #bytes(): Uint8Array | undefined {
    const document = this.#session?.document;
    return document && writeVideoLabels(document, nameOf(this.uri));
  }

  async #reload(): Promise<void> {
    await this.#readFile();
    await this.#check();
    this.#events.fire({ type: "reset" });
  }

  /** Forgets everything that is not in the file. */
  async revert(): Promise<void> {
    await this.#reload();
    await this.#forgetUnsaved();
  }

  /**
   * Writes everything that is not in the file to where VS Code keeps it over a reload, and to a place of our own: in a browser
   * VS Code writes down where its backups are once a minute, and a window that is reloaded before opens without them.
   */
  async backup(destination: Uri): Promise<void> {
    const bytes = this.#bytes();
    if (bytes === undefined) return;
    const unsaved = await this.#unsaved();
    const forgotten = this.#forgotten;
    await writeInto(destination, bytes);
    await alone(unsaved, async () => {
      // A copy of what was saved or given up meanwhile would come back.
      if (this.#forgotten === forgotten) await writeInto(unsaved, bytes);
    });
  }

  async #forgetUnsaved(): Promise<void> {
    this.#forgotten++;
    const unsaved = await this.#unsaved();
    await alone(unsaved, async () => {
      if ((await readIfThere(unsaved)) !== undefined) await workspace.fs.delete(unsaved);
    });
  }

  /** The file may have changed. What is not saved stays, and saving asks. */
  async changed(): Promise<void> {
    await alone(this.labels, async () => {
      const there = await readIfThere(this.labels);
      if (sameBytes(there, this.#lastSeen)) return; // our own writing, or none
      const isSaved = this.#session?.document === this.#saved || sameBytes(this.#bytes(), this.#lastSeen);
      if (isSaved) await this.#reload();
      else
        this.#trouble(
          l10n.t("{0} was changed here and elsewhere. Saving will ask whose to keep.", nameOf(this.labels)),
        );
    });
  }

  async #unsaved(): Promise<Uri> {
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(this.uri.toString()));
    const name = Array.from(new Uint8Array(digest, 0, 16), (byte) => byte.toString(16).padStart(2, "0")).join("");
    return Uri.joinPath(this.#options.storage, `${name}.unsaved.json`);
  }

  #writable(): VideoEditorSession {
    if (this.readOnly !== undefined) throw new ExtensionError("labels-read-only", this.readOnly);
    if (this.#session !== undefined) return this.#session;
    throw new ExtensionError("labels-read-only", l10n.t("The video is not open yet."));
  }

  #trouble(message: string): void {
    this.#events.fire({ type: "trouble", message });
  }

  /** What is not saved is given up: VS Code asks before. A window that goes away disposes of nothing. */
  dispose(): void {
    this.#forgetUnsaved().catch(() => {}); // it would come back once
    this.#closed.fire();
    this.#events.dispose();
    this.#closed.dispose();
  }
}

async function writeInto(file: Uri, bytes: Uint8Array): Promise<void> {
  await workspace.fs.createDirectory(Uri.joinPath(file, ".."));
  await workspace.fs.writeFile(file, bytes);
}
