/** Runs in a worker of the editor's page: holds the model. */
import { createOrtBackend } from "@masklet/backend-ort/web";
import { serveWorker } from "@masklet/core/web";

serveWorker({ backend: () => createOrtBackend({ device: "wasm", wasmPaths: "/wasm/" }) });
