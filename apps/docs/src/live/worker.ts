/** The model's side of the editors. */
import { availableDevices, createOrtBackend, type OrtBackend } from "@masklet/backend-ort/web";
import { openVideo, serveWorker } from "@masklet/core/web";
import gpuMjs from "onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs?url";
import gpuWasm from "onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url";
import mjs from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import wasm from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";

const here = (url: string): URL => new URL(url, self.location.href);

serveWorker({
  backend: async (given): Promise<OrtBackend> => {
    // Nano is done on the CPU before the build for GPUs, twice as large, is here.
    const usesGpu = given === "gpu" && (await availableDevices()).includes("webgpu");
    return usesGpu
      ? createOrtBackend({ device: "webgpu", wasmPaths: { mjs: here(gpuMjs), wasm: here(gpuWasm) } })
      : createOrtBackend({ device: "wasm", wasmPaths: { mjs: here(mjs), wasm: here(wasm) } });
  },
  openVideo: (file, options) => openVideo(file as Blob, options),
});
