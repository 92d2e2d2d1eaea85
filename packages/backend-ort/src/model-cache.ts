import { createHash, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, readdir, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join, resolve } from "node:path";
import type { DimBindings, PreparedGraph } from "@masklet/core/backend";
import { printGraph } from "@masklet/core/backend";
import type { InferenceSession } from "onnxruntime-common";
import manifest from "../package.json" with { type: "json" };
import type { KeptModel, ModelCache, OrtRuntime } from "./runtime.ts";

const MODEL = "model.onnx";
const WEIGHTS = "weights";
const OUTPUTS = "outputs.json";

/** How the folder is called that a model is written to, until it is complete. */
const UNFINISHED = ".part";

/** What nobody has finished for so long was left by a process that was killed. */
const ABANDONED_MS = 3_600_000;

/**
 * Models in a folder, one folder each, under a hash of all that they depend on: the graph, the files of its weights (by
 * path, size and time of change), this package, ONNX Runtime, its options, and the processor, which some layouts are for.
 * A folder that cannot be read or written is no error: models are compiled, as without it.
 */
export function modelCache(
  folder: string,
  ort: OrtRuntime,
  sessionOptions: InferenceSession.SessionOptions,
): ModelCache {
  const root = resolve(folder);
  const { executionProviders, graphOptimizationLevel, extra } = sessionOptions;
  const host = JSON.stringify([
    manifest.version,
    ort.env.versions,
    [executionProviders, graphOptimizationLevel, extra],
    processor(),
  ]);
  const remove = (path: string): Promise<void> => rm(path, { recursive: true, force: true }).catch(() => {});
  return {
    keyOf: async (graph, staticDims) => {
      const files = await identify(graph);
      return files === undefined ? undefined : hash(host, graph, staticDims, files);
    },
    find: async (key) => {
      const entry = join(root, key);
      try {
        const [model, outputs] = await Promise.all([
          readFile(join(entry, MODEL)),
          readFile(join(entry, OUTPUTS), "utf8"),
        ]);
        return { model, folder: entry, outputNames: JSON.parse(outputs) as KeptModel["outputNames"] };
      } catch (error) {
        // A file that is not there, or is no JSON. What cannot be read now, because too many files are open for
        // instance, may be read next time.
        const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
        if (missing || error instanceof SyntaxError) await remove(entry);
        return undefined;
      }
    },
    remove: (key) => remove(join(root, key)),
    begin: async (key) => {
      const part = join(root, `${key}.${randomUUID()}${UNFINISHED}`);
      try {
        await mkdir(part, { recursive: true });
        await removeAbandoned(root);
      } catch {
        return undefined;
      }
      return {
        path: join(part, MODEL),
        weights: WEIGHTS,
        commit: async (outputNames) => {
          try {
            await writeFile(join(part, OUTPUTS), JSON.stringify(outputNames));
            await rename(part, join(root, key));
          } catch {
            await remove(part); // the disk is full, or another process was first
          }
        },
        discard: () => remove(part),
      };
    },
  };
}

async function removeAbandoned(root: string): Promise<void> {
  const parts = (await readdir(root)).filter((name) => name.endsWith(UNFINISHED));
  for (const part of parts) {
    const path = join(root, part);
    const { mtimeMs } = await stat(path);
    if (Date.now() - mtimeMs > ABANDONED_MS) await rm(path, { recursive: true, force: true });
  }
}

/** Each file of weights, as it is now; `undefined` if there are weights that are not in files. */
async function identify({ initializers }: PreparedGraph): Promise<ReadonlyMap<string, string> | undefined> {
  const paths = new Set<string>();
  for (const initializer of initializers.values()) {
    if (initializer.from !== "weight") continue;
    const { path } = initializer.entry.source;
    if (path === undefined) return undefined;
    paths.add(path);
  }
  const identities = Array.from(paths, async (path): Promise<[string, string]> => {
    const file = await realpath(path);
    const { size, mtimeMs, ino } = await stat(file);
    return [path, JSON.stringify([file, size, mtimeMs, ino])];
  });
  return await Promise.all(identities).then(
    (entries) => new Map(entries),
    () => undefined,
  );
}

function hash(host: string, graph: PreparedGraph, staticDims: DimBindings, files: ReadonlyMap<string, string>): string {
  const sha = createHash("sha256");
  const add = (...parts: readonly unknown[]): void => void sha.update(`${JSON.stringify(parts)}\n`);
  add(host, Object.entries(staticDims).sort());
  sha.update(printGraph(graph));
  for (const initializer of graph.initializers.values()) {
    if (initializer.from === "weight") {
      const { name, entry, byteOffset, dims } = initializer;
      add(name, files.get(entry.source.path ?? ""), byteOffset, dims);
      continue;
    }
    const { dtype, dims, data } = initializer.tensor;
    add(initializer.name, dtype, dims);
    sha.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return sha.digest("hex");
}

/** What the runtime's kernels are chosen by. */
function processor(): string {
  const model = cpus()[0]?.model ?? "";
  if (process.platform !== "linux") return `${process.arch} ${model}`;
  try {
    const [flags = ""] = /^(flags|Features)\s*:.*$/m.exec(readFileSync("/proc/cpuinfo", "utf8")) ?? [];
    return `${process.arch} ${model} ${flags}`;
  } catch {
    return `${process.arch} ${model}`;
  }
}
