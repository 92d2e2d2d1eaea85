/** In the page of first-mask.ts: nano from nothing to the first mask, on the backend that the bundle is of. */
import type { Backend } from "@masklet/core";
import { ImagePredictor, imageFrom, loadSam2, parseConfig } from "@masklet/core/web";
import type { FirstMask } from "./report.ts";

export async function firstMask(start: () => Promise<Backend>): Promise<FirstMask> {
  const get = async (url: string): Promise<Response> => {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`${url}: ${response.status}`);
    return response;
  };
  // As a page would: all at once.
  const [backend, checkpoint, config, picture] = await Promise.all([
    start(),
    get("/nano.safetensors").then((response) => response.arrayBuffer()),
    get("/nano.json").then((response) => response.json()),
    get("/scene.png").then((response) => response.blob()),
  ]);
  const started = performance.now();
  const model = await loadSam2(new Uint8Array(checkpoint), { backend, config: parseConfig(config) });
  const predictor = new ImagePredictor(model);
  const loaded = performance.now();
  await predictor.setImage(await imageFrom(picture));
  const encoded = performance.now();
  const { best } = await predictor.predict({ points: [[130, 121]] });
  if (!best.data.includes(1)) throw new Error("the mask is empty");
  const mask = performance.now();
  const clicks: number[] = [];
  for (let i = 0; i < 5; i++) {
    const before = performance.now();
    await predictor.predict({ points: [[130 + i, 121]] });
    clicks.push(performance.now() - before);
  }
  return { started, loaded, encoded, mask, click: clicks.sort((a, b) => a - b)[2] ?? Number.NaN };
}
