/** One layer's picture while it is cut out: pixels, objects, and what becomes of them. No window is needed for it. */
import {
  BackgroundRemover,
  cutFromFlatBackground,
  encodeRle,
  type FoundSubject,
  type Mask,
  outlineSubject,
  type RawImage,
  rleArea,
  type SubjectDoubt,
  softCutout,
} from "@masklet/core";
import { maskPictureFrom } from "@masklet/core/web";
import { EditorSession } from "@masklet/editor";
import { type Affine, scaling, transformPoint } from "../geometry.ts";
import { type CutSettings, isCutSettings, type Job, PluginError, type Target } from "../protocol.ts";
import type { Channel } from "./channel.ts";
import { type Engine, pictureKeys } from "./engine.ts";
import { ObjectLogits } from "./logits.ts";
import { type Colours, decodePicture, frameCount, isDrawing, longest } from "./pictures.ts";
import {
  type CutObject,
  cutObjects,
  type ExactCut,
  makeOutput,
  outlineWeight,
  type Recipe,
  shareOf,
} from "./results.ts";

export interface WorkOptions {
  readonly channel: Channel;
  readonly target: Target;
  /** Of what was not cut out before. */
  readonly settings: CutSettings;
}

/** What a person should know of a picture: that it moves, or is larger than Figma takes a result. */
export type PictureNote = "animated" | "large";

/** What speaks against a removed background, or that none was removed because no model here can judge the picture. */
export type Removal = readonly SubjectDoubt[] | "needs-model";

/** What is kept with a result, besides the objects. */
interface Edit {
  readonly session: EditorSession;
  readonly settings: CutSettings | undefined;
  /** Of objects by their ids: as `ObjectLogits` writes them. */
  readonly logits: Readonly<Record<string, unknown>>;
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
  readonly notes: readonly PictureNote[];
  /** How it is cut out; as it was before, until a person changes it. */
  settings: CutSettings;
  #logits: ObjectLogits;
  #exact: ExactCut | undefined;
  #isDrawing: boolean | undefined;

  constructor(
    target: Target,
    image: RawImage,
    session: EditorSession,
    settings: CutSettings,
    { colours = "srgb", notes = [] }: { readonly colours?: Colours; readonly notes?: readonly PictureNote[] } = {},
  ) {
    this.target = target;
    this.image = image;
    this.session = session;
    const { feather, decontaminate, hair, outline } = settings;
    this.settings = { feather, decontaminate, hair, outline };
    this.colours = colours;
    this.notes = notes;
    this.#logits = new ObjectLogits(session);
  }

  /** Fetches a layer's picture, and what was done to it before. Rejects with a `PluginError`. */
  static async open({ channel, target, settings }: WorkOptions): Promise<Work> {
    const { bytes, width, height, colours } = await channel.call("picture", { hash: target.hash });
    const image = await decodePicture(bytes, { width, height, colours });
    pictureKeys.set(image, target.hash);
    const edit = readEdit(target.made?.edit ?? "", image);
    const notes: PictureNote[] = [];
    if (frameCount(bytes) > 1) notes.push("animated");
    if (Math.max(width, height) > longest) notes.push("large");
    const session = edit?.session ?? new EditorSession({ width, height });
    const work = new Work(target, image, session, edit?.settings ?? settings, { colours, notes });
    for (const [id, text] of Object.entries(edit?.logits ?? {})) work.#logits.read(Number(id), text);
    if (edit?.exact !== undefined) await work.#findExact(channel, edit.exact);
    return work;
  }

  /** The same picture in another layer: what is done to one is done to both. */
  in(target: Target): Work {
    const other = new Work(target, this.image, this.session, this.settings, this);
    other.#logits = this.#logits;
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
    this.session.engine = predictor; // before the mask, whose logits it has
    this.#replace(mask, soft && { method: "soft", image: softCutout(this.image, soft) });
    return unsure;
  }

