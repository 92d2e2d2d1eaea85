import { parseConfig } from "@masklet/core";
import { createWorkerPredictor } from "@masklet/core/remote";
import { nanoModel } from "@masklet/model-nano";

/**
 * A predictor in a worker. `name` is one of the published models, which is fetched once and kept; without it nano, the
 * small one that ships with Masklet: good for drawings, rough with photographs.
 *
 * @param {{ name?: string, onProgress?: (fraction: number) => void, worker?: Worker }} [options] `worker` where a bundler
 * wants one of its own
 */
export async function openModel({ name, onProgress = () => {}, worker = startWorker() } = {}) {
  const options = { onProgress: (/** @type {{ fraction: number }} */ { fraction }) => onProgress(fraction) };
  if (name !== undefined) return createWorkerPredictor(worker, name, options);
  // Nano's sizes are in a file of their own; published models are recognised by their tensors.
  const config = parseConfig(await (await fetch(nanoModel.config)).json());
  return createWorkerPredictor(worker, nanoModel.checkpoint, { ...options, config });
}

const startWorker = () => new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
