/**
 * Objects that a model proposes and nobody has accepted yet. They lie in the extension's own storage, apart from the labels,
 * a file to a picture, so that a crash costs no more than the last one.
 */
import { type CompressedRle, decodeUtf8, encodeUtf8, type Size } from "@masklet/core";
import { ExtensionError } from "../errors.ts";

/** Where drafts are kept: a folder of small files. */
export interface StateFiles {
  list(): Promise<readonly string[]>;
  /** `undefined` for what is not there. */
  read(name: string): Promise<Uint8Array | undefined>;
  write(name: string, bytes: Uint8Array): Promise<void>;
  remove(name: string): Promise<void>;
}

export interface Draft {
  /** Within its picture. */
  readonly id: number;
  readonly mask: CompressedRle;
  readonly category?: string;
  /** 0 to 1. */
  readonly score: number;
}

/** The drafts of a picture. */
export interface PictureDrafts {
  readonly path: string;
  readonly size: Size;
  /** Which model made them, as it calls itself. */
  readonly model: string;
  readonly drafts: readonly Draft[];
}

export interface DraftSummary {
  readonly drafts: number;
  readonly best: number;
}

const version = 1;
const indexName = "index.json";

export class DraftStore {
  readonly #files: StateFiles;
  readonly #known = new Map<string, DraftSummary>();
  /** Whether the list of what there is lies beside the drafts, and is true. */
  #listed = false;

  private constructor(files: StateFiles) {
    this.#files = files;
  }

  /** Opens what was kept. A file that is none of a store's is passed over and told to `odd`. */
  static async open(files: StateFiles, odd: (name: string, reason: string) => void): Promise<DraftStore> {
    const store = new DraftStore(files);
    const list = await files.read(indexName);
    const known = list === undefined ? undefined : parsed(list);
    if (isList(known)) {
      for (const [path, drafts, best] of known.pictures) store.#known.set(path, { drafts, best });
      store.#listed = true;
      return store;
    }
    for (const name of await files.list()) {
      if (!/^[0-9a-f]{32}\.json$/.test(name)) continue;
      const record = recordOf(await files.read(name));
      if (record === undefined) odd(name, "is no file of drafts");
      else store.#note(record);
    }
    return store;
  }

  /** Paths of pictures that have drafts. */
  get paths(): readonly string[] {
    return [...this.#known.keys()];
  }

  summary(path: string): DraftSummary | undefined {
    return this.#known.get(path);
  }

  async get(path: string): Promise<PictureDrafts | undefined> {
    if (!this.#known.has(path)) return undefined;
    return recordOf(await this.#files.read(await nameOf(path)));
  }

  /** Puts a picture's drafts in the place of those before; none takes the picture away. */
  async put(record: PictureDrafts): Promise<void> {
    await this.#unlist();
    const name = await nameOf(record.path);
    if (record.drafts.length === 0) await this.#files.remove(name);
    else await this.#files.write(name, encodeUtf8(JSON.stringify({ version, ...record })));
    this.#note(record);
  }

  /** Takes drafts out, accepted or rejected; gives them. Rejects with an `ExtensionError` "draft-unknown". */
  async take(path: string, ids: readonly number[]): Promise<readonly Draft[]> {
    const record = await this.get(path);
    const wanted = new Set(ids);
    const taken = record?.drafts.filter(({ id }) => wanted.has(id)) ?? [];
    if (record === undefined || taken.length < wanted.size) {
      throw new ExtensionError(
        "draft-unknown",
        `${path}: ${wanted.size - taken.length} of ${wanted.size} drafts are not there any more`,
        {
          details: { path, ids },
        },
      );
    }
    await this.put({ ...record, drafts: record.drafts.filter(({ id }) => !wanted.has(id)) });
    return taken;
  }

  /** Writes the list of what there is, so that opening the store reads one file. */
  async flush(): Promise<void> {
    if (this.#listed) return;
    const pictures = Array.from(this.#known, ([path, { drafts, best }]) => [path, drafts, best]);
    await this.#files.write(indexName, encodeUtf8(JSON.stringify({ version, pictures })));
    this.#listed = true;
  }

  /** A list that may be wrong after a crash is none. */
  async #unlist(): Promise<void> {
    if (!this.#listed) return;
    await this.#files.remove(indexName);
    this.#listed = false;
  }

  #note({ path, drafts }: PictureDrafts): void {
    const best = drafts.reduce((most, { score }) => Math.max(most, score), 0);
    if (drafts.length === 0) this.#known.delete(path);
    else this.#known.set(path, { drafts: drafts.length, best });
  }
}

/** Paths may be longer than names of files. */
async function nameOf(path: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", encodeUtf8(path) as Uint8Array<ArrayBuffer>));
  return `${Array.from(digest.subarray(0, 16), (byte) => byte.toString(16).padStart(2, "0")).join("")}.json`;
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decodeUtf8(bytes) ?? "");
  } catch {
    return undefined; // broken off: the drafts themselves are read
  }
}

interface List {
  readonly pictures: readonly (readonly [path: string, drafts: number, best: number])[];
}

function isList(value: unknown): value is List {
  return (
    typeof value === "object" &&
    value !== null &&
    (value as { version?: unknown }).version === version &&
    Array.isArray((value as { pictures?: unknown }).pictures)
  );
}

function recordOf(bytes: Uint8Array | undefined): PictureDrafts | undefined {
  const value = (bytes === undefined ? undefined : parsed(bytes)) as (PictureDrafts & { version: number }) | undefined;
  if (value?.version !== version || typeof value.path !== "string" || !Array.isArray(value.drafts)) return undefined;
  const { path, size, model, drafts } = value;
  return { path, size, model, drafts };
}
