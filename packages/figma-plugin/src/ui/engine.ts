/**
 * The models: the built-in one in a worker made of what the page holds, others from files or by the hosted engine where
 * it can be reached. Nothing is fetched unless a person chooses a model that has to be.
 */
import { type MaskLogits, MemoryEmbeddingCache, parseConfig, type RawImage, type SubjectFinder } from "@masklet/core";
import {
  RemoteClient,
  type RemoteImagePredictor,
  type RemoteSam2,
  type RemoteSubjectFinder,
} from "@masklet/core/remote";
import { configOf } from "../engine/protocol.ts";
import { HostedEngine } from "./hosted.ts";

/** What answers clicks; it keeps what it knows of the pictures seen last. */
export interface Predictor {
  readonly model: RemoteSam2;
  readonly predict: RemoteImagePredictor["predict"];
  /** Of the last predictions the logits of each mask. */
  readonly recent: readonly (readonly MaskLogits[])[];
  setImage(image: RawImage): Promise<void>;
}

/** Where a model is from: the page itself, a file, or the hosted engine. */
export type ModelChoice =
  | { readonly from: "built-in" }
  | { readonly from: "file"; readonly name: string; readonly file: Blob; readonly config?: Blob }
  /** Published, or a file that is kept there. */
  | { readonly from: "hosted"; readonly name: string };

/** A model of saliency or matting that a person has given: an ONNX file, and its kind where the file does not say it. */
export interface FinderFile {
  readonly name: string;
  readonly kind: string | null;
  readonly file: Blob;
}

/** How a subject is found in a picture, and who draws its outline. */
export interface SubjectMethod {
  readonly finder: SubjectFinder;
  /** Whether the finder's soft mask is the result; else the predictor draws the outline. */
  readonly isSoft: boolean;
}

/** The hashes of pictures: one that comes again, decoded anew, is not encoded again. */
export const pictureKeys: WeakMap<RawImage, string> = new WeakMap();

/** Predictions that `recent` goes back: those that a person was shown while pointing come between. */
const mostRecent = 4;

interface Loaded {
  readonly model: RemoteSam2;
  readonly predictor: Predictor;
  close(): Promise<void>;
}

interface OpenedFinder {
  readonly name: string;
  readonly finder: RemoteSubjectFinder;
  close(): Promise<void>;
}

/** Models whose own edges are coarse: SAM 2 draws better ones. */
const coarse: readonly string[] = ["u2net"];

export interface EngineOptions {
  /** Of the hosted engine's page, if the build names one. */
  readonly hosted?: string;
}

export class Engine {
  /** The hosted engine once it has answered; `undefined` until then, and where it does not in time. */
  hosted: HostedEngine | undefined;
  /** Resolves when the hosted engine has answered or will not. */
  readonly isSettled: Promise<void>;
  /** Called when a model is there or gone, hosted or not. */
  onChange: () => void = () => undefined;
  /** Resolves when the models that were chosen another day are in use, or will not be: subjects wait for it, clicks do not. */
  ready: Promise<void> = Promise.resolve();
  #choice: ModelChoice = { from: "built-in" };
  #loaded: Promise<Loaded> | undefined;
  #finder: OpenedFinder | undefined;
  /** How often a model was asked for: the last wish counts, whichever loads first. */
  #wishes = 0;

  constructor({ hosted }: EngineOptions = {}) {
    const connecting = hosted === undefined ? Promise.resolve(undefined) : HostedEngine.connect({ url: hosted });
    this.isSettled = connecting.then((engine) => {
      this.hosted = engine;
      if (engine === undefined) return;
      engine.onState = () => this.onChange();
      this.onChange();
    });
  }

  get choice(): ModelChoice {
    return this.#choice;
  }

  /** Whether it is the built-in model, which knows drawings and not photographs. */
  get isBuiltIn(): boolean {
    return this.#choice.from === "built-in";
  }

  /** The name of the finder's file, if there is one. */
  get finderName(): string | undefined {
    return this.#finder?.name;
  }

