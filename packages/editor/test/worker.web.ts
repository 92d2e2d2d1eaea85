import { createOrtBackend } from "@masklet/backend-ort/web";
import { serveWorker } from "@masklet/core/web";

serveWorker({ backend: () => createOrtBackend({ device: "wasm" }) });
