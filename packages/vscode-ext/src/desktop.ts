/** Where VS Code's host is Node: desktops and servers. The engine is a process, and files are written whole or not at all. */
import { fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { access, chmod, mkdir, open, realpath, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ByteSource } from "@masklet/core";
import type { ExtensionContext, Uri } from "vscode";
import { activate as start } from "./activate.ts";
import type { EngineReply } from "./engine/protocol.ts";
import type { EngineProcess } from "./engine-client.ts";
import { ExtensionError } from "./errors.ts";
import { type FileWriter, fileSystem } from "./storage.ts";

const isLocked = (mode: number): boolean => (mode & 0o200) === 0;

/** Files of this machine are written beside and renamed, so that no reader sees half of one; they keep their mode, and a link stays one. */
export const localFiles: FileWriter = {
  write: async (uri, bytes) => {
    if (uri.scheme !== "file") return fileSystem.write(uri, bytes);
    const real = await realpath(uri.fsPath).catch(() => undefined);
    const there = real ?? uri.fsPath;
    if (real === undefined) await mkdir(dirname(there), { recursive: true });
    const mode = real === undefined ? undefined : (await stat(real)).mode;
    // A rename does not ask what the file allows.
    if (mode !== undefined && isLocked(mode))
      throw new ExtensionError("labels-read-only", `${there} is read-only`, { details: { path: there } });
    const temporary = `${there}.${randomBytes(6).toString("hex")}.tmp`;
    try {
      const file = await open(temporary, "wx");
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      if (mode !== undefined) await chmod(temporary, mode);
      await rename(temporary, there);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  },
  isWritable: async (uri) => {
    if (uri.scheme !== "file") return fileSystem.isWritable(uri);
    for (let path = uri.fsPath; ; path = dirname(path)) {
      try {
        const { mode } = await stat(path);
        await access(path, constants.W_OK);
        return !isLocked(mode);
      } catch (error) {
        const isMissing = (error as { readonly code?: string }).code === "ENOENT";
        if (!isMissing || path === dirname(path)) return false;
      }
    }
  },
};

/** Opens a file of this machine for reading in parts; `undefined` for one that is somewhere else. */
export async function openSource(uri: Uri): Promise<ByteSource | undefined> {
  if (uri.scheme !== "file") return undefined;
  const file = await open(uri.fsPath);
  const { size } = await file.stat();
  return {
    name: uri.fsPath,
    size,
    read: async (offset, length) => {
      const bytes = new Uint8Array(length);
      const { bytesRead } = await file.read(bytes, 0, length, offset);
      if (bytesRead < length) throw new Error(`${uri.fsPath}: has become shorter while it was read`);
      return bytes;
    },
    close: () => file.close(),
  };
}

/** Starts the engine's script in a process of its own. */
export function spawnEngine(
  script: string,
  reply: (reply: EngineReply) => void,
  lost: (why: string) => void,
  log: (line: string) => void,
): EngineProcess {
  const child = fork(script, {
    // Pixels go over as they are; and nothing of the host's own arguments, which may hold a debugger's port.
    serialization: "advanced",
    execArgv: [],
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => log(text.trimEnd()));
  }
  let isLost = false;
  const end = (why: string): void => {
    if (isLost) return;
    isLost = true;
    lost(why);
  };
  child.on("message", (message) => reply(message as EngineReply));
  child.on("error", (error) => end(error.message));
  child.on("exit", (code, signal) => end(signal ?? `exit code ${code}`));
  return {
    send: (request) => {
      // One that has ended is heard of by its exit.
      if (child.connected) child.send(request, () => undefined);
    },
    kill: () => child.kill(),
  };
}

export function activate(context: ExtensionContext): void {
  start(context, {
    kind: "node",
    files: localFiles,
    open: openSource,
    spawn: (reply, lost, log) => spawnEngine(join(context.extensionPath, "engine", "main.mjs"), reply, lost, log),
  });
}
