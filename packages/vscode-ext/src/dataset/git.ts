/** A folder as it was in the last commit, through VS Code's git extension. */
import { extensions, type Uri, workspace } from "vscode";
import { ExtensionError } from "../errors.ts";
import type { FolderEntry, FolderFiles } from "./files.ts";
import type { WorkspaceFolderFiles } from "./workspace-files.ts";

/** What of git's API is used (vscode.git, version 1). */
interface GitApi {
  toGitUri(uri: Uri, ref: string): Uri;
  getRepository(uri: Uri): GitRepository | null;
}
interface GitRepository {
  readonly rootUri: Uri;
  diffWithHEAD(): Promise<readonly GitChange[]>;
  readonly state: {
    readonly untrackedChanges: readonly GitChange[];
    readonly workingTreeChanges: readonly GitChange[];
  };
}
interface GitChange {
  readonly uri: Uri;
  readonly originalUri: Uri;
  readonly status: number;
}

/** git's `Status`: those of files that the commit does not have, and of those that are gone. */
const added: ReadonlySet<number> = new Set([1, 4, 7, 9]); // INDEX_ADDED, INDEX_COPIED, UNTRACKED, INTENT_TO_ADD
const deleted: ReadonlySet<number> = new Set([2, 6]); // INDEX_DELETED, DELETED

/** What a commit has differently from the folder: paths, and how each one's bytes are had. */
export interface CommitDifference {
  readonly added: ReadonlySet<string>;
  /** In the commit alone, or in both with other bytes. */
  readonly original: ReadonlyMap<string, () => Promise<Uint8Array>>;
}

/** Git's view of a dataset's folder. Rejects with an `ExtensionError` "no-commit" where there is no git, or no repository. */
export async function differenceFromHead(files: WorkspaceFolderFiles): Promise<CommitDifference> {
  const extension = extensions.getExtension<{ getAPI(version: 1): GitApi }>("vscode.git");
  if (extension === undefined)
    throw new ExtensionError("no-commit", "git is not part of this VS Code, or is switched off");
  const api = (await extension.activate()).getAPI(1);
  const repository = api.getRepository(files.root);
  if (repository === null) throw new ExtensionError("no-commit", `${files.root.path}: is in no git repository`);
  const prefix = `${files.root.path.replace(/\/$/, "")}/`;
  const pathOf = (uri: Uri): string | undefined =>
    uri.path.startsWith(prefix) ? uri.path.slice(prefix.length) : undefined;
  const isNew = new Set<string>();
  const original = new Map<string, () => Promise<Uint8Array>>();
  const { untrackedChanges, workingTreeChanges } = repository.state;
  const untracked = [...untrackedChanges, ...workingTreeChanges].filter(({ status }) => added.has(status));
  for (const { uri, originalUri, status } of [...(await repository.diffWithHEAD()), ...untracked]) {
    const [now, before] = [pathOf(uri), pathOf(originalUri)];
    if (now !== undefined && (added.has(status) || now !== before)) isNew.add(now);
    if (before === undefined || added.has(status)) continue;
    original.set(before, async () => workspace.fs.readFile(api.toGitUri(originalUri, "HEAD")));
    if (deleted.has(status)) isNew.delete(before);
  }
  return { added: isNew, original };
}

/** The folder as the commit has it. */
export class CommitFolder implements FolderFiles {
  readonly #files: FolderFiles;
  readonly #difference: CommitDifference;

  constructor(files: FolderFiles, difference: CommitDifference) {
    this.#files = files;
    this.#difference = difference;
  }

  async list(folder: string): Promise<readonly FolderEntry[]> {
    const prefix = folder === "" ? "" : `${folder}/`;
    const { added: isNew, original } = this.#difference;
    const found = new Map<string, FolderEntry>();
    // A folder that is gone altogether is in the commit alone.
    for (const entry of await this.#files.list(folder).catch(() => [])) {
      if (!isNew.has(prefix + entry.name)) found.set(entry.name, entry);
    }
    for (const path of original.keys()) {
      if (!path.startsWith(prefix)) continue;
      const [name = "", ...rest] = path.slice(prefix.length).split("/");
      if (!found.has(name)) found.set(name, { name, kind: rest.length > 0 ? "folder" : "file", link: false });
    }
    return [...found.values()];
  }

  read(path: string): Promise<Uint8Array> {
    const original = this.#difference.original.get(path);
    return original === undefined ? this.#files.read(path) : original();
  }

  async stat(path: string): Promise<{ readonly size: number; readonly mtime: number }> {
    const original = this.#difference.original.get(path);
    return original === undefined ? this.#files.stat(path) : { size: (await original()).length, mtime: 0 };
  }
}
