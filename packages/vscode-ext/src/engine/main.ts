/** The engine's process: a child of the extension's host, so that a crash of the runtime costs a request and no label. */
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { createOrtBackend as createNativeBackend, type OrtBackend, openDetector } from "@masklet/backend-ort/node";
import { createOrtBackend as createWasmBackend } from "@masklet/backend-ort/web";
import { presetParameters, presetsByQuality, type Sam2 } from "@masklet/core";
import {
  downloadModel,
  fileSource,
  listCachedModels,
  loadSam2,
  openVideo,
  readConfig,
  resolveModel,
} from "@masklet/core/node";
import { ExtensionError } from "../errors.ts";
import type { EngineRequest, EngineSettings } from "./protocol.ts";
import { EngineServer } from "./serve.ts";

const beside = (name: string): URL => new URL(name, import.meta.url);

async function backendOf(
  runtime: EngineSettings["runtime"],
): Promise<{ readonly backend: OrtBackend; readonly name: string }> {
  if (runtime !== "wasm") {
    try {
      return { backend: await createNativeBackend(), name: "native" };
    } catch (error) {
      if (runtime === "native") throw error;
    }
  }
  const threads = Math.max(1, Math.min(8, availableParallelism()));
  const backend = await createWasmBackend({
    // The build for Node, which starts its threads as Node does.
    ort: await import("onnxruntime-web"),
    device: "wasm",
    threads,
    wasmPaths: { mjs: beside("ort-wasm-simd-threaded.mjs") },
    wasmBinary: await readFile(beside("ort-wasm-simd-threaded.wasm")),
  });
  return { backend, name: `wasm, ${threads} threads` };
}

async function modelOf(name: string, backend: OrtBackend): Promise<Sam2> {
  if (name === "nano") {
    return loadSam2(await fileSource(fileURLToPath(beside("nano.safetensors"))), {
      backend,
      config: await readConfig(fileURLToPath(beside("nano.json"))),
    });
  }
  const { checkpoint, config } = await resolveModel(name, { env: process.env });
  return loadSam2(await fileSource(checkpoint), {
    backend,
    ...(config !== undefined && { config: await readConfig(config) }),
  });
}

let loaded: OrtBackend | undefined;

const server = new EngineServer(
  {
    load: async (settings) => {
      const { backend, name } = await backendOf(settings.runtime);
      loaded = backend;
      const model = await modelOf(settings.model, backend);
      return { model, facts: { model: settings.model, runtime: name, imageSize: model.config.imageSize } };
    },
    detector: (path) => {
      if (loaded === undefined) throw new ExtensionError("engine-lost", "the engine has not been started");
      return openDetector(path, { backend: loaded });
    },
    models: async () => {
      const here = new Set((await listCachedModels(process.env)).map(({ name }) => name));
      return presetsByQuality().map((name) => ({ name, bytes: 4 * presetParameters(name), isHere: here.has(name) }));
    },
    openVideo: (path) => openVideo(path),
    download: async (model, signal, onProgress) => {
      await downloadModel(model, {
        env: process.env,
        signal,
        onProgress: ({ fraction, item }) => onProgress(fraction, item),
      });
    },
  },
  (reply) => process.send?.(reply),
);

process.on("message", (message) => server.handle(message as EngineRequest));
// The host has ended, whatever way.
process.on("disconnect", () => process.exit(0));
