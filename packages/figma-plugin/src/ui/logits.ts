/**
 * What the model thought of each object, beyond its mask: where it hesitated along the edge. Kept small, eight bits a
 * logit, and cut off where the model is firm, so that it can be stored with a result.
 */
import type { Mask, MaskLogits } from "@masklet/core";
import type { EditorSession } from "@masklet/editor";
import type { Predictor } from "./engine.ts";

/** A logit of this size is firm, whatever lies beyond. */
const most = 4;
const steps = 127 / most;

/** Logits [height, width] in 127ths of `most`, never 0: their signs are the mask. */
interface Rounded {
  readonly width: number;
  readonly height: number;
  readonly data: Int8Array;
}

/** Masks are of one object from this IoU on, as coarsely as logits are. */
const alike = 0.8;

/** The logits of a session's objects; it listens to the session, and takes them from the engine's last predictions. */
export class ObjectLogits {
  readonly #session: EditorSession;
  /** By the object's id: of each mask that the model offered. */
  readonly #known = new Map<number, readonly Rounded[]>();
  readonly #masks = new Map<number, string>();

  constructor(session: EditorSession) {
    this.#session = session;
    for (const { id, mask } of session.document.objects) this.#masks.set(id, mask);
    session.subscribe(({ type }) => {
      if (type === "step") this.#look();
    });
  }

  /** What the model thought of an object, if it is still much the same; else `undefined`. */
  of(id: number): MaskLogits | undefined {
    const best = this.#best(this.#known.get(id) ?? [], this.#session.mask(id));
    return best && { ...best, data: new Float32Array(best.data).map((value) => value / steps) };
  }

  /** As text, for `read`; empty where there are none. */
  write(id: number): string {
    const best = this.#best(this.#known.get(id) ?? [], this.#session.mask(id));
    return best === undefined ? "" : `${best.width} ${best.height} ${runs(best.data)}`;
  }

  /** Takes what `write` gave; anything else is left. */
  read(id: number, text: unknown): void {
    const [width = 0, height = 0, packed = ""] = typeof text === "string" ? text.split(" ") : [];
    const data = unpackRuns(packed, Number(width) * Number(height));
    if (data !== undefined) this.#known.set(id, [{ width: Number(width), height: Number(height), data }]);
  }

  /** Finds the prediction that an object's new mask is from. */
  #look(): void {
    const { recent = [] } = (this.#session.engine ?? {}) as Partial<Predictor>;
    for (const { id, mask } of this.#session.document.objects) {
      if (this.#masks.get(id) === mask) continue;
      this.#masks.set(id, mask);
      const seen = this.#session.mask(id);
      const from = recent.map((all) => all.map(rounded)).find((all) => this.#best(all, seen) !== undefined);
      if (from !== undefined) this.#known.set(id, from);
    }
  }

  #best(all: readonly Rounded[], mask: Mask): Rounded | undefined {
    const scored = all.map((one) => [iou(one, mask), one] as const).sort(([a], [b]) => b - a);
    const [score = 0, best] = scored[0] ?? [];
    return score >= alike ? best : undefined;
  }
}

function rounded({ width, height, data }: MaskLogits): Rounded {
  const out = new Int8Array(data.length);
  for (let i = 0; i < out.length; i++) {
    const logit = data[i] as number;
    const size = Math.max(1, Math.min(127, Math.round(Math.abs(logit) * steps)));
    out[i] = logit > 0 ? size : -size;
  }
  return { width, height, data: out };
}

/** Of the mask that the logits are and another, at the middles of the logits' cells. */
function iou({ width, height, data }: Rounded, mask: Mask): number {
  let [both, either] = [0, 0];
  for (let y = 0, i = 0; y < height; y++) {
    const row = Math.floor(((y + 0.5) * mask.height) / height) * mask.width;
    for (let x = 0; x < width; x++, i++) {
      const isIn = mask.data[row + Math.floor(((x + 0.5) * mask.width) / width)] !== 0;
      const isThought = (data[i] as number) > 0;
      if (isIn || isThought) either++;
      if (isIn && isThought) both++;
    }
  }
  return either === 0 ? 0 : both / either;
}

/** Pairs of a value and how often it comes, up to 255 times, in base64. */
function runs(data: Int8Array): string {
  let letters = "";
  for (let i = 0; i < data.length; ) {
    let count = 1;
    while (count < 255 && data[i + count] === data[i]) count++;
    letters += String.fromCharCode((data[i] as number) & 255, count);
    i += count;
  }
  return btoa(letters);
}

function unpackRuns(text: string, length: number): Int8Array | undefined {
  const most = 1024 ** 2;
  if (text === "" || !(length > 0 && length <= most)) return undefined;
  if (!/^[A-Za-z0-9+/]+=*$/.test(text) || text.length % 4 !== 0) return undefined;
  const letters = atob(text);
  const data = new Int8Array(length);
  let at = 0;
  for (let i = 0; i + 1 < letters.length; i += 2) {
    const count = letters.charCodeAt(i + 1);
    data.fill(letters.charCodeAt(i), at, at + count); // an Int8Array has the sign again
    at += count;
  }
  return at === length ? data : undefined;
}
