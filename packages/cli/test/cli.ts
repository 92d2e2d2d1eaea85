import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";
import type { ExitCode, Host } from "../src/host.ts";
import { run } from "../src/run.ts";
import type { ImageRecord } from "../src/segment/record.ts";

/** The repository's example: 640x640, an orange square at about (45, 35) to (224, 209). */
export const scene: string = fileURLToPath(new URL("../../../examples/scene.png", import.meta.url));

/** A folder of this test file's own, removed after it. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "masklet-cli-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Where nothing is cached or chosen, whatever the machine has, and nothing is fetched. */
export const emptyCache: Readonly<Record<string, string>> = {
  HF_HUB_CACHE: join(tmpdir(), "masklet-no-such-cache"),
  XDG_CONFIG_HOME: join(tmpdir(), "masklet-no-such-settings"),
  HF_HUB_OFFLINE: "1",
  XDG_CACHE_HOME: mkdtempSync(join(tmpdir(), "masklet-cli-cache-")),
};
afterAll(() => rmSync(emptyCache["XDG_CACHE_HOME"] as string, { recursive: true, force: true }));

export interface RunSettings {
  readonly stdin?: Uint8Array;
  /** What is typed: makes standard input a terminal. */
  readonly typed?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal;
  readonly stdout?: Writable;
  readonly onStdout?: (text: string) => void;
  /** Makes standard error a terminal. */
  readonly terminal?: boolean;
}

export interface RunResult {
  readonly code: ExitCode;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Runs a command line in this process. */
export async function cli(argv: readonly string[], settings: RunSettings = {}): Promise<RunResult> {
  const stdout = collector(settings.onStdout);
  const stderr = collector();
  const code = await run(argv, {
    stdin: standardInput(settings),
    stdout: settings.stdout ?? stdout.stream,
    stderr: Object.assign(stderr.stream, settings.terminal === true ? { isTTY: true, columns: 80 } : {}),
    env: settings.env ?? emptyCache,
    signal: settings.signal ?? new AbortController().signal,
  });
  return { code, stdout: stdout.bytes(), stderr: stderr.bytes().toString() };
}

function standardInput({ stdin, typed }: RunSettings): Host["stdin"] {
  if (typed !== undefined) return Object.assign(Readable.from([Buffer.from(typed)]), { isTTY: true });
  return stdin === undefined ? new PassThrough() : Readable.from([stdin]);
}

function collector(onText?: (text: string) => void): { readonly stream: Writable; readonly bytes: () => Buffer } {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write: (chunk: Buffer, _, done) => {
      chunks.push(chunk);
      onText?.(chunk.toString());
      done();
    },
  });
  return { stream, bytes: () => Buffer.concat(chunks) };
}

/** The records of `--json`. */
export function records({ stdout }: RunResult): readonly ImageRecord[] {
  const lines = stdout.toString().split("\n").slice(0, -1);
  return lines.map((line) => JSON.parse(line) as ImageRecord);
}

/** What lies in a folder, hidden files too. */
export function filesIn(folder: string): readonly string[] {
  return readdirSync(folder).sort();
}
