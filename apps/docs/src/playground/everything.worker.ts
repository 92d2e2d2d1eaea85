/** Everything-mode's side: a model of its own for as long as it takes, so that stopping it is ending the worker. */
import { createOrtBackend } from "@masklet/backend-ort/web";
import { AutomaticMaskGenerator, compressRle, loadSam2, type RawImage, type Sam2Config } from "@masklet/core/web";
import mjs from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import wasm from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import type { EverythingSettings } from "./work.ts";

/** What the page asks, once. */
export interface EverythingRequest {
  /** Of the checkpoint. */
  readonly url: string;
  readonly config?: Sam2Config;
  readonly image: RawImage;
  readonly settings: EverythingSettings;
}

export interface FoundMask {
  readonly size: readonly [number, number];
  readonly counts: string;
  readonly score: number;
}

/** What it answers: how far it is, then the masks or what went wrong. */
export type EverythingAnswer =
  | { readonly fraction: number; readonly found: number }
  | { readonly masks: readonly FoundMask[] }
  | { readonly error: string };

const here = (url: string): URL => new URL(url, self.location.href);
const answer = (message: EverythingAnswer): void => self.postMessage(message);

self.addEventListener("message", async ({ data }: MessageEvent<EverythingRequest>) => {
  try {
    const backend = await createOrtBackend({ device: "wasm", wasmPaths: { mjs: here(mjs), wasm: here(wasm) } });
    const model = await loadSam2(data.url, { backend, ...(data.config && { config: data.config }) });
    let found = 0;
    for await (const step of new AutomaticMaskGenerator(model, data.settings).stream(data.image)) {
      if (step.kind === "found") {
        found += step.masks.length;
        answer({ fraction: step.fraction, found });
      } else {
        answer({
          masks: step.masks.map(({ rle, iouPrediction }) => {
            const { size, counts } = compressRle(rle);
            return { size, counts, score: iouPrediction };
          }),
        });
      }
    }
  } catch (error) {
    answer({ error: error instanceof Error ? error.message : String(error) });
  }
});
