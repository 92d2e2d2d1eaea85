/** One layer's picture while it is cut out: pixels, objects, and what becomes of them. No window is needed for it. */
import {
  BackgroundRemover,
  cutFromFlatBackground,
  type FoundSubject,
  outlineSubject,
  type RawImage,
  type SubjectDoubt,
  softCutout,
} from "@masklet/core";
import { type EdgeSettings, EditorSession } from "@masklet/editor";
import type { Job, Target } from "../protocol.ts";
import type { Channel } from "./channel.ts";
import { type Engine, pictureKeys } from "./engine.ts";
import { type Colours, decodePicture, isDrawing } from "./pictures.ts";
import { type CutObject, cutObjects, type ExactCut, makeOutput, type Recipe, shareOf } from "./results.ts";

export interface WorkOptions {
  readonly channel: Channel;
  readonly target: Target;
  /** Of objects whose own edge is hard. */
  readonly edge: EdgeSettings;
}

/** What speaks against a removed background, or that none was removed because no model here can judge the picture. */
export type Removal = readonly SubjectDoubt[] | "needs-model";

/** What is kept with a result, besides the objects. */
interface Edit {
  readonly session: EditorSession;
  /** How the object of this id was found exactly. */
  readonly exact: { readonly object: number; readonly method: ExactCut["method"] } | undefined;
}

export class Work {
  readonly image: RawImage;
  readonly session: EditorSession;
  /** Changes its stamp and what was made when a result is applied. */
  target: Target;
  /** What the picture's colours are counted in. */
  readonly colours: Colours;
  readonly #edge: EdgeSettings;
  #exact: ExactCut | undefined;
  #isDrawing: boolean | undefined;

  constructor(
    target: Target,
    image: RawImage,
    session: EditorSession,
    { feather, decontaminate, colours = "srgb" }: EdgeSettings & { readonly colours?: Colours },
  ) {
    this.target = target;
    this.image = image;
    this.session = session;
    this.#edge = { feather, decontaminate };
    this.colours = colours;
  }

  /** Fetches a layer's picture, and what was done to it before. Rejects with a `PluginError`. */
  static async open({ channel, target, edge }: WorkOptions): Promise<Work> {
    const { bytes, width, height, colours } = await channel.call("picture", { hash: target.hash });
    const image = await decodePicture(bytes, { width, height, colours });
    pictureKeys.set(image, target.hash);
    const edit = readEdit(target.made?.edit ?? "", image);
    const work = new Work(target, image, edit?.session ?? new EditorSession({ width, height }), {
      ...edge,
      colours,
    });
    if (edit?.exact !== undefined) await work.#findExact(channel, edit.exact);
    return work;
  }

