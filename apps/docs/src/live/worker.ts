/**
 * The model's side of the editors. Nano runs on TensorFlow.js, whose wasm is a thirtieth of ONNX Runtime's: the first mask
 * is there in half the time (apps/docs/runtimes.md). Larger models are ONNX Runtime's.
 */
import type { Backend } from "@masklet/core";
import { openVideo, serveWorker } from "@masklet/core/web";
import tfPlain from "@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url";
import tfSimd from "@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url";
import tfThreads from "@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm?url";
import gpuMjs from "onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs?url";
import gpuWasm from "onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url";
import mjs from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import wasm from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";

const here = (url: string): URL => new URL(url, self.location.href);

async function small(): Promise<Backend> {
  const { createTfjsBackend } = await import("@masklet/backend-tfjs/web");
  return createTfjsBackend({
    engine: "wasm",
    wasmPaths: {
      "tfjs-backend-wasm.wasm": here(tfPlain).href,
      "tfjs-backend-wasm-simd.wasm": here(tfSimd).href,
      "tfjs-backend-wasm-threaded-simd.wasm": here(tfThreads).href,
    },
  });
}

async function large(): Promise<Backend> {
  const { availableDevices, createOrtBackend } = await import("@masklet/backend-ort/web");
  const hasGpu = (await availableDevices()).includes("webgpu");
  const wasmPaths = hasGpu ? { mjs: here(gpuMjs), wasm: here(gpuWasm) } : { mjs: here(mjs), wasm: here(wasm) };
  return createOrtBackend({ device: hasGpu ? "webgpu" : "wasm", wasmPaths });
}

serveWorker({
  backend: (given) => (given === "large" ? large() : small()),
  openVideo: (file, options) => openVideo(file as Blob, options),
});
