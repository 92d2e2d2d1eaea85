/**
 * A worker that serves SAM 2 and finders of subjects on ONNX Runtime's wasm, built as one classic script: for hosts that
 * allow workers from blobs alone, such as a plugin's iframe or a page with a strict content security policy. It imports
 * and fetches nothing: checkpoint, ONNX file and wasm come as bytes. A message `{ wasm }` before the first request starts
 * the runtime while the checkpoint is still on its way; requests need no `backend` then.
 *
 *     const worker = new Worker(URL.createObjectURL(new Blob([script])));
 *     const predictor = await createWorkerPredictor(worker, checkpoint, { backend: { wasm } });
 *
 * A finder's source is an ONNX file's bytes, or `{ file, kind }` with the kind that `openSubjectFinder` takes.
 */
import { BackendError } from "@masklet/core/backend";
import { type PortLike, type Sam2HostOptions, serveSam2 } from "@masklet/core/remote";
import * as ort from "onnxruntime-web/wasm";
import type { OrtBackend } from "./runtime.ts";
import { openSubjectModel } from "./subject-finder.ts";
import type { SubjectModelKind } from "./subject-models.ts";
import { createOrtBackend } from "./web-backend.ts";

/** The `backend` of a client's request. */
interface ClassicWorkerBackend {
  /** `ort-wasm-simd-threaded.wasm` of the `onnxruntime-web` that this was built with; needed once. */
  readonly wasm?: Uint8Array | ArrayBuffer;
}

/** The source of a client's finder. */
interface ClassicWorkerFinder {
  readonly file: unknown;
  readonly kind?: SubjectModelKind;
}

ort.env.logLevel = "error";

const createBackend = async (options: unknown): Promise<OrtBackend> => {
  const { wasm = ort.env.wasm.wasmBinary } = (options ?? {}) as ClassicWorkerBackend;
  if (!(wasm instanceof ArrayBuffer || wasm instanceof Uint8Array)) {
    throw new BackendError(
      "runtime-missing",
      "this worker fetches nothing: pass ort-wasm-simd-threaded.wasm of onnxruntime-web as backend: { wasm }",
    );
  }
  return createOrtBackend({ ort, device: "wasm", threads: 1, wasmBinary: wasm });
};

const openFinder: NonNullable<Sam2HostOptions["openFinder"]> = async (source, { backend: asked, signal }) => {
  const { file, kind }: ClassicWorkerFinder = isFinder(source) ? source : { file: source };
  if (!(file instanceof Uint8Array)) {
    throw new BackendError(
      "unsupported",
      `openSubjectFinder: this worker takes an ONNX file's bytes, got ${typeof file}`,
    );
  }
  const backend = await createBackend(asked);
  try {
    // The kind is checked where it is used.
    const finder = await openSubjectModel(async () => file, { backend, signal, ...(kind !== undefined && { kind }) });
    const { kind: found } = finder;
    return { kind: found, find: (image, options) => finder.find(image, options), dispose: () => backend.dispose() };
  } catch (error) {
    await backend.dispose();
    throw error;
  }
};

function isFinder(source: unknown): source is ClassicWorkerFinder {
  return typeof source === "object" && source !== null && "file" in source;
}

// The worker's own scope, which the types of a page do not have.
const scope = globalThis as unknown as PortLike & {
  addEventListener(type: "message", heard: (event: { readonly data: unknown }) => void): void;
};
scope.addEventListener("message", ({ data }) => {
  const { wasm } = (data ?? {}) as ClassicWorkerBackend;
  if (wasm === undefined) return;
  // What is wrong with it is said to the first request, which starts the runtime again.
  createBackend({ wasm }).then(
    (backend) => backend.dispose(),
    () => undefined,
  );
});
serveSam2(scope, { backend: createBackend, openFinder });
