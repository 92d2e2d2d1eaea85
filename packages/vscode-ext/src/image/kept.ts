/** Work on a picture that its label file does not have: drafts, and what is not saved yet. */
import type { EditorDocument } from "@masklet/editor";
import { Uri, workspace } from "vscode";
import { ExtensionError } from "../errors.ts";
import { type FoundLabels, readIfThere } from "../labels/find.ts";
import type { Link } from "../labels/link.ts";
import { alone } from "../storage.ts";

/** What a backup and the journal of drafts hold. */
export interface Kept {
  readonly version: 1;
  readonly document: EditorDocument;
  readonly links: readonly (readonly [number, Link])[];
  readonly labels:
    | { readonly format: FoundLabels["format"]; readonly uri: string; readonly others: readonly string[] }
    | undefined;
}

/** Where a picture's work is kept. Without a folder nothing is, but for VS Code's own backups. */
export class Keep {
  readonly #drafts: Uri | undefined;
  readonly #unsaved: Uri | undefined;
  /** How often what was not saved has been saved or given up. */
  #forgotten = 0;

  constructor(picture: Uri, folder: Uri | undefined) {
    const name = hash(picture.toString());
    this.#drafts = folder && Uri.joinPath(folder, `${name}.json`);
    this.#unsaved = folder && Uri.joinPath(folder, `${name}.unsaved.json`);
  }

  /** Where work is that was not saved; `undefined` where all was. */
  async unsaved(): Promise<Uri | undefined> {
    const there = this.#unsaved && (await readIfThere(this.#unsaved));
    return there && this.#unsaved;
  }

  async drafts(): Promise<Kept | undefined> {
    return this.#drafts && readKept(this.#drafts);
  }

  /** `undefined`: there are none any more. */
  async putDrafts(kept: Kept | undefined): Promise<void> {
    if (this.#drafts === undefined) return;
    if (kept !== undefined) await writeKept(this.#drafts, kept);
    else await deleteIfThere(this.#drafts);
  }

  /** Writes to where VS Code wants it, and to a place of our own. */
  async backup(destination: Uri, kept: Kept): Promise<void> {
    const unsaved = this.#unsaved;
    const forgotten = this.#forgotten;
    await writeKept(destination, kept);
    if (unsaved === undefined) return;
    await alone(unsaved, async () => {
      // A copy of what was saved or given up meanwhile would come back.
      if (this.#forgotten === forgotten) await writeKept(unsaved, kept);
    });
  }

  async forgetUnsaved(): Promise<void> {
    const unsaved = this.#unsaved;
    this.#forgotten++;
    if (unsaved !== undefined) await alone(unsaved, () => deleteIfThere(unsaved));
  }
}

async function deleteIfThere(file: Uri): Promise<void> {
  if ((await readIfThere(file)) !== undefined) await workspace.fs.delete(file);
}

async function writeKept(file: Uri, kept: Kept): Promise<void> {
  await workspace.fs.createDirectory(Uri.joinPath(file, ".."));
  await workspace.fs.writeFile(file, new TextEncoder().encode(JSON.stringify(kept)));
}

/** `undefined` where there is none; rejects for one that is there and cannot be read, because work would be lost silently. */
export async function readKept(uri: Uri): Promise<Kept | undefined> {
  const bytes = await readIfThere(uri);
  if (bytes === undefined) return undefined;
  const kept = JSON.parse(new TextDecoder().decode(bytes)) as Partial<Kept>;
  if (kept.version === 1 && kept.document !== undefined && Array.isArray(kept.links)) return kept as Kept;
  throw new ExtensionError("message-malformed", `${uri.fsPath}: is no backup of this version`);
}

/** The labels that were shown. */
export function foundOf(kept: Kept | undefined): FoundLabels | undefined {
  const labels = kept?.labels;
  return (
    labels && { format: labels.format, uri: Uri.parse(labels.uri), others: labels.others.map((uri) => Uri.parse(uri)) }
  );
}

/** FNV-1a, 64 bits, as a name of a file. */
function hash(text: string): string {
  let value = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text))
    value = ((value ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  return value.toString(16).padStart(16, "0");
}
