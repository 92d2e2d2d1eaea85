/**
 * The engine behind its channel: one model, encoded pictures in a bounded cache, requests one after the other with clicks
 * first. It has no state that cannot be had again, so that whoever asked only has to ask again when the process is lost.
 */
import {
  AutomaticMaskGenerator,
  compressRle,
  type Detector,
  encodeRle,
  ImagePredictor,
  MemoryEmbeddingCache,
  type Prompt,
  rleArea,
  type Sam2,
  StateError,
  segmentMany,
} from "@masklet/core";
import type { VideoFrames } from "@masklet/core/node";
import { serveSam2 } from "@masklet/core/remote";
import { ExtensionError } from "../errors.ts";
import { wirePicture } from "../picture.ts";
import type { WirePicture } from "../protocol.ts";
import { Channel, type Packed } from "./channel.ts";
import type { EngineFacts, EngineMethods, EngineReply, EngineRequest, EngineSettings } from "./protocol.ts";

/** A detector that holds what it runs on. */
export type OpenDetector = Detector & { dispose(): Promise<void> };

/** What the engine computes with. */
export interface EngineParts {
  load(settings: EngineSettings): Promise<{ readonly model: Sam2; readonly facts: EngineFacts }>;
  /** Opens a detector's ONNX file for the backend that was loaded last. */
  detector(path: string): Promise<OpenDetector>;
  models(): Promise<EngineMethods["models"]["result"]>;
  openVideo(path: string): Promise<VideoFrames>;
  download(model: string, signal: AbortSignal, onProgress: (share: number, text: string) => void): Promise<void>;
}

interface Started {
  readonly facts: EngineFacts;
  readonly model: Sam2;
  readonly clicks: ImagePredictor;
  /** For pictures that nobody has asked for yet. */
  readonly ahead: ImagePredictor;
}

interface Work {
  readonly request: EngineRequest;
  readonly run: () => Promise<unknown>;
  /** Smaller ones go first. */
  readonly rank: number;
}

export class EngineServer {
  readonly #parts: EngineParts;
  readonly #reply: (reply: EngineReply) => void;
  #started: Promise<Started> | undefined;
  #cache: MemoryEmbeddingCache | undefined;
  /** The picture that the predictor of clicks holds. */
  #current: string | undefined;
  #queue: Work[] = [];
  #isRunning = false;
  /** The detector that was asked last. */
  #detector: { readonly path: string; readonly opened: Promise<OpenDetector> } | undefined;
  readonly #cancels = new Map<number, AbortController>();
  readonly #ports = new Map<number, Channel>();
  readonly #videos = new Map<number, Promise<VideoFrames>>();

  constructor(parts: EngineParts, reply: (reply: EngineReply) => void) {
    this.#parts = parts;
    this.#reply = reply;
  }