  /** The same picture in another layer: what is done to one is done to both. */
  in(target: Target): Work {
    const other = new Work(target, this.image, this.session, { ...this.#edge, colours: this.colours });
    other.#exact = this.#exact;
    other.#isDrawing = this.#isDrawing;
    return other;
  }

  /** Whether the built-in model knows such pictures. */
  get isDrawing(): boolean {
    this.#isDrawing ??= isDrawing(this.image);
    return this.#isDrawing;
  }

  /** Whether there is an object to cut out. */
  get isReady(): boolean {
    return this.session.document.objects.length > 0;
  }

  /**
   * Cuts the object from a background of one colour, in place of the objects there are; what speaks against the result,
   * or `undefined` for another background, which changes nothing.
   */
  removeFlatBackground(): readonly SubjectDoubt[] | undefined {
    const cut = cutFromFlatBackground(this.image);
    if (cut === undefined) return undefined;
    if (!cut.unsure.includes("no-subject")) this.#replace(cut.mask, { method: "flat", image: cut.image });
    return cut.unsure;
  }

  /**
   * Cuts out what the picture is about: from a flat background by the colour, from another with the engine's models, where
   * they know such pictures. Rejects with the models' errors and the signal's reason.
   */
  async removeBackground(engine: Engine, signal?: AbortSignal): Promise<Removal> {
    return this.removeFlatBackground() ?? this.findSubject(engine, signal);
  }

  /** As `removeBackground`, of a picture whose background is known not to be flat. */
  async findSubject(engine: Engine, signal?: AbortSignal): Promise<Removal> {
    const method = await engine.subjectMethod(this.isDrawing);
    signal?.throwIfAborted();
    if (method === undefined) return "needs-model";
    const stop = signal === undefined ? {} : { signal };
    if (method.isSoft) {
      const { finder } = method;
      const remover = new BackgroundRemover(noModel, { finder, sharpen: false, flat: false, maxPixels: Infinity });
      const { cutout, mask, unsure } = await remover.remove(this.image, stop);
      if (!unsure.includes("no-subject")) this.#replace(mask, { method: "soft", image: cutout });
      return unsure;
    }
    const found = await method.finder.find(this.image, stop);
    const predictor = await engine.predictor();
    await predictor.setImage(this.image);
    signal?.throwIfAborted();
    const { mask, soft, unsure } = await outlineSubject(predictor, found, {
      imageSize: predictor.model.config.imageSize,
      ...stop,
    });
    if (unsure.includes("no-subject")) return unsure;
    this.#replace(mask, soft && { method: "soft", image: softCutout(this.image, soft) });
    this.session.engine = predictor;
    return unsure;
  }

  cut(): readonly CutObject[] {
    return cutObjects(this.session, this.image, this.#edge, this.#exact);
  }

  /** Stores a result's images, and says what to make. Rejects with a `PluginError`. */
  async job(channel: Channel, recipe: Recipe): Promise<Job> {
    const { node, field, hash, stamp, name, width, height } = this.target;
    const output = await makeOutput({
      recipe,
      image: this.image,
      objects: this.cut(),
      name,
      edit: this.#edit(recipe),
      weight: Math.max(1, Math.round(Math.min(width, height) / 50)),
      colours: this.colours,
      store: (bytes) => channel.call("store", { bytes }),
    });
    return { node, field, hash, stamp, output };
  }

  /** One object in the place of all. */
  #replace(mask: Parameters<EditorSession["addObjects"]>[0][number]["mask"], exact?: Omit<ExactCut, "mask">): void {
    const { session } = this;
    session.remove(...session.document.objects.map(({ id }) => id));
    session.addObjects([{ mask, name: this.target.name }]);
    const [object] = session.document.objects;
    if (object === undefined) return;
    this.#exact = exact && { mask: object.mask, ...exact };
    session.select(object.id);
  }

  /** What an edit says was exact, found again: by the colour, or in the alpha of the result. */
  async #findExact(channel: Channel, { object: id, method }: NonNullable<Edit["exact"]>): Promise<void> {
    const mask = this.session.document.objects.find((object) => object.id === id)?.mask;
    if (mask === undefined) return;
    if (method === "flat") {
      const cut = cutFromFlatBackground(this.image);
      if (cut !== undefined) this.#exact = { mask, method, image: cut.image };
      return;
    }
    const { kind, results } = this.target.made ?? { kind: undefined, results: [] };
    const [hash] = results;
    if (hash === undefined) return;
    // Where the result's image is gone the mask is left, which is what others see too.
    const stored = await channel.call("picture", { hash }).catch(() => undefined);
    if (stored?.width !== this.image.width || stored.height !== this.image.height) return;
    const alpha = await decodePicture(stored.bytes, stored);
    if (alpha.channels !== 4) return;
    const { width, height, data } = kind === "mask-group" ? alpha : shareOf(alpha, this.image);
    const soft: FoundSubject = { width, height, data: new Float32Array(width * height) };
    for (let i = 0; i < soft.data.length; i++) soft.data[i] = (data[4 * i + 3] as number) / 255;
    this.#exact = { mask, method, image: softCutout(this.image, soft) };
  }

  #edit({ inverted, kind, vector }: Recipe): string {
    const exact = this.#exact;
    const { document } = this.session;
    const object = document.objects.find(({ mask }) => mask === exact?.mask);
    // Only results of the picture's size that hold the object's own alpha, and no other's, can give it back.
    const isAlone = document.objects.length === 1;
    const isThere = isAlone && !inverted && !vector && ["mask-group", "fill", "copy"].includes(kind ?? "");
    const isKept = exact !== undefined && object !== undefined && (exact.method === "flat" || isThere);
    return JSON.stringify({
      version: 1,
      document,
      ...(isKept && { exact: { object: object.id, method: exact.method } }),
    });
  }
}

/** What was kept with a result; nothing for what another version or another picture left. */
function readEdit(text: string, { width, height }: RawImage): Edit | undefined {
  if (text === "") return undefined;
  try {
    const { version, document, exact } = JSON.parse(text);
    if (version !== 1 || document.width !== width || document.height !== height) return undefined;
    const session = new EditorSession(document);
    const last = session.document.objects.at(-1);
    if (last !== undefined) session.select(last.id);
    const isExact = Number.isInteger(exact?.object) && (exact.method === "flat" || exact.method === "soft");
    return { session, exact: isExact ? exact : undefined };
  } catch {
    return undefined;
  }
}

/** Soft masks need none. */
function noModel(): Promise<never> {
  return Promise.reject(new Error("a soft mask needs no model"));
}
