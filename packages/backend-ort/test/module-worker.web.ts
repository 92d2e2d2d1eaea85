/** What a page's module worker looks like. */
import { openVideo, serveWorker } from "@masklet/core/web";
import { createOrtBackend } from "../src/web.ts";

serveWorker({
  backend: () => createOrtBackend({ device: "wasm" }),
  openVideo: (file, options) => openVideo(file as Blob, options),
});
