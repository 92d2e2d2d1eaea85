/** The model's side of the first page's editor. */
import { createOrtBackend } from "@masklet/backend-ort/web";
import { serveWorker } from "@masklet/core/web";
import mjs from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import wasm from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";

const here = (url: string): URL => new URL(url, self.location.href);

serveWorker({
  backend: () => createOrtBackend({ device: "wasm", wasmPaths: { mjs: here(mjs), wasm: here(wasm) } }),
});
