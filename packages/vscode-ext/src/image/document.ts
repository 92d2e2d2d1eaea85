/**
 * A picture that is open, with its labels: the model of truth behind every view of it. Views make steps and show them; here they
 * are taken, given to VS Code's undo, written to the label file, and held against what others do to that file.
 */
import type { Size } from "@masklet/core";
import { type EditorDocument, EditorError, EditorSession, invertStep, type Step } from "@masklet/editor";
import type { ObjectEdits } from "@masklet/labels";
import { type CustomDocument, type Event, EventEmitter, l10n, type Uri, workspace } from "vscode";
import { ExtensionError, messageOf } from "../errors.ts";
import { type FoundLabels, findLabelsOf, folderOf, load, nameOf, pathOf } from "../labels/find.ts";
import {
  editable,
  editPicture,
  freeClasses,
  type PictureFacts,
  type PictureLabels,
  readPicture,
} from "../labels/formats.ts";
import { conflicts, type Links, match, plan, relink, type SeenObject, seen } from "../labels/link.ts";
import { classesOf } from "../protocol.ts";
import { alone, type FileWriter, sameBytes } from "../storage.ts";
import { foundOf, Keep, type Kept, readKept } from "./kept.ts";
import { type PictureFile, readPictureFile } from "./picture-file.ts";
import { recorded, sessionOf, type Taken, takeOver, takeOverWithout } from "./take-over.ts";

/** What the document asks of whoever is at the keyboard. */
export interface Asker {
  /** Where labels of a picture without any go; `undefined`: not now. */
  format(picture: Uri): Promise<FoundLabels | undefined>;
  /** The class of objects that have none, for a format that needs one. */
  className(names: readonly string[], count: number, isFree: boolean): Promise<string | undefined>;
  /** Objects that were changed here and in the file. */
  conflict(count: number, file: string): Promise<"mine" | "theirs" | undefined>;
}

export interface DocumentOptions {
  readonly files: FileWriter;
  readonly ask: Asker;
  /** Where drafts that are not written to label files are kept. */
  readonly drafts: Uri | undefined;
}

export type DocumentEvent =
  /** A step that pages have not made themselves; `from` has. */
  | { readonly type: "step"; readonly step: Step; readonly from: unknown }
  /** Everything may be another now. */
  | { readonly type: "reset" }
  | { readonly type: "state" }
  /** The picture's own file has changed. */
  | { readonly type: "picture" }
  | { readonly type: "trouble"; readonly message: string };

export class ImageDocument implements CustomDocument {
  readonly uri: Uri;
  readonly #options: DocumentOptions;
  readonly #events = new EventEmitter<DocumentEvent>();
  readonly onDidChange: Event<DocumentEvent> = this.#events.event;
  readonly #closed = new EventEmitter<void>();
  readonly onDidDispose: Event<void> = this.#closed.event;
  #facts: PictureFacts | undefined;
  #picture: PictureFile = { bytes: 0, version: "", missing: undefined, facts: undefined };
  #session: EditorSession | undefined;
  #links: Links = new Map();
  #found: FoundLabels | undefined;
  #others: readonly FoundLabels[] = [];
  #notes: readonly string[] = [];
  #readOnly: string | undefined;
  #lastSeen: Uint8Array | undefined;
  readonly #keep: Keep;
  readonly #backup: Uri | undefined;

  private constructor(uri: Uri, options: DocumentOptions, keep: Keep, backup: Uri | undefined) {
    this.uri = uri;
    this.#options = options;
    this.#keep = keep;
    this.#backup = backup;
  }