  /** A request from the other side. What makes no sense is answered with an error. */
  handle(request: EngineRequest): void {
    switch (request.method) {
      case "start":
        this.#start(request.args as EngineSettings);
        void this.#answer(request, async () => (await this.#need()).facts);
        return;
      case "models":
        void this.#answer(request, () => this.#parts.models());
        return;
      case "download": {
        const { model } = request.args as EngineMethods["download"]["args"];
        const abort = new AbortController();
        this.#cancels.set(request.id, abort);
        const progress = (share: number, text: string): void => this.#reply({ id: request.id, progress: share, text });
        void this.#answer(request, async () => {
          try {
            await this.#parts.download(model, abort.signal, progress);
            return null;
          } finally {
            this.#cancels.delete(request.id);
          }
        });
        return;
      }
      case "cancel": {
        const { id } = request.args as EngineMethods["cancel"]["args"];
        this.#cancels.get(id)?.abort();
        void this.#answer(request, async () => null);
        return;
      }
      case "encode": {
        const args = request.args as EngineMethods["encode"]["args"];
        this.#enqueue({ request, run: () => this.#encode(args), rank: args.ahead ? 1 : 0 });
        return;
      }
      case "everything": {
        const args = request.args as EngineMethods["everything"]["args"];
        this.#enqueueLong(request, (signal) => this.#everything(args, signal));
        return;
      }
      case "detect": {
        const args = request.args as EngineMethods["detect"]["args"];
        this.#enqueueLong(request, (signal) => this.#detect(args, signal));
        return;
      }
      case "port": {
        const { port, message } = request.args as EngineMethods["port"]["args"];
        void this.#answer(request, async () => this.#deliver(port, message));
        return;
      }
      case "close-port": {
        const { port } = request.args as EngineMethods["close-port"]["args"];
        this.#ports.get(port)?.close();
        this.#ports.delete(port);
        void this.#answer(request, async () => null);
        return;
      }
      case "open-video": {
        const args = request.args as EngineMethods["open-video"]["args"];
        void this.#answer(request, () => this.#openVideo(args));
        return;
      }
      case "video-frame": {
        const args = request.args as EngineMethods["video-frame"]["args"];
        void this.#answer(request, () => this.#videoFrame(args));
        return;
      }
      case "close-video": {
        const { video } = request.args as EngineMethods["close-video"]["args"];
        const open = this.#videos.get(video);
        this.#videos.delete(video);
        void this.#answer(request, async () => {
          await (await open)?.close();
          return null;
        });
        return;
      }
      case "predict": {
        const args = request.args as EngineMethods["predict"]["args"];
        if (args.latest) this.#supersede(args.key);
        this.#enqueue({ request, run: () => this.#predict(args), rank: 0 });
        return;
      }
      default:
        void this.#answer(request, async () => {
          throw new ExtensionError("message-malformed", `the engine has no method ${String(request.method)}`);
        });
    }
  }

  #start(settings: EngineSettings): void {
    this.#cache = new MemoryEmbeddingCache({ maxBytes: settings.cacheBytes });
    this.#current = undefined;
    this.#started = this.#parts.load(settings).then(({ model, facts }) => ({
      facts,
      model,
      clicks: new ImagePredictor(model),
      ahead: new ImagePredictor(model),
    }));
    this.#started.catch(() => undefined); // whoever asks next is told
  }

  #need(): Promise<Started> {
    return this.#started ?? Promise.reject(new ExtensionError("engine-lost", "the engine has not been started"));
  }

  #enqueue(work: Work): void {
    this.#queue.push(work);
    void this.#drain();
  }

  /** Work for when there is nothing else to do, which `cancel` ends. */
  #enqueueLong(request: EngineRequest, work: (signal: AbortSignal) => Promise<unknown>): void {
    const abort = new AbortController();
    this.#cancels.set(request.id, abort);
    const run = async (): Promise<unknown> => {
      try {
        return await work(abort.signal);
      } finally {
        this.#cancels.delete(request.id);
      }
    };
    this.#enqueue({ request, run, rank: 2 });
  }

  async #drain(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    for (;;) {
      const next = this.#queue.reduce<Work | undefined>(
        (best, one) => (best === undefined || one.rank < best.rank ? one : best),
        undefined,
      );
      if (next === undefined) break;
      this.#queue = this.#queue.filter((one) => one !== next);
      await this.#answer(next.request, next.run);
      // Messages that have come meanwhile are heard before the next begins.
      await new Promise((resolve) => setTimeout(resolve));
    }
    this.#isRunning = false;
  }

  /** Clicks that wait while a newer one has come are not computed. */
  #supersede(key: string): void {
    const isOlder = ({ request }: Work): boolean => {
      const args = request.args as Partial<EngineMethods["predict"]["args"]>;
      return request.method === "predict" && args.latest === true && args.key === key;
    };
    for (const { request } of this.#queue.filter(isOlder)) {
      void this.#answer(request, async () => {
        throw new StateError("superseded", "a newer click has come");
      });
    }
    this.#queue = this.#queue.filter((work) => !isOlder(work));
  }

  async #answer({ id }: EngineRequest, run: () => Promise<unknown>): Promise<void> {
    try {
      this.#reply({ id, result: await run() });
    } catch (error) {
      const isAbort = error instanceof Error && error.name === "AbortError"; // whose code is a number
      const known = typeof error === "object" && error !== null && "code" in error ? String(error.code) : "unknown";
      const code = isAbort ? "cancelled" : known;
      this.#reply({ id, error: { code, message: error instanceof Error ? error.message : String(error) } });
    }
  }

  async #encode({ key, picture, ahead }: EngineMethods["encode"]["args"]): Promise<{ readonly wasThere: boolean }> {
    const started = await this.#need();
    const cache = this.#cache as MemoryEmbeddingCache;
    const wasThere = (await cache.get(key)) !== undefined;
    if (ahead && wasThere) return { wasThere };
    const predictor = ahead ? started.ahead : started.clicks;
    await predictor.setImage(pixelsOf(picture), { cache, key });
    if (ahead) await predictor.reset();
    else this.#current = key;
    return { wasThere };
  }

  /** Videos are tracked beside the queue: each frame of theirs is a request of its own to whatever computes. */
  #deliver(port: number, message: Packed): null {
    let channel = this.#ports.get(port);
    if (channel === undefined) {
      channel = new Channel((answer) => this.#reply({ port, message: answer }));
      this.#ports.set(port, channel);
      serveSam2(channel, {
        // There is one model, the engine's own, whatever is asked for.
        open: async () => (await this.#need()).model,
      });
    }
    channel.deliver(message);
    return null;
  }

  async #openVideo({
    video,
    path,
  }: EngineMethods["open-video"]["args"]): Promise<EngineMethods["open-video"]["result"]> {
    const before = this.#videos.get(video);
    const opening = this.#parts.openVideo(path);
    this.#videos.set(video, opening);
    // A page that is loaded anew asks for its video again.
    before?.then((frames) => frames.close()).catch(() => undefined);
    try {
      const { size, info } = await opening;
      return { width: size.width, height: size.height, count: info.frames, rate: info.fps };
    } catch (error) {
      if (this.#videos.get(video) === opening) this.#videos.delete(video);
      throw error;
    }
  }

  async #videoFrame({
    video,
    index,
  }: EngineMethods["video-frame"]["args"]): Promise<EngineMethods["video-frame"]["result"]> {
    const open = this.#videos.get(video);
    if (open === undefined) throw new ExtensionError("picture-unknown", "the video has to be opened again");
    const image = await (await open).frame(index);
    return image === undefined ? null : wirePicture(image);
  }

  async #everything(
    { picture }: EngineMethods["everything"]["args"],
    signal: AbortSignal,
  ): Promise<EngineMethods["everything"]["result"]> {
    const { model } = await this.#need();
    await using generator = new AutomaticMaskGenerator(model, { pointsPerSide: 16 });
    const masks = await generator.generate(pixelsOf(picture), { signal });
    return {
      masks: masks.map(({ rle, iouPrediction }) => ({ counts: compressRle(rle).counts, score: iouPrediction })),
    };
  }

  async #detect(
    { picture, detector: path }: EngineMethods["detect"]["args"],
    signal: AbortSignal,
  ): Promise<EngineMethods["detect"]["result"]> {
    const { model } = await this.#need();
    const image = pixelsOf(picture);
    const detector = await this.#open(path);
    const found = await detector.detect(image, { signal });
    if (found.length === 0) return { masks: [] };
    const job = { image, prompts: found.map(({ box }) => ({ box })) };
    const masks: EngineMethods["detect"]["result"]["masks"][number][] = [];
    for await (const result of segmentMany(model, [job], { multimaskOutput: false, signal })) {
      if ("error" in result) throw result.error;
      for (const [i, { best }] of result.predictions.entries()) {
        const { label: category, score } = found[i] as (typeof found)[number];
        const rle = encodeRle(best);
        if (rleArea(rle) > 0) masks.push({ counts: compressRle(rle).counts, score, category });
      }
    }
    return { masks };
  }

  /** One detector is open at a time. */
  async #open(path: string): Promise<OpenDetector> {
    if (this.#detector?.path !== path) {
      const before = this.#detector?.opened;
      await before?.then(
        (one) => one.dispose(),
        () => undefined,
      );
      this.#detector = { path, opened: this.#parts.detector(path) };
    }
    const { opened } = this.#detector;
    try {
      return await opened;
    } catch (error) {
      this.#detector = undefined; // its file may be mended
      throw error;
    }
  }

  async #predict({
    key,
    prompt,
    multimaskOutput,
  }: EngineMethods["predict"]["args"]): Promise<EngineMethods["predict"]["result"]> {
    const { clicks } = await this.#need();
    if (this.#current !== key) {
      const file = await (this.#cache as MemoryEmbeddingCache).get(key);
      if (file === undefined) throw new ExtensionError("picture-unknown", "the picture has to be encoded again");
      await clicks.loadImages([file]);
      this.#current = key;
    }
    const { masks, iouPredictions } = await clicks.predict(prompt as Prompt, { multimaskOutput });
    return {
      masks: masks.map((mask, i) => ({ counts: compressRle(encodeRle(mask)).counts, score: iouPredictions[i] ?? 0 })),
    };
  }
}

function pixelsOf({ data, ...picture }: WirePicture): {
  readonly width: number;
  readonly height: number;
  readonly channels: 3 | 4;
  readonly data: Uint8Array;
} {
  return { ...picture, data: new Uint8Array(data) };
}
