/**
 * A worker that serves SAM 2 on ONNX Runtime's wasm, built as one classic script: for hosts that allow workers from
 * blobs alone, such as a plugin's iframe or a page with a strict content security policy. It imports and fetches
 * nothing: checkpoint and wasm come as bytes.
 *
 *     const worker = new Worker(URL.createObjectURL(new Blob([script])));
 *     const predictor = await createWorkerPredictor(worker, checkpoint, { backend: { wasm } });
 */
import { BackendError } from "@masklet/core/backend";
import { type PortLike, serveSam2 } from "@masklet/core/remote";
import * as ort from "onnxruntime-web/wasm";
import { createOrtBackend } from "./web-backend.ts";

/** The `backend` of a client's request. */
interface ClassicWorkerBackend {
  /** `ort-wasm-simd-threaded.wasm` of the `onnxruntime-web` that this was built with; needed once. */
  readonly wasm?: Uint8Array | ArrayBuffer;
}

ort.env.logLevel = "error";

// The worker's own scope, which the types of a page do not have.
serveSam2(globalThis as unknown as PortLike, {
  backend: async (options) => {
    const { wasm = ort.env.wasm.wasmBinary } = (options ?? {}) as ClassicWorkerBackend;
    if (!(wasm instanceof ArrayBuffer || wasm instanceof Uint8Array)) {
      throw new BackendError(
        "runtime-missing",
        "this worker fetches nothing: pass ort-wasm-simd-threaded.wasm of onnxruntime-web as backend: { wasm }",
      );
    }
    return createOrtBackend({ ort, device: "wasm", threads: 1, wasmBinary: wasm });
  },
});