  /** Opens a picture and what labels it has; with a backup, as it was when that was made. */
  static async open(uri: Uri, options: DocumentOptions, backup?: Uri): Promise<ImageDocument> {
    // Ours is as new as any: VS Code may name one that was replaced since.
    const keep = new Keep(uri, options.drafts);
    const unsaved = await keep.unsaved();
    const from = unsaved ?? backup;
    const document = new ImageDocument(uri, options, keep, from);
    document.#isForgotten = unsaved !== undefined && backup === undefined;
    await document.#readPicture();
    if (document.#facts !== undefined) await document.#begin(from);
    return document;
  }

  #isForgotten = false;

  /** Whether it was opened with unsaved work that VS Code does not know of, and has to be told of; true once. */
  takeForgotten(): boolean {
    const isForgotten = this.#isForgotten && this.#readOnly === undefined;
    if (isForgotten) this.#isForgotten = false;
    return isForgotten;
  }

  /** The page says what size the picture has, where its header was not understood here. */
  async decoded(size: Size): Promise<void> {
    const { width, height } = this.#facts?.size ?? size;
    if (this.#facts !== undefined) {
      if (width !== size.width || height !== size.height) {
        this.#trouble(
          l10n.t(
            "The picture is {0}x{1}, and its header says {2}x{3}: labels are not shown.",
            size.width,
            size.height,
            width,
            height,
          ),
        );
      }
      return;
    }
    this.#facts = { size, stored: size, orientation: 1, path: pathOf(this.uri) };
    await this.#begin(this.#backup);
    this.#events.fire({ type: "reset" });
  }

  /** `undefined` until the picture's size is known. */
  get document(): EditorDocument | undefined {
    return this.#session?.document;
  }

  /** Why the picture cannot be shown: its bytes are not here. */
  get missing(): string | undefined {
    return this.#picture.missing;
  }

  get bytes(): number {
    return this.#picture.bytes;
  }

  /** Names the picture and its version. */
  get key(): string {
    return `${this.uri.toString()}@${this.#picture.version}`;
  }

  /** Why labels cannot be edited. */
  get readOnly(): string | undefined {
    return this.#readOnly;
  }

  get labels(): FoundLabels | undefined {
    return this.#found;
  }

  /** Labels of the same picture elsewhere. */
  get otherLabels(): readonly FoundLabels[] {
    return this.#others;
  }

  get notes(): readonly string[] {
    return this.#notes;
  }

  /** Classes that the labels have. */
  get classes(): readonly string[] {
    return this.#session?.document.classes.map(({ name }) => name) ?? [];
  }

  /** Whether objects are there that no file holds. */
  get hasDrafts(): boolean {
    return this.document?.objects.some(({ id, state }) => state === "draft" && !this.#links.has(id)) ?? false;
  }

  async #readPicture(): Promise<void> {
    this.#picture = await readPictureFile(this.uri);
    this.#facts = this.#picture.facts ?? this.#facts;
  }

