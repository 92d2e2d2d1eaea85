/** The first page's model, on its way while the page is shown: before the editor, which takes as long to come. */
import { parseConfig } from "@masklet/core";
import { createWorkerPredictor, type RemoteImagePredictor } from "@masklet/core/remote";
import { nano, startWorker } from "./engine.ts";

export const loading: Promise<RemoteImagePredictor> = createWorkerPredictor(startWorker(), nano.url, {
  config: parseConfig(nano.config),
});
loading.catch(() => {}); // told by the editor's script
