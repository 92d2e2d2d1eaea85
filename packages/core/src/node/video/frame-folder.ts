import { mkdir, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { AbortSignalLike } from "../../abort.ts";
import { StateError, VideoError } from "../../errors.ts";
import type { RawImage } from "../../image/image.ts";
import { checkKeys, type Keys } from "../../options.ts";
import { Queue } from "../../queue.ts";
import { writeFailed } from "../files.ts";
import { encodePng, writeFileAtomic } from "../image.ts";
import type { VideoWriter } from "./video-writer.ts";

export interface FrameFolderOptions {
  /** The first frame's number. Default 0. */
  readonly first?: number;
  readonly signal?: AbortSignalLike;
}

/**
 * Begins a sequence of PNG files, lossless and with the frames' alpha, if they have any: `00000.png` and on in `folder`,
 * which is made if it is not there. Needs sharp and no ffmpeg. Each file is whole at any time, and replaces one of its
 * name; `abort`, or the signal's, removes those that were written. Frames may differ in size. Rejects with a
 * `MaskletError` "write-failed" or the signal's reason.
 */
export async function createFrameFolder(folder: string | URL, options: FrameFolderOptions = {}): Promise<VideoWriter> {
  checkKeys("createFrameFolder", options, frameFolderKeys);
  const { first = 0, signal } = options;
  signal?.throwIfAborted();
  const path = folder instanceof URL ? fileURLToPath(folder) : folder;
  try {
    const made = await mkdir(path, { recursive: true });
    return new FolderWriter({ path, made: made !== undefined, first, signal });
  } catch (cause) {
    throw writeFailed(path, cause);
  }
}

interface FolderWriterOptions {
  readonly path: string;
  /** Whether the folder is new. */
  readonly made: boolean;
  readonly first: number;
  readonly signal: AbortSignalLike | undefined;
}

class FolderWriter implements VideoWriter {
  readonly encoder = "png";
  readonly #options: FolderWriterOptions;
  readonly #queue = new Queue();
  readonly #onAbort = (): void => {
    this.abort().catch(() => {}); // whoever calls `abort` hears of it
  };
  readonly #written: string[] = [];
  #ended: Promise<void> | undefined;

  constructor(options: FolderWriterOptions) {
    this.#options = options;
    options.signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  write(image: RawImage): Promise<void> {
    return this.#queue.run(async () => {
      this.#checkOpen("write");
      const { path, first, signal } = this.#options;
      const png = await encodePng(image);
      this.#checkOpen("write");
      const file = join(path, `${String(first + this.#written.length).padStart(5, "0")}.png`);
      await writeFileAtomic(file, png, signal === undefined ? {} : { signal });
      this.#written.push(file);
    });
  }

  finish(): Promise<void> {
    return this.#queue.run(async () => {
      this.#checkOpen("finish");
      const { path } = this.#options;
      if (this.#written.length === 0) {
        await this.#end(this.#remove());
        throw new VideoError("no-frames", `${path} has no frame to show`, { details: { path } });
      }
      this.#end(Promise.resolve());
    });
  }

  abort(): Promise<void> {
    return this.#ended ?? this.#end(this.#queue.idle().then(() => this.#remove()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.abort();
  }

  #end(outcome: Promise<void>): Promise<void> {
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#ended = outcome;
    return outcome;
  }

  async #remove(): Promise<void> {
    await Promise.all(this.#written.map((file) => rm(file, { force: true })));
    if (this.#options.made) await rmdir(this.#options.path).catch(() => {}); // others may have put something there
  }

  #checkOpen(call: string): void {
    this.#options.signal?.throwIfAborted();
    if (this.#ended === undefined) return;
    throw new StateError("disposed", `${call}: ${this.#options.path} is finished or given up`);
  }
}

const frameFolderKeys: Keys<FrameFolderOptions> = { first: true, signal: true };
