/** What answers clicks, as the page sees it: the host's process, or a worker of the page where there are no processes. */
import { type CompressedRle, decodeRle, type Mask, type Prompt, parseConfig, type RawImage } from "@masklet/core";
import { createWorkerPredictor, type WorkerPredictorOptions } from "@masklet/core/remote";
import type { PictureEngine } from "@masklet/editor/element";
import type { EngineFacts } from "../../engine/protocol.ts";
import { wirePicture } from "../../picture.ts";
import type { ShowMessage, ToHost, WirePrediction } from "../../protocol.ts";

/** An error that keeps its code. */
export class EngineFailure extends Error {
  override readonly name: string = "EngineFailure";
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

type Question<M> = Extract<M, { readonly id: number }>;
type Asked<M> = Question<M> extends infer Q ? (Q extends Question<M> ? Omit<Q, "id"> : never) : never;

/** Questions to the host and their answers; `M` is what the page sends. */
export class Asking<M = ToHost> {
  readonly #post: (message: M) => void;
  readonly #waiting = new Map<number, { resolve: (result: unknown) => void; reject: (error: EngineFailure) => void }>();
  #nextId = 1;

  constructor(post: (message: M) => void) {
    this.#post = post;
  }

  ask(question: Asked<M>): Promise<unknown> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#post({ ...question, id } as M);
    });
  }

  answered(id: number, result: unknown): void {
    this.#waiting.get(id)?.resolve(result);
    this.#waiting.delete(id);
  }

  failed(id: number, code: string, message: string): void {
    this.#waiting.get(id)?.reject(new EngineFailure(code, message));
    this.#waiting.delete(id);
  }
}

/** The engine of the host. A picture that it has lost, with its process, is sent again. */
export function hostEngine(asking: Asking, key: string, { imageSize }: EngineFacts): PictureEngine {
  let picture: RawImage | undefined;
  const encode = async (): Promise<void> => {
    if (picture !== undefined) await asking.ask({ type: "encode", key, picture: wirePicture(picture), ahead: false });
  };
  return {
    model: { config: { imageSize } },
    setImage: async (image) => {
      picture = image;
      await encode();
    },
    predict: async (prompt, { multimaskOutput, latest }) => {
      const question = { type: "predict", key, prompt: wirePrompt(prompt), multimaskOutput, latest } as const;
      let answer: unknown;
      try {
        answer = await asking.ask(question);
      } catch (error) {
        if (!(error instanceof EngineFailure) || error.code !== "picture-unknown") throw error;
        await encode();
        answer = await asking.ask(question);
      }
      const { masks } = answer as WirePrediction;
      const { width, height } = picture as RawImage;
      return {
        masks: masks.map(({ counts }): Mask => {
          const rle: CompressedRle = { size: [height, width], counts };
          return decodeRle(rle);
        }),
        iouPredictions: masks.map(({ score }) => score),
      };
    },
  };
}

/** Numbers that any channel carries. */
function wirePrompt({ maskInput, ...prompt }: Prompt): Prompt {
  return maskInput === undefined
    ? prompt
    : { ...prompt, maskInput: { ...maskInput, data: Float32Array.from(maskInput.data) } };
}

export type WorkerFiles = NonNullable<ShowMessage["worker"]>;

/** A worker of this page, and what it loads. Workers of a webview fetch nothing: all they need comes as bytes. */
export async function startWorker({ script, wasm, checkpoint, config }: WorkerFiles): Promise<{
  readonly worker: Worker;
  readonly weights: Uint8Array<ArrayBuffer>;
  readonly options: Pick<WorkerPredictorOptions, "config" | "backend" | "transfer">;
}> {
  const bytes = async (address: string): Promise<Uint8Array<ArrayBuffer>> =>
    new Uint8Array(await (await fetch(address)).arrayBuffer());
  const [code, runtime, weights, settings] = await Promise.all([
    bytes(script),
    bytes(wasm),
    bytes(checkpoint),
    bytes(config),
  ]);
  const worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
  return {
    worker,
    weights,
    options: {
      config: parseConfig(JSON.parse(new TextDecoder().decode(settings))),
      backend: { wasm: runtime },
      transfer: [weights.buffer, runtime.buffer],
    },
  };
}

/** The engine in a worker of this page. */
export async function workerEngine(files: WorkerFiles): Promise<PictureEngine> {
  const { worker, weights, options } = await startWorker(files);
  return createWorkerPredictor(worker, weights, options);
}
