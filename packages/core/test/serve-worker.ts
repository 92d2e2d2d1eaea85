/** A worker thread that serves the reference backend as an application would: by `serveWorker`. */
import { createReferenceBackend } from "../src/backend/reference.ts";
import { serveWorker } from "../src/node.ts";

serveWorker({ backend: createReferenceBackend() });
