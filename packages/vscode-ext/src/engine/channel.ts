/**
 * What carries core's remote protocol between a page and the engine's process, which no structured clone reaches in one go:
 * VS Code's own channel to a page is JSON with buffers.
 */
import type { PortLike } from "@masklet/core/remote";

/** A message as text, and its buffers beside it. */
export interface Packed {
  readonly text: string;
  readonly buffers: readonly ArrayBuffer[];
}

const views = { Float32Array, Float64Array, Int32Array, Uint8Array, Uint8ClampedArray, Uint16Array, Uint32Array };

/** Stands in the text for what JSON has not: a buffer, a view of one, a number that is none or not finite. */
interface Stand {
  readonly $masklet: string;
  readonly at?: number;
}

/** Packs what core's protocol says: plain data with typed arrays. Throws a `TypeError` for an array of another kind. */
export function pack(message: unknown): Packed {
  const buffers: ArrayBuffer[] = [];
  const coded = (value: unknown): unknown => {
    if (typeof value === "number" && !Number.isFinite(value)) return { $masklet: String(value) } satisfies Stand;
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) return value.map(coded);
    const kind = value instanceof ArrayBuffer ? "ArrayBuffer" : ArrayBuffer.isView(value) ? value.constructor.name : "";
    if (kind === "") return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, coded(one)]));
    if (kind !== "ArrayBuffer" && !Object.hasOwn(views, kind))
      throw new TypeError(`pack: there is no place for ${kind}`);
    // Of a view no more than it shows: what it is a part of may be large, and another's.
    const exact = value instanceof ArrayBuffer ? value : (value as Uint8Array).slice().buffer;
    return { $masklet: kind, at: buffers.push(exact as ArrayBuffer) - 1 } satisfies Stand;
  };
  return { text: JSON.stringify(coded(message)), buffers };
}

export function unpack({ text, buffers }: Packed): unknown {
  return JSON.parse(text, (_, value: unknown) => {
    if (typeof value !== "object" || value === null || !("$masklet" in value)) return value;
    const { $masklet: kind, at } = value as Stand;
    if (at === undefined) return Number(kind);
    const buffer = buffers[at] as ArrayBuffer;
    return kind === "ArrayBuffer" ? buffer : new views[kind as keyof typeof views](buffer);
  });
}

/** One end of a channel, as core's remote client and host take it. */
export class Channel implements PortLike {
  readonly #post: (message: Packed) => void;
  readonly #listeners = new Map<string, Set<(value: unknown) => void>>();

  constructor(post: (message: Packed) => void) {
    this.#post = post;
  }

  postMessage(message: unknown): void {
    this.#post(pack(message));
  }

  on(event: string, listener: (value: unknown) => void): void {
    this.#listeners.set(event, (this.#listeners.get(event) ?? new Set()).add(listener));
  }

  off(event: string, listener: (value: unknown) => void): void {
    this.#listeners.get(event)?.delete(listener);
  }

  /** What the other end has posted. */
  deliver(message: Packed): void {
    this.#tell("message", unpack(message));
  }

  /** The other end is not there any more. */
  close(): void {
    this.#tell("close", undefined);
  }

  #tell(event: string, value: unknown): void {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) listener(value);
  }
}
