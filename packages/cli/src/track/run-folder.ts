/**
 * The folder of one run: `masks/` and other results, and `.track/`, from which a run goes on: `run.json` says what is
 * tracked, `frames/` has every frame's masks with their overlaps, `progress.json` the frame to go on with and the session
 * that was saved before it. Every file is whole at any time.
 */
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import {
  CheckpointError,
  type CompressedRle,
  compressRle,
  decodeRle,
  encodeLabelPng,
  encodeRle,
  type FrameResult,
  labelMap,
  type MaskletFrame,
  parseJson,
  type Size,
  StateError,
  writeFileAtomic,
} from "@masklet/core/node";
import { isUnfinished, listed, prepareFolder, removeMatching } from "../folder.ts";
import { UsageError } from "../usage.ts";
import type { Pass } from "./plan.ts";

/** What a run is about, by its parts: a run that goes on must agree in all. */
export type RunFacts = Readonly<Record<"masklet" | "video" | "model" | "prompts" | "settings", unknown>>;

/** Where a run stands. */
export interface Place {
  /** Which pass. */
  readonly pass: number;
  /** The frame that comes next; beyond the pass's last if it is over. */
  readonly next: number;
}

interface Progress extends Place {
  /** The session's file, unless all is done. */
  readonly session?: string;
}

/** A frame's masks as they are stored. */
export interface FrameRecord {
  readonly objects: readonly { readonly id: number; readonly segmentation: CompressedRle }[];
}

/** A frame's name in all folders. */
export function frameName(frame: number): string {
  return String(frame).padStart(5, "0");
}

const stateName = ".track";
const turnFile = "turn.safetensors";
const numbered = /^\d{5,}\.png$/;

export interface RunOptions {
  readonly resume: boolean;
  readonly overwrite: boolean;
  /** The files that an earlier run may have left besides numbered pictures. */
  readonly files: readonly string[];
}

export class RunFolder {
  readonly path: string;
  readonly #state: string;

  private constructor(path: string) {
    this.path = path;
    this.#state = join(path, stateName);
  }