  /**
   * Adds the objects of a mask's picture, which covers the whole image, or lies where `map` says: from the image's pixels
   * to the picture's unit square; how many they are, and what may be wrong with them. Rejects with core's errors for what is
   * no picture, and with a `PluginError` "no-mask" for one that shows none, or of another shape than the image.
   */
  async importMask(
    file: Blob,
    map?: Affine,
  ): Promise<{ readonly count: number; readonly warnings: readonly string[] }> {
    const { image, session } = this;
    const warnings: string[] = [];
    const picture = await maskPictureFrom(file, {
      maxPixels: Number.POSITIVE_INFINITY,
      onWarning: ({ message }) => warnings.push(message),
    });
    const { width, height } = picture;
    if (map === undefined && Math.abs((width * image.height) / (height * image.width) - 1) > 0.02) {
      const sizes = `${width} x ${height}, the image ${image.width} x ${image.height}`;
      throw new PluginError("no-mask", `The mask's shape is not the image's: it is ${sizes}.`);
    }
    const toUnit = map ?? scaling(1 / image.width, 1 / image.height);
    // Packed one by one: maps of many labels would fill the memory.
    const masks = picture.labels.map((label) => encodeRle(maskUnder(picture.mask(label), toUnit, image)));
    const added = masks.filter((mask) => rleArea(mask) > 0).map((mask) => ({ mask }));
    if (added.length === 0) throw new PluginError("no-mask", "There is no object in that mask, or none on the image.");
    session.addObjects(added);
    session.select(session.document.objects.at(-1)?.id ?? null);
    return { count: added.length, warnings };
  }

  cut(): readonly CutObject[] {
    const { settings } = this;
    return cutObjects(this.session, this.image, { settings, exact: this.#exact, logits: (id) => this.#logits.of(id) });
  }

  /** Stores a result's images, and says what to make. Rejects with a `PluginError`. */
  async job(channel: Channel, recipe: Recipe): Promise<Job> {
    const { node, field, hash, stamp, name } = this.target;
    const output = await makeOutput({
      recipe,
      image: this.image,
      objects: this.cut(),
      name,
      edit: this.#edit(recipe),
      weight: outlineWeight(this.target, this.settings.outline),
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
    const edit = {
      version: 1,
      document,
      settings: this.settings,
      ...(isKept && { exact: { object: object.id, method: exact.method } }),
    };
    const text = JSON.stringify(edit);
    if (!this.settings.hair) return text;
    // Without the logits hair is looked for all along the edge: they are the first to go where there is no room.
    const logits = Object.fromEntries(document.objects.map(({ id }) => [id, this.#logits.write(id)]));
    const whole = JSON.stringify({ ...edit, logits });
    return whole.length < mostEdit ? whole : text;
  }
}

/** Letters of an edit that the main thread has room for, beside its own notes; more than it has is not kept at all. */
const mostEdit = 90_000;

/** What was kept with a result; nothing for what another version or another picture left. */
function readEdit(text: string, { width, height }: RawImage): Edit | undefined {
  if (text === "") return undefined;
  try {
    const { version, document, exact, settings, logits } = JSON.parse(text);
    if (version !== 1 || document.width !== width || document.height !== height) return undefined;
    const session = new EditorSession(document);
    const last = session.document.objects.at(-1);
    if (last !== undefined) session.select(last.id);
    const isExact = Number.isInteger(exact?.object) && (exact.method === "flat" || exact.method === "soft");
    return {
      session,
      settings: isCutSettings(settings) ? settings : undefined,
      logits: typeof logits === "object" && logits !== null ? logits : {},
      exact: isExact ? exact : undefined,
    };
  } catch {
    return undefined;
  }
}

/** A mask seen through a map from pixels of the image to its unit square. */
function maskUnder(mask: Mask, map: Affine, { width, height }: RawImage): Mask {
  const data = new Uint8Array(width * height);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const [u, v] = transformPoint(map, x + 0.5, y + 0.5);
      if (u < 0 || v < 0 || u >= 1 || v >= 1) continue;
      data[i] = mask.data[Math.floor(v * mask.height) * mask.width + Math.floor(u * mask.width)] === 0 ? 0 : 1;
    }
  }
  return { width, height, data };
}

/** Soft masks need none. */
function noModel(): Promise<never> {
  return Promise.reject(new Error("a soft mask needs no model"));
}
