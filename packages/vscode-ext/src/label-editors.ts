/** What editors share whose documents are pictures or videos and whose labels are kept beside them. */
import {
  type CustomDocument,
  type CustomDocumentBackup,
  type CustomDocumentBackupContext,
  type CustomDocumentContentChangeEvent,
  type CustomDocumentEditEvent,
  type Event,
  EventEmitter,
  type Uri,
  workspace,
} from "vscode";
import { ExtensionError } from "./errors.ts";

/** A picture or video with the labels that are made of it. */
export interface LabelledDocument extends CustomDocument {
  /** Writes the labels. */
  save(): Promise<void>;
  revert(): Promise<void>;
  backup(destination: Uri): Promise<void>;
}

export type Edited<D extends CustomDocument> = CustomDocumentEditEvent<D> | CustomDocumentContentChangeEvent<D>;

/** The part of a `CustomEditorProvider` that saves, reverts and backs up. */
export abstract class LabelEditors<D extends LabelledDocument> {
  protected readonly edits: EventEmitter<Edited<D>> = new EventEmitter<Edited<D>>();
  readonly onDidChangeCustomDocument: Event<Edited<D>> = this.edits.event;

  /** Why there is no "Save As": what is opened is never written, under no other name either. */
  protected abstract readonly notWritten: string;

  saveCustomDocument(document: D): Promise<void> {
    return document.save();
  }

  async saveCustomDocumentAs(document: D, destination: Uri): Promise<void> {
    if (destination.toString() === document.uri.toString()) return document.save();
    throw new ExtensionError("labels-read-only", this.notWritten);
  }

  revertCustomDocument(document: D): Promise<void> {
    return document.revert();
  }

  async backupCustomDocument(document: D, { destination }: CustomDocumentBackupContext): Promise<CustomDocumentBackup> {
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
    this.edits.dispose();
  }
}