  /**
   * Rejects with a `UsageError` where results lie that are neither gone on with nor overwritten, with a `StateError`
   * "resume-mismatch" that says what differs for a run about something else, a `CheckpointError` "state-malformed", or a
   * `MaskletError` "write-failed".
   */
  static async open(path: string, facts: RunFacts, { resume, overwrite, files }: RunOptions): Promise<RunFolder> {
    await prepareFolder(path);
    const run = new RunFolder(path);
    if (overwrite) await run.#clear(files);
    // A run that failed before its first frame, by a wrong prompt perhaps, is none.
    const tracked = (await listed(join(run.#state, "frames"))).some((name) => name.endsWith(".json"));
    const begun = tracked ? ((await run.#readJson("run.json")) as RunFacts | undefined) : undefined;
    if (begun !== undefined && resume) {
      run.#checkSame(begun, facts);
      await run.#removeTemporary();
    } else if (begun !== undefined) {
      throw new UsageError(`${path} has a run already: go on with --resume, or begin anew with --overwrite`);
    } else if ((await listed(join(path, "masks"))).some((name) => numbered.test(name))) {
      throw new UsageError(`${join(path, "masks")} has masks already: give another folder, or --overwrite`);
    }
    for (const folder of [join(path, "masks"), join(run.#state, "frames")]) {
      await prepareFolder(folder);
    }
    if (begun === undefined) await run.#writeJson("run.json", facts);
    return run;
  }

  /** Where the run stands, and the session to go on with, if it was saved. */
  async saved(): Promise<(Place & { readonly session?: Uint8Array }) | undefined> {
    const progress = (await this.#readJson("progress.json")) as Progress | undefined;
    if (progress === undefined) return undefined;
    const { pass, next, session } = progress;
    return { pass, next, ...(session !== undefined && { session: await this.#read(session) }) };
  }

  /** From now on the run goes on from here; without a session, all is done. */
  async save({ pass, next }: Place, session?: Uint8Array): Promise<void> {
    const name = `session-${pass}-${next}.safetensors`;
    if (session !== undefined) await writeFileAtomic(join(this.#state, name), session);
    await this.#writeJson("progress.json", { pass, next, ...(session !== undefined && { session: name }) });
    const kept = session === undefined ? [] : [name, turnFile];
    for (const other of await listed(this.#state)) {
      if (other.endsWith(".safetensors") && !kept.includes(other)) await rm(join(this.#state, other), { force: true });
    }
  }

  /** The session that the second pass begins with. */
  readTurn(): Promise<Uint8Array> {
    return this.#read(turnFile);
  }

  writeTurn(session: Uint8Array): Promise<void> {
    return writeFileAtomic(join(this.#state, turnFile), session);
  }

  /** Writes a frame's label map, and its masks for the other results. */
  async add(frame: FrameResult, size: Size): Promise<void> {
    const name = frameName(frame.frame);
    const record: FrameRecord = {
      objects: frame.objects.map(({ id, mask }) => ({ id, segmentation: compressRle(encodeRle(mask)) })),
    };
    await writeFileAtomic(join(this.#state, "frames", `${name}.json`), JSON.stringify(record));
    await writeFileAtomic(join(this.path, "masks", `${name}.png`), await encodeLabelPng(labelMap(frame, size)));
  }

  /** The frames that are there of those of the passes, in their order in the video. */
  async frames(passes: readonly Pass[]): Promise<readonly number[]> {
    const low = Math.min(...passes.flatMap(({ start, last }) => [start, last]));
    const high = Math.max(...passes.flatMap(({ start, last }) => [start, last]));
    const found = (await listed(join(this.#state, "frames"))).flatMap((name) => {
      const [, digits] = /^(\d+)\.json$/.exec(name) ?? [];
      return digits === undefined ? [] : [Number(digits)];
    });
    return found.filter((frame) => frame >= low && frame <= high).sort((a, b) => a - b);
  }

  /** A frame's masks as they are stored. */
  async record(frame: number): Promise<FrameRecord> {
    return (await this.#readJson(join("frames", `${frameName(frame)}.json`))) as FrameRecord;
  }

  async frame(frame: number): Promise<MaskletFrame> {
    const { objects } = await this.record(frame);
    return { frame, objects: objects.map(({ id, segmentation }) => ({ id, mask: decodeRle(segmentation) })) };
  }

  #checkSame(begun: RunFacts, facts: RunFacts): void {
    for (const [part, now] of Object.entries(facts)) {
      const then = begun[part as keyof RunFacts];
      const same: unknown = JSON.parse(JSON.stringify(now));
      if (isDeepStrictEqual(then, same)) continue;
      throw new StateError(
        "resume-mismatch",
        `${this.path}: this is not the ${part} that its run was begun with: ${differences(then, same, part).join("; ")}; ` +
          "give what was given then, or --overwrite",
        { details: { folder: this.path, part, then, now } },
      );
    }
  }

  /** The folders of numbered pictures. */
  async #pictures(): Promise<readonly string[]> {
    const objects = join(this.path, "objects");
    const ids = (await listed(objects)).filter((name) => /^\d+$/.test(name));
    return [join(this.path, "masks"), join(this.path, "alpha"), ...ids.map((id) => join(objects, id))];
  }

  /** Removes what an earlier run left, and nothing else that lies there. */
  async #clear(files: readonly string[]): Promise<void> {
    await rm(this.#state, { recursive: true, force: true });
    for (const folder of await this.#pictures()) await removeMatching(folder, (name) => numbered.test(name));
    for (const file of files) await rm(join(this.path, file), { force: true });
  }

  /** Removes what was being written when a run was killed. */
  async #removeTemporary(): Promise<void> {
    const folders = [this.path, this.#state, join(this.#state, "frames"), ...(await this.#pictures())];
    for (const folder of folders) await removeMatching(folder, (name) => isUnfinished(name));
  }

  async #read(name: string): Promise<Uint8Array> {
    const path = join(this.#state, name);
    return readFile(path).catch((cause: Error) => {
      throw malformed(path, `cannot be read: ${cause.message}`, cause);
    });
  }

  async #readJson(name: string): Promise<unknown> {
    const path = join(this.#state, name);
    const text = await readFile(path, "utf8").catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT" || cause.code === "ENOTDIR") return undefined;
      throw malformed(path, `cannot be read: ${cause.message}`, cause);
    });
    if (text === undefined) return undefined;
    try {
      return parseJson(text);
    } catch (cause) {
      throw malformed(path, "is not JSON", cause);
    }
  }

  #writeJson(name: string, content: unknown): Promise<void> {
    return writeFileAtomic(join(this.#state, name), `${JSON.stringify(content, undefined, 2)}\n`);
  }
}

function malformed(path: string, problem: string, cause: unknown): CheckpointError {
  return new CheckpointError("state-malformed", `${path} ${problem}; begin anew with --overwrite`, {
    cause,
    details: { file: path },
  });
}

/** How the command line calls what is stored under another name. */
const options: Readonly<Record<string, string>> = {
  "settings.nonOverlappingMasks": "--non-overlap",
  "settings.fillHoleArea": "--fill-hole-area",
  "settings.memoryStride": "--memory-stride",
  "settings.memories": "--memories",
  "settings.maxConditioningFrames": "--max-conditioning-frames",
  "settings.start": "--start",
  "settings.count": "--count",
  "settings.direction": "the direction",
  "settings.dtype": "--dtype",
  "settings.backend.name": "--backend",
  "settings.backend.device": "--device",
  "settings.backend.engine": "--device",
  "settings.backend.threads": "--threads",
  "video.images": "the number of images",
  "video.names": "the images' names",
  "video.first": "the first image",
  "video.frames": "the number of frames",
  "video.content": "the file's content",
  "model.name": "--model",
  "model.config": "the model's config",
  "model.weights": "the model's weights",
};

/** Each thing that is not the same, by its own name: `--dtype was "fp32" and is "q8"`. */
export function differences(then: unknown, now: unknown, path: string): readonly string[] {
  if (isDeepStrictEqual(then, now)) return [];
  if (isRecord(then) && isRecord(now)) {
    const keys = new Set([...Object.keys(then), ...Object.keys(now)]);
    return [...keys].flatMap((key) => differences(then[key], now[key], `${path}.${key}`));
  }
  const name = options[path] ?? path;
  const hash = [then, now].some((value) => typeof value === "string" && /^[0-9a-f]{64}$/.test(value));
  return [hash ? `${name} changed` : `${name} was ${shown(then)} and is ${shown(now)}`];
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function shown(value: unknown): string {
  return value === undefined || value === null ? "not given" : JSON.stringify(value);
}
