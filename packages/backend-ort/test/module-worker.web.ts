/** What a page's module worker looks like. */
import { serveWorker } from "../../core/src/web/worker.ts";
import { createOrtBackend } from "../src/web.ts";

serveWorker({ backend: () => createOrtBackend({ device: "wasm" }) });
