/**
 * ffmpeg and ffprobe as child processes: found on PATH, their pipes read and written at the pace of whoever asks, what
 * they complain about kept for the error, and never left running.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import process from "node:process";
import type { Readable, Writable } from "node:stream";
import type { AbortSignalLike } from "../../abort.ts";
import { VideoError } from "../../errors.ts";
import type { Environment } from "../resolve.ts";

export type FfmpegProgram = "ffmpeg" | "ffprobe";

/** How to get ffmpeg and ffprobe on this platform, as the end of a sentence. */
export const ffmpegInstallHint: string =
  {
    darwin: "brew install ffmpeg",
    linux: "sudo apt install ffmpeg, or your distribution's package of that name",
    win32: "winget install Gyan.FFmpeg",
  }[process.platform as string] ?? "see https://ffmpeg.org/download.html";

/**
 * Where the program is: what the variable `FFMPEG_PATH` or `FFPROBE_PATH` says, else the first on PATH. `undefined` if
 * there is none that may be run.
 */
export async function findFfmpeg(program: FfmpegProgram, env: Environment = process.env): Promise<string | undefined> {
  const given = env[`${program.toUpperCase()}_PATH`];
  // Node on Windows starts no .bat or .cmd by itself.
  const file = process.platform === "win32" ? `${program}.exe` : program;
  const folders = (env["PATH"] ?? env["Path"] ?? "").split(delimiter).filter((folder) => folder !== "");
  for (const path of given === undefined ? folders.map((folder) => join(folder, file)) : [given]) {
    if (await access(path, constants.X_OK).then(...always)) return path;
  }
  return undefined;
}

/** What ffmpeg opens as this very file, whatever its name looks like: an option (`-a.mp4`), a protocol (`12:30.mp4`). */
export function fileUrl(path: string): string {
  return `file:${path}`;
}

const always = [() => true, () => false] as const;

const versions = new Map<string, Promise<string>>();

/**
 * How this ffmpeg is told to give each coded frame once, whatever the times: since 5.1 by another option, and the older
 * one is going away.
 */
export async function passthroughOption(): Promise<readonly string[]> {
  const path = (await findFfmpeg("ffmpeg")) ?? "ffmpeg";
  let version = versions.get(path);
  if (version === undefined) {
    version = ffmpegVersion(path);
    versions.set(path, version);
    version.catch(() => versions.delete(path));
  }
  const [, major = "", minor = ""] = /^n?(\d{1,2})\.(\d+)/.exec(await version) ?? [];
  const old = major !== "" && (Number(major) < 5 || (major === "5" && minor === "0"));
  return [old ? "-vsync" : "-fps_mode", "passthrough"];
}

/** The version as the program says it: "5.1.9", "n7.1", "N-118000-g...". Rejects with a `VideoError` "ffmpeg-missing". */
export async function ffmpegVersion(path: string): Promise<string> {
  const child = FfmpegProcess.spawn(path, ["-version"], { failed: (problem) => missing(path, problem) });
  const text = await child.text();
  return /version (\S+)/.exec(text)?.[1] ?? "unknown";
}

export interface FfmpegOptions {
  /** The error for an exit that is no success; `problem` is what the program said last. */
  readonly failed: (problem: string) => Error;
  /** Aborting kills the program; pending reads and writes reject with the signal's reason. */
  readonly signal?: AbortSignalLike | undefined;
  /** Sees each line of stderr; those it answers `true` to are not kept for the error. */
  readonly onLine?: (line: string) => boolean;
}

/** Those that run: they must not outlive this process. */
const running = new Set<ChildProcess>();
const killAll = (): void => {
  for (const child of running) child.kill("SIGKILL");
};

/**
 * One run of ffmpeg or ffprobe. Whoever starts it must see it end: by `finish`, by `text`, or by `kill`, which may be
 * called at any time and more than once.
 *
 * Reads must not overlap, and writes must not.
 */
export class FfmpegProcess {
  readonly #child: ChildProcess;
  readonly #options: FfmpegOptions;
  readonly #exited: Promise<number | null>;
  readonly #chunks: AsyncIterator<Uint8Array, undefined>;
  readonly #onAbort = (): void => void this.kill();
  readonly #said: string[] = [];
  #rest: Uint8Array = new Uint8Array(0);
  #spawnError: Error | undefined;

