/** One layer's picture while it is cut out: pixels, objects, and what becomes of them. No window is needed for it. */
import { cutFromFlatBackground, type RawImage, type SubjectDoubt } from "@masklet/core";
import { type EdgeSettings, EditorSession } from "@masklet/editor";
import type { Job, Target } from "../protocol.ts";
import type { Channel } from "./channel.ts";
import { decodePicture } from "./pictures.ts";
import { type CutObject, cutObjects, type FlatObject, makeOutput, type Recipe } from "./results.ts";

export interface WorkOptions {
  readonly channel: Channel;
  readonly target: Target;
  /** Of objects whose own edge is hard. */
  readonly edge: EdgeSettings;
}

export class Work {
  readonly image: RawImage;
  readonly session: EditorSession;
  /** Changes its stamp and what was made when a result is applied. */
  target: Target;
  readonly #edge: EdgeSettings;
  #flat: FlatObject | undefined;

  constructor(target: Target, image: RawImage, session: EditorSession, { feather, decontaminate }: EdgeSettings) {
    this.target = target;
    this.image = image;
    this.session = session;
    this.#edge = { feather, decontaminate };
  }

  /** Fetches a layer's picture, and what was done to it before. Rejects with a `PluginError`. */
  static async open({ channel, target, edge }: WorkOptions): Promise<Work> {
    const { bytes, width, height } = await channel.call("picture", { hash: target.hash });
    const image = await decodePicture(bytes, { width, height });
    return new Work(
      target,
      image,
      readEdit(target.made?.edit ?? "", image) ?? new EditorSession({ width, height }),
      edge,
    );
  }

  /** The same picture in another layer: what is done to one is done to both. */
  in(target: Target): Work {
    const other = new Work(target, this.image, this.session, this.#edge);
    other.#flat = this.#flat;
    return other;
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
    const { session } = this;
    if (cut.unsure.includes("no-subject")) return cut.unsure;
    session.remove(...session.document.objects.map(({ id }) => id));
    session.addObjects([{ mask: cut.mask, name: this.target.name }]);
    const [object] = session.document.objects;
    if (object !== undefined) {
      this.#flat = { mask: object.mask, cut };
      session.select(object.id);
    }
    return cut.unsure;
  }

  cut(): readonly CutObject[] {
    return cutObjects(this.session, this.image, this.#edge, this.#flat);
  }

  /** Stores a result's images, and says what to make. Rejects with a `PluginError`. */
  async job(channel: Channel, recipe: Recipe): Promise<Job> {
    const { node, field, hash, stamp, name, width, height } = this.target;
    const output = await makeOutput({
      recipe,
      image: this.image,
      objects: this.cut(),
      name,
      edit: this.#edit(),
      weight: Math.max(1, Math.round(Math.min(width, height) / 50)),
      store: (bytes) => channel.call("store", { bytes }),
    });
    return { node, field, hash, stamp, output };
  }

  #edit(): string {
    return JSON.stringify({ version: 1, document: this.session.document });
  }
}

/** What was kept with a result; nothing for what another version or another picture left. */
function readEdit(text: string, { width, height }: RawImage): EditorSession | undefined {
  if (text === "") return undefined;
  try {
    const { version, document } = JSON.parse(text);
    if (version !== 1 || document.width !== width || document.height !== height) return undefined;
    const session = new EditorSession(document);
    const last = session.document.objects.at(-1);
    if (last !== undefined) session.select(last.id);
    return session;
  } catch {
    return undefined;
  }
}
