// The model's side, the same for every page here. The runtime's two files lie beside this script, as bundled.
import { createOrtBackend } from "@masklet/backend-ort/web";
import { serveWorker } from "@masklet/core/web";

serveWorker({ backend: () => createOrtBackend({ wasmPaths: new URL("./wasm/", self.location.href).href }) });
