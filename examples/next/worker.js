// As ../editor/worker.js, but that Next's bundler finds the runtime's files itself, and puts them where its own are.
import { createOrtBackend } from "@masklet/backend-ort/web";
import { serveWorker } from "@masklet/core/web";

serveWorker({ backend: () => createOrtBackend() });
