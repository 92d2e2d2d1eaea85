/** What a page's module worker looks like. */
import { openVideo } from "../../core/src/web/video.ts";
import { serveWorker } from "../../core/src/web/worker.ts";
import { createOrtBackend } from "../src/web.ts";

serveWorker({
  backend: () => createOrtBackend({ device: "wasm" }),
  openVideo: (file, options) => openVideo(file as Blob, options),
});