  /** Rejects with a `VideoError` "ffmpeg-missing" if the program is not on PATH or cannot be started. */
  static async start(program: FfmpegProgram, args: readonly string[], options: FfmpegOptions): Promise<FfmpegProcess> {
    const path = await findFfmpeg(program);
    if (path === undefined) throw missing(program, "it is not on PATH");
    options.signal?.throwIfAborted();
    const started = FfmpegProcess.spawn(path, args, options);
    if (started.#child.pid === undefined) {
      await started.#exited;
      throw missing(path, String(started.#spawnError?.message));
    }
    return started;
  }

  /** Starts the program at `path`; a start that fails is seen at its end. */
  static spawn(path: string, args: readonly string[], options: FfmpegOptions): FfmpegProcess {
    return new FfmpegProcess(spawn(path, args, { stdio: "pipe", windowsHide: true }), options);
  }

  private constructor(child: ChildProcess, options: FfmpegOptions) {
    this.#child = child;
    this.#options = options;
    // "close" comes after the last byte of stderr, so what is said last is in the error.
    this.#exited = new Promise((resolve) => {
      child.once("error", (error) => {
        this.#spawnError = error;
        if (child.pid === undefined) resolve(null);
      });
      child.once("close", resolve);
    });
    // When a child exits, Node discards what it wrote to a pipe that nobody listens to yet.
    this.#stdout.on("readable", () => {});
    this.#chunks = this.#stdout[Symbol.asyncIterator]();
    this.#stdin.on("error", () => {}); // a pipe whose reader is gone: the exit says why
    this.#listen(child.stderr as Readable);
    if (running.size === 0) process.on("exit", killAll);
    running.add(child);
    options.signal?.addEventListener("abort", this.#onAbort, { once: true });
    void this.#exited.then(() => {
      options.signal?.removeEventListener("abort", this.#onAbort);
      running.delete(child);
      if (running.size === 0) process.off("exit", killAll);
    });
  }

  /** Whether stdout has more; waits until that is known. Rejects with the signal's reason once it is aborted. */
  async hasMore(): Promise<boolean> {
    if (this.#rest.length > 0) return true;
    const { done, value } = await this.#chunk();
    this.#options.signal?.throwIfAborted();
    if (done === true) return false;
    this.#rest = value;
    return true;
  }

  /**
   * The next `length` bytes of stdout; fewer where it ends, none after that. Rejects with the signal's reason once it is
   * aborted.
   */
  async read(length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    let filled = 0;
    while (filled < length && (await this.hasMore())) {
      const part = this.#rest.subarray(0, length - filled);
      bytes.set(part, filled);
      filled += part.length;
      this.#rest = this.#rest.subarray(part.length);
    }
    return bytes.subarray(0, filled);
  }

  /** All of stdout as text. Rejects as `finish`. */
  async text(): Promise<string> {
    try {
      this.#stdin.end();
      const parts: Uint8Array[] = [];
      while (await this.hasMore()) parts.push(await this.read(1 << 16));
      await this.finish();
      return Buffer.concat(parts).toString("utf8");
    } finally {
      await this.kill();
    }
  }

  /**
   * Hands `bytes` to stdin; resolves when the pipe has taken all of them, so that they may be written to again. Rejects
   * as `finish` if the program has ended.
   */
  async write(bytes: Uint8Array): Promise<void> {
    const taken = await new Promise<boolean>((resolve) =>
      this.#stdin.write(bytes, (error) => resolve(error === undefined || error === null)),
    );
    if (taken) return;
    await this.finish();
    throw this.#options.failed("it ended before all was written");
  }

  /**
   * Ends stdin and waits for the exit. Rejects with what `failed` makes of any exit but a successful one, or with the
   * signal's reason once it is aborted. What is left on stdout is dropped.
   */
  async finish(): Promise<void> {
    this.#stdin.end();
    while (!(await this.#chunk()).done);
    const code = await this.#exited;
    this.#options.signal?.throwIfAborted();
    if (code !== 0) throw this.failure(code === null ? "it was killed" : `it ended with ${code}`);
  }

  /** What `failed` makes of the program's last words, or of `otherwise` if it had none. */
  failure(otherwise: string): Error {
    return this.#options.failed(this.#spawnError?.message ?? (this.#said.join("; ") || otherwise));
  }

  /** Kills the program if it still runs; resolves when it is gone. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    this.#stdin.destroy();
    this.#stdout.destroy();
    this.#rest = this.#rest.subarray(this.#rest.length);
    await this.#exited;
  }

  /** What stdout has next; a pipe that breaks has ended, and the exit says why. */
  #chunk(): Promise<IteratorResult<Uint8Array, undefined>> {
    return this.#chunks.next().catch(() => ({ done: true, value: undefined }));
  }

  get #stdin(): Writable {
    return this.#child.stdin as Writable;
  }

  get #stdout(): Readable {
    return this.#child.stdout as Readable;
  }

  #listen(stderr: Readable): void {
    let open = "";
    const take = (line: string): void => {
      if (line.trim() === "" || this.#options.onLine?.(line) === true) return;
      this.#said.push(line.trim());
      if (this.#said.length > keptLines) this.#said.shift();
    };
    stderr.setEncoding("utf8");
    stderr.on("data", (text: string) => {
      const lines = (open + text).split(/\r?\n|\r/);
      open = (lines.pop() ?? "").slice(-keptCharacters);
      lines.forEach(take);
    });
    stderr.on("end", () => take(open));
  }
}

const keptLines = 8;
const keptCharacters = 4096;

function missing(program: string, problem: string): VideoError {
  return new VideoError(
    "ffmpeg-missing",
    `${program} cannot be run: ${problem}. Video files need ffmpeg and ffprobe 4.4 or newer: ${ffmpegInstallHint}. ` +
      "Folders of images need neither.",
    { details: { program, install: ffmpegInstallHint } },
  );
}
