/**
 * What is known of a run that annotates: in `.annotate` of its folder, a file for each picture, whole at any time. Several
 * processes may work on one folder; the labels themselves are written by one at a time, once every picture has its file.
 */
import { createHash } from "node:crypto";
import { open, readFile, rm, stat, utimes } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import {
  CheckpointError,
  MaskletError,
  parseJson,
  type Size,
  StateError,
  systemReason,
  writeFileAtomic,
} from "@masklet/core/node";
import { isUnfinished, prepareFolder, removeMatching } from "../folder.ts";
import { differences } from "../track/run-folder.ts";
import type { Item } from "./items.ts";
import type { Found } from "./outcome.ts";

/** What is kept of a picture. */
export type PictureRecord = {
  readonly file: string;
  /** Of what it was asked, and of the picture's file. */
  readonly asked: string;
} & (
  | { readonly size: Size; readonly objects: readonly Found[] }
  | { readonly error: { readonly code: string; readonly message: string } }
);

/** A process that does not move its lock for so long is gone. */
const staleAfter = 60_000;

export class AnnotateFolder {
  readonly path: string;
  readonly #state: string;

  private constructor(path: string) {
    this.path = path;
    this.#state = join(path, ".annotate");
  }

  /** Whether a run was begun in the folder. */
  static async isBegun(path: string): Promise<boolean> {
    return (await stat(join(path, ".annotate", "run.json")).catch(() => undefined)) !== undefined;
  }

  /**
   * Begins a run, or goes on with one. Rejects with a `StateError` "resume-mismatch" that says what differs for one about
   * something else, unless it is to be overwritten; a `MaskletError` "write-failed".
   */
  static async open(
    path: string,
    settings: unknown,
    { overwrite }: { readonly overwrite: boolean },
  ): Promise<AnnotateFolder> {
    await prepareFolder(path);
    const folder = new AnnotateFolder(path);
    if (overwrite) await rm(folder.#state, { recursive: true, force: true });
    await prepareFolder(join(folder.#state, "pictures"));
    await folder.#agree("run.json", settings);
    return folder;
  }

  /** Rejects as `open` where pictures that are there were annotated by another model. */
  checkModel(facts: unknown): Promise<void> {
    return this.#agree("model.json", facts);
  }

  /** What `checkModel` was given, also in an earlier run; nothing where no model has run. */
  async model(): Promise<unknown> {
    return this.#readJson("model.json");
  }

  /** Keeps what classes a detector has, in its order, for the labels. */
  async keepClasses(names: readonly string[]): Promise<void> {
    await writeFileAtomic(join(this.#state, "classes.json"), JSON.stringify(names));
  }

  /** What `keepClasses` kept, also in an earlier run. */
  async classes(): Promise<readonly string[]> {
    return ((await this.#readJson("classes.json")) ?? []) as readonly string[];
  }

  /** What is kept of a picture, if it was asked the same and its file did not change since. */
  async read(item: Item, asked: string): Promise<PictureRecord | undefined> {
    const record = (await this.#readJson(this.#nameOf(item))) as PictureRecord | undefined;
    return record?.asked === asked && record.file === item.file ? record : undefined;
  }

  async write(item: Item, record: PictureRecord): Promise<void> {
    await writeFileAtomic(join(this.#state, this.#nameOf(item)), JSON.stringify(record));
  }

  /** Runs `work` while no other process does so with this folder. */
  async exclusive<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const path = join(this.#state, "writing.lock");
    const mine = JSON.stringify({ host: hostname(), process: process.pid });
    for (;;) {
      signal.throwIfAborted();
      if (await this.#take(path, mine)) break;
      if (await isStale(path)) await rm(path, { force: true });
      else await sleep(100);
    }
    const beat = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => {}), staleAfter / 6);
    try {
      return await work();
    } finally {
      clearInterval(beat);
      await rm(path, { force: true });
    }
  }

  /** Removes what processes were writing when they were killed. Only while nothing is written any more. */
  async tidy(): Promise<void> {
    for (const folder of [this.path, this.#state, join(this.#state, "pictures")]) {
      await removeMatching(folder, (name) => isUnfinished(name));
    }
  }

  async #take(path: string, content: string): Promise<boolean> {
    try {
      const file = await open(path, "wx");
      try {
        await file.writeFile(content);
      } finally {
        await file.close();
      }
      return true;
    } catch (cause) {
      if (cause instanceof Error && "code" in cause && cause.code === "EEXIST") return false;
      throw new MaskletError("write-failed", `${path} cannot be written: ${systemReason(cause)}`, {
        cause,
        details: { path },
      });
    }
  }

  /** Names of pictures may be longer than names of files, and differ in case alone. */
  #nameOf({ file }: Item): string {
    return join("pictures", `${createHash("sha256").update(file).digest("hex").slice(0, 32)}.json`);
  }

  async #agree(name: string, now: unknown): Promise<void> {
    const then = await this.#readJson(name);
    if (then === undefined) {
      return writeFileAtomic(join(this.#state, name), `${JSON.stringify(now, undefined, 2)}\n`);
    }
    const part = name.replace(".json", "");
    const different = differences(then, JSON.parse(JSON.stringify(now)), part);
    if (different.length === 0) return;
    const said = different.map((one) => one.replace(/^run\./, "--")).join("; ");
    throw new StateError(
      "resume-mismatch",
      `${this.path}: its pictures were annotated otherwise: ${said}; give what was given then, another folder, or --overwrite`,
      { details: { folder: this.path, part, then, now } },
    );
  }

  async #readJson(name: string): Promise<unknown> {
    const path = join(this.#state, name);
    try {
      return parseJson(await readFile(path));
    } catch (cause) {
      if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
      throw new CheckpointError(
        "state-malformed",
        `${path} cannot be read: ${systemReason(cause)}; begin anew with --overwrite`,
        {
          cause,
          details: { file: path },
        },
      );
    }
  }
}

/** Whether who has the lock is gone: a process of this machine that is no more, or one that has not moved for long. */
async function isStale(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return false; // gone meanwhile
  if (Date.now() - found.mtimeMs > staleAfter) return true;
  try {
    const { host, process: pid } = parseJson(await readFile(path)) as {
      readonly host: string;
      readonly process: number;
    };
    if (host !== hostname()) return false;
    process.kill(pid, 0);
    return false;
  } catch (error) {
    // It is written an instant after it is made; killed in between, it stays empty until it is old.
    return error instanceof Error && "code" in error && error.code === "ESRCH";
  }
}

/** Changes with what is asked of a picture, and with its file. */
export async function askedOf({ path }: Item, asked: unknown): Promise<string> {
  // What is not there fails when it is read, and is told then.
  const file = await stat(path).catch(() => undefined);
  return createHash("sha256")
    .update(JSON.stringify([asked, file?.size, file?.mtimeMs]))
    .digest("hex");
}