  /** What answers clicks, started when it is first asked for. */
  async predictor(): Promise<Predictor> {
    return (await this.#current()).predictor;
  }

  /** How to find the subject of a picture that this engine can judge; `undefined` where it would only guess. */
  async subjectMethod(isDrawing: boolean): Promise<SubjectMethod | undefined> {
    await this.ready;
    const knows = !this.isBuiltIn || isDrawing;
    if (this.#finder !== undefined) {
      const { finder } = this.#finder;
      return { finder, isSoft: !knows || !coarse.includes(finder.kind ?? "") };
    }
    if (!knows) return undefined;
    return { finder: await (await this.#current()).model.subjectFinder(), isSoft: false };
  }

  /**
   * Takes another model in place of the one before, which stays where the other does not load, or is no longer wanted when
   * it has. A file is kept by the hosted engine where there is one, which computes faster.
   */
  async use(choice: ModelChoice, onProgress?: (fraction: number, stage: string) => void): Promise<void> {
    const wish = ++this.#wishes;
    const { hosted } = this;
    const isKept = choice.from === "file" && hosted !== undefined;
    if (isKept) {
      await hosted.keep(choice.name, choice.file);
      if (choice.config !== undefined) await hosted.keep(configOf(choice.name), choice.config);
    }
    const wanted: ModelChoice = isKept ? { from: "hosted", name: choice.name } : choice;
    let next: Loaded;
    try {
      next = await this.#load(wanted, onProgress);
    } catch (error) {
      if (isKept) await this.forget(choice.name);
      throw error;
    }
    if (wish !== this.#wishes) return next.close();
    const before = this.#loaded;
    this.#loaded = Promise.resolve(next);
    this.#choice = wanted;
    this.onChange();
    await (await before?.catch(() => undefined))?.close();
  }

  /** Deletes a model from the hosted engine's storage. */
  async forget(name: string): Promise<void> {
    await this.hosted?.forget(name);
    await this.hosted?.forget(configOf(name));
  }

  /**
   * Opens a model of saliency from its file, and keeps the file in the hosted engine's storage where there is one, in place
   * of the one before. Rejects with the model's error: "model-ambiguous" where the file does not say what it is.
   */
  async useFinder(finder: FinderFile): Promise<void> {
    await this.ready; // else the one of another day may come late, and take its place
    const { hosted } = this;
    if (hosted === undefined) return this.openFinder(finder);
    const before = this.finderName;
    await hosted.keep(finder.name, finder.file);
    try {
      await this.#openFinder(finder.name, finder.kind, undefined);
    } catch (error) {
      await hosted.forget(finder.name);
      throw error;
    }
    if (before !== undefined && before !== finder.name) await hosted.forget(before);
  }

  /** As `useFinder`, and keeps nothing. */
  openFinder({ name, kind, file }: FinderFile): Promise<void> {
    return this.#openFinder(name, kind, file);
  }

  /** Opens what `useFinder` has kept in the hosted engine's storage; false where it is gone. */
  async useKeptFinder(name: string, kind: string | null): Promise<boolean> {
    if (this.hosted?.state.kept.some((file) => file.name === name) !== true) return false;
    await this.#openFinder(name, kind, undefined);
    return true;
  }

  /** Lets go of the finder, and of its file in the hosted engine's storage. */
  async forgetFinder(): Promise<void> {
    await this.ready;
    const finder = this.#finder;
    this.#finder = undefined;
    this.onChange();
    await finder?.close();
    if (finder !== undefined) await this.hosted?.forget(finder.name);
  }

  /** `file` undefined: the hosted engine has it. */
  async #openFinder(name: string, kind: string | null, file: Blob | undefined): Promise<void> {
    const named = kind === null ? {} : { kind };
    let opened: OpenedFinder;
    if (file === undefined && this.hosted !== undefined) {
      const finder = await this.hosted.client.openSubjectFinder({ kept: name, ...named });
      opened = { name, finder, close: () => finder.dispose() };
    } else {
      const { client, close } = await startWorker();
      try {
        const bytes = file && (await bytesOf(file));
        const transfer = bytes === undefined ? [] : [bytes.buffer];
        const finder = await client.openSubjectFinder({ file: bytes, ...named }, { transfer });
        opened = { name, finder, close };
      } catch (error) {
        await close();
        throw error;
      }
    }
    const before = this.#finder;
    this.#finder = opened;
    this.onChange();
    await before?.close();
  }

  #current(): Promise<Loaded> {
    if (this.#loaded !== undefined) return this.#loaded;
    const loading = this.#load(this.#choice);
    this.#loaded = loading;
    loading.catch(() => {
      // The next call tries again, unless another model has come in the meantime.
      if (this.#loaded === loading) this.#loaded = undefined;
    });
    return loading;
  }

  async #load(choice: ModelChoice, onProgress?: (fraction: number, stage: string) => void): Promise<Loaded> {
    const heard = onProgress && {
      onProgress: ({ fraction, stage }: { fraction: number; stage: string }) => onProgress(fraction, stage),
    };
    if (choice.from === "hosted") {
      const { hosted } = this;
      if (hosted === undefined) throw new Error("The hosted engine does not answer. Are you offline?");
      const isKept = hosted.state.kept.some(({ name }) => name === choice.name);
      const model = await hosted.client.load(isKept ? { kept: choice.name } : choice.name, heard);
      return loaded(model, () => model.dispose());
    }
    const isFile = choice.from === "file";
    // First, because the runtime starts while the model is unpacked.
    const { client, close } = await startWorker();
    try {
      const [checkpoint, config] = await Promise.all([
        isFile ? bytesOf(choice.file) : unpack("checkpoint"),
        isFile ? choice.config && bytesOf(choice.config) : unpack("config"),
      ]);
      const transfer = [checkpoint.buffer];
      const model = await client.load(checkpoint, {
        ...(config !== undefined && { config: parseConfig(JSON.parse(new TextDecoder().decode(config))) }),
        transfer,
        ...heard,
      });
      return await loaded(model, close);
    } catch (error) {
      await close();
      throw error;
    }
  }
}

async function loaded(model: RemoteSam2, close: () => Promise<void>): Promise<Loaded> {
  const images = await model.imagePredictor();
  const cache = new MemoryEmbeddingCache();
  const recent: (readonly MaskLogits[])[] = [];
  let shown: string | undefined;
  const setImage = async (image: RawImage): Promise<void> => {
    // When the next one comes: the first click would wait for it.
    if (shown !== undefined && cache.get(shown) === undefined) cache.set(shown, await images.saveImage());
    const key = pictureKeys.get(image);
    const known = key !== undefined && cache.get(key) !== undefined;
    await images.setImage(image, known ? { cache, key } : {});
    shown = key;
  };
  // One at a time: what is kept under a picture's key must be that picture.
  let turn: Promise<void> = Promise.resolve();
  const predictor: Predictor = {
    model,
    recent,
    predict: async (prompt, options) => {
      const prediction = await images.predict(prompt, options);
      recent.unshift(prediction.lowResLogits);
      recent.splice(mostRecent);
      return prediction;
    },
    setImage: (image) => {
      const set = turn.then(() => setImage(image));
      turn = set.catch(() => undefined);
      return set;
    },
  };
  return { model, predictor, close };
}

interface Started {
  readonly client: RemoteClient;
  close(): Promise<void>;
}

/** A worker of its own for each model, so that one that does not load leaves the others, and memory goes with it. */
async function startWorker(): Promise<Started> {
  const [script, wasm] = await Promise.all([unpack("worker"), unpack("wasm")]);
  const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  // A classic worker: pages of null origin start no other from a blob.
  const worker = new Worker(url);
  worker.postMessage({ wasm }, [wasm.buffer]);
  const client = new RemoteClient(worker);
  const close = async (): Promise<void> => {
    void client.dispose().catch(() => undefined);
    worker.terminate();
    URL.revokeObjectURL(url);
  };
  return { client, close };
}

export async function bytesOf(file: Blob): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await file.arrayBuffer());
}

/** Text of the page, unpacked: the build puts gzip as base64 into inert scripts. */
async function unpack(id: string): Promise<Uint8Array<ArrayBuffer>> {
  const packed = bytesOfBase64(document.getElementById(id)?.textContent ?? "");
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function bytesOfBase64(text: string): Uint8Array<ArrayBuffer> {
  // What newer browsers have takes a tenth of the time.
  const { fromBase64 } = Uint8Array as { readonly fromBase64?: (text: string) => Uint8Array<ArrayBuffer> };
  if (fromBase64 !== undefined) return fromBase64.call(Uint8Array, text);
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}