  async #begin(backup: Uri | undefined): Promise<void> {
    const facts = this.#facts as PictureFacts;
    const kept = backup === undefined ? await this.#keep.drafts() : await readKept(backup);
    const root = workspace.getWorkspaceFolder(this.uri)?.uri;
    const found = await findLabelsOf(this.uri, facts, root);
    const named = kept?.labels?.uri;
    this.#found = found.find(({ uri }) => uri.toString() === named) ?? found[0] ?? foundOf(kept);
    this.#others = found.filter((one) => one !== this.#found);
    await this.#load(kept);
  }

  /** Reads the labels anew; objects that were `kept` are taken from there. */
  async #load(kept: Kept | undefined): Promise<void> {
    const facts = this.#facts as PictureFacts;
    let labels: PictureLabels | undefined;
    this.#notes = [];
    this.#readOnly = undefined;
    if (this.#found !== undefined) {
      try {
        const loaded = await load(this.#found);
        this.#lastSeen = loaded.bytes;
        labels = await readPicture(loaded, facts);
      } catch (error) {
        this.#readOnly = messageOf(error);
        this.#notes = [messageOf(error)];
      }
    }
    this.#notes = [...this.#notes, ...(labels?.notes ?? [])];
    if (kept === undefined || !isOfSize(kept.document, facts.size)) {
      const { session, links } = sessionOf(labels, facts.size);
      this.#session = session;
      this.#links = links;
    } else {
      this.#session = new EditorSession(kept.document, { historyLimit: 0 });
      this.#links = new Map(kept.links);
      if (labels !== undefined)
        this.#took(takeOver(this.#need(), this.#links, seen(labels.objects, facts.size), "mine"));
    }
    this.#readOnly ??= await this.#whyReadOnly();
  }

  async #whyReadOnly(): Promise<string | undefined> {
    if (!workspace.isTrusted) return l10n.t("This workspace is not trusted: labels are shown, and not changed.");
    const found = this.#found;
    if (found !== undefined && !editable.has(found.format)) {
      return l10n.t("Labels of the format {0} are shown, and not changed.", found.format);
    }
    const target = found?.uri ?? folderOf(this.uri);
    if (!(await this.#options.files.isWritable(target))) return l10n.t("{0} is read-only.", nameOf(target));
    return undefined;
  }

  /** The workspace is trusted from now on: nothing was changed here before, so that all is read again, also the backup. */
  async trusted(): Promise<void> {
    if (this.#facts === undefined) return;
    await this.#begin(this.#backup);
    this.#events.fire({ type: "reset" });
  }

  /** Takes a step that a page has made. Throws an `EditorError` where it does not fit, and an `ExtensionError` where nothing may change. */
  take(step: Step, from: unknown): void {
    if (this.#readOnly !== undefined) throw new ExtensionError("labels-read-only", this.#readOnly);
    this.#need().take(step);
    this.#events.fire({ type: "step", step, from });
  }

  /** For VS Code's undo and redo of a step. What no longer fits is said, and changes nothing. */
  apply(step: Step): void {
    try {
      this.#need().take(step);
      this.#events.fire({ type: "step", step, from: undefined });
    } catch (error) {
      if (!(error instanceof EditorError)) throw error;
      this.#trouble(
        l10n.t("That cannot be undone or redone: the labels were changed elsewhere since ({0}).", error.message),
      );
    }
  }

  undoOf(step: Step): () => void {
    return () => this.apply(invertStep(step));
  }

  /** A class that objects may have from now on; the step is a person's, and is undone as others are. */
  addClass(name: string): Step | undefined {
    const session = this.#need();
    if (this.classes.includes(name)) return undefined;
    if (this.#found !== undefined && !freeClasses.has(this.#found.format)) {
      throw new ExtensionError(
        "labels-read-only",
        l10n.t(
          "{0} lists its classes, and {1} is none of them: add it there first.",
          nameOf(this.#found.others[0] ?? this.#found.uri),
          name,
        ),
      );
    }
    const step = session.setClasses([...session.document.classes, ...classesOf([name], new Map())]);
    if (step !== undefined) this.#events.fire({ type: "step", step, from: undefined });
    return step;
  }

  /** Shows other labels of the same picture. What was not saved is given up. */
  async choose(found: FoundLabels): Promise<void> {
    this.#others = [...this.#others, ...(this.#found === undefined ? [] : [this.#found])].filter(
      (one) => one !== found,
    );
    this.#found = found;
    await this.#load(undefined);
    this.#events.fire({ type: "reset" });
  }

  /**
   * Writes what was accepted into the label file, and nothing else; drafts stay here. Without labels a person is asked for
   * their format first. Rejects with an `ExtensionError`: "labels-read-only", "no-class", "labels-conflict" where nobody has
   * decided; and as the labels' package. Nothing is written then.
   */
  async save(): Promise<void> {
    const facts = this.#facts;
    const session = this.#session;
    if (facts === undefined || session === undefined) return;
    if (this.#readOnly !== undefined) throw new ExtensionError("labels-read-only", this.#readOnly);
    if (this.#found === undefined) {
      if (!session.document.objects.some(({ state }) => state === "accepted")) {
        await this.#writeDrafts();
        await this.#keep.forgetUnsaved();
        return;
      }
      const chosen = await this.#options.ask.format(this.uri);
      if (chosen === undefined)
        throw new ExtensionError("labels-read-only", l10n.t("Not saved: no format was chosen for the labels."));
      this.#found = chosen;
    }
    const found = this.#found;
    const written = await alone(found.uri, () => this.#write(found, facts));
    await this.#writeDrafts();
    // What was done meanwhile is not saved.
    if (this.document === written) await this.#keep.forgetUnsaved();
    this.#events.fire({ type: "state" });
  }

  /** -> the document that the file has now */
  async #write(found: FoundLabels, facts: PictureFacts): Promise<EditorDocument> {
    const { size } = facts;
    const loaded = await load(found);
    const now = await readPicture(loaded, facts);
    if (now === undefined)
      throw new ExtensionError("labels-read-only", l10n.t("{0} says nothing of this picture.", nameOf(found.uri)));
    const objects = seen(now.objects, size);
    await this.#resolve(objects, nameOf(found.uri));
    await this.#nameAll(
      found,
      now.categories.map(({ name }) => name),
    );
    const { document } = this.#need();
    const { edits } = plan(document, this.#links, match(this.#links, objects, size), now.objects);
    const bytes = await editPicture(loaded, facts, edits);
    if (!hasEdits(edits) && loaded.bytes !== undefined) {
      this.#lastSeen = loaded.bytes;
      return document; // the file's time stays too
    }
    if (!hasEdits(edits) && document.objects.length === 0 && loaded.bytes === undefined) return document;
    this.#lastSeen = bytes;
    await this.#options.files.write(found.uri, bytes);
    const after = await readPicture({ ...loaded, bytes }, facts);
    this.#links = relink(document, this.#links, seen(after?.objects ?? [], size), size);
    return document;
  }

  /** Takes over what others changed in the file; where both changed the same object, a person decides. */
  async #resolve(objects: readonly SeenObject[], file: string): Promise<void> {
    const { size } = this.#facts as PictureFacts;
    const clash = conflicts(this.#need().document, this.#links, match(this.#links, objects, size));
    const choice = clash.length === 0 ? "mine" : await this.#options.ask.conflict(clash.length, file);
    if (choice === undefined) {
      throw new ExtensionError(
        "labels-conflict",
        l10n.t("Not saved: {0} objects were changed here and in {1}.", clash.length, file),
        { details: { objects: clash } },
      );
    }
    this.#took(takeOver(this.#need(), this.#links, objects, choice));
  }

  /** Objects without a class, for a format that needs one. */
  async #nameAll({ format }: FoundLabels, names: readonly string[]): Promise<void> {
    if (format === "davis") return;
    const session = this.#need();
    const nameless = session.document.objects.filter(
      ({ id, state, class: name }) => state === "accepted" && name === null && !this.#links.has(id),
    );
    if (nameless.length === 0) return;
    const isFree = freeClasses.has(format);
    const name = await this.#options.ask.className(isFree ? this.classes : names, nameless.length, isFree);
    if (name === undefined) {
      throw new ExtensionError("no-class", l10n.t("Not saved: {0} objects have no class.", nameless.length), {
        details: { objects: nameless.map(({ id }) => id) },
      });
    }
    const steps = recorded(session, () => {
      if (!this.classes.includes(name))
        session.setClasses([...session.document.classes, ...classesOf([name], new Map())]);
      const { selected } = session;
      for (const { id } of nameless) {
        session.select(id);
        session.setClass(name);
      }
      session.select(selected);
    });
    for (const step of steps) this.#events.fire({ type: "step", step, from: undefined });
  }

  /** Forgets everything that is not in the file, drafts too. */
  async revert(): Promise<void> {
    if (this.#facts === undefined) return;
    await this.#load(undefined);
    await this.#writeDrafts();
    await this.#keep.forgetUnsaved();
    this.#events.fire({ type: "reset" });
  }

  /**
   * Writes everything that is not in the file to where VS Code keeps it over a reload, and to a place of our own: in a browser
   * VS Code writes down where its backups are once a minute, and a window that is reloaded before opens without them.
   */
  async backup(destination: Uri): Promise<void> {
    const kept = this.#kept();
    if (kept === undefined) return;
    await this.#keep.backup(destination, kept);
  }

  #kept(): Kept | undefined {
    const document = this.document;
    if (document === undefined) return undefined;
    const found = this.#found;
    const labels = found && {
      format: found.format,
      uri: found.uri.toString(),
      others: found.others.map((uri) => uri.toString()),
    };
    return { version: 1, document, links: [...this.#links], labels };
  }

  /** The label file, or the picture, may have changed. */
  async changed(): Promise<void> {
    const facts = this.#facts;
    const found = this.#found;
    if (facts === undefined || found === undefined) return;
    await alone(found.uri, async () => {
      const loaded = await load(found);
      if (sameBytes(loaded.bytes, this.#lastSeen)) return; // our own writing, or none
      this.#lastSeen = loaded.bytes;
      try {
        const labels = await readPicture(loaded, facts);
        this.#takeOverWithout(seen(labels?.objects ?? [], facts.size));
      } catch (error) {
        // Somebody may be in the middle of writing it: what is shown stays, and saving reads it again.
        this.#trouble(l10n.t("{0} was changed, and cannot be read: {1}", nameOf(found.uri), messageOf(error)));
      }
    });
    this.#events.fire({ type: "state" });
  }

  /** Takes over what is not in conflict; what is waits for the next save, where it is asked. */
  #takeOverWithout(objects: readonly SeenObject[]): void {
    const { waiting, ...taken } = takeOverWithout(this.#need(), this.#links, objects);
    this.#took(taken);
    if (waiting > 0) {
      this.#trouble(
        l10n.t("{0} objects were changed here and in the label file. Saving will ask whose to keep.", waiting),
      );
    }
  }

  #took({ links, steps }: Taken): void {
    this.#links = links;
    for (const step of steps) this.#events.fire({ type: "step", step, from: undefined });
  }

  /** The picture's file has changed: its pixels are shown anew, its labels stay. */
  async pictureChanged(): Promise<void> {
    const before = this.#facts?.size;
    const { version } = this.#picture;
    await this.#readPicture();
    if (version === this.#picture.version) return;
    const now = this.#facts?.size;
    if (before !== undefined && now !== undefined && (before.width !== now.width || before.height !== now.height)) {
      this.#trouble(l10n.t("The picture has another size now; its labels are read again."));
      await this.#begin(undefined);
    }
    this.#events.fire({ type: "picture" });
  }

  /** Drafts are in no label file, and a document that is saved has no backup: they are kept here. */
  async #writeDrafts(): Promise<void> {
    const kept = this.#kept();
    if (kept === undefined) return;
    try {
      await this.#keep.putDrafts(this.hasDrafts ? kept : undefined);
    } catch (error) {
      this.#trouble(l10n.t("Drafts could not be kept: {0}", messageOf(error)));
    }
  }

  #need(): EditorSession {
    if (this.#session !== undefined) return this.#session;
    throw new ExtensionError("labels-read-only", l10n.t("The picture is not open yet."));
  }

  #trouble(message: string): void {
    this.#events.fire({ type: "trouble", message });
  }

  /** What is not saved is given up: VS Code asks before. A window that goes away disposes of nothing. */
  dispose(): void {
    this.#keep.forgetUnsaved().catch(() => {}); // it would come back once
    this.#closed.fire();
    this.#events.dispose();
    this.#closed.dispose();
  }
}

function hasEdits({ replace, remove, add }: Required<ObjectEdits>): boolean {
  return replace.size > 0 || remove.size > 0 || add.length > 0;
}

function isOfSize({ width, height }: Size, size: Size): boolean {
  return width === size.width && height === size.height;
}
