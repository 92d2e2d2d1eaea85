/** The kinds of values that cross a port: what is sent of one, and what is taken for one at the other end. */
import type { RawImage } from "../image/image.ts";
import { copyPrompt, type Prompt } from "../prompt/prompt.ts";
import type { FrameResult } from "../video/frame-result.ts";
import type { ObjectMask, ObjectPrompt, OnFrame } from "../video/video-session.ts";

export interface Kind<T> {
  /** Whether what came is of this kind. What is further inside is checked by who uses it, as in a call without a port. */
  fits(value: unknown): boolean;
  /**
   * The value as it is sent: plain data that its owner's later changes do not reach. Buffers that nobody else sees are
   * put into `transfer`, to be handed over; those that are in it already are not copied.
   */
  send(value: T, transfer: Set<ArrayBuffer>): T;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;

const isBytes = (value: unknown): value is Uint8Array => value instanceof Uint8Array;

/** Sent as it is, and cloned on its way. */
export const data = <T>(fits: (value: unknown) => boolean = () => true): Kind<T> => ({ fits, send: (value) => value });

/** Sent as it is, and all its buffers are handed over: for what was made to be sent. */
export const given = <T>(fits: (value: unknown) => boolean = isObject): Kind<T> => ({
  fits,
  send: (value, transfer) => {
    handOver(value, transfer);
    return value;
  },
});

/** An object of exactly these fields: others that it has are left behind. */
export function fields<T extends object>(kinds: { readonly [K in keyof T]-?: Kind<T[K]> }): Kind<T> {
  const names = Object.keys(kinds) as (keyof T)[];
  return {
    fits: (value) => isObject(value) && names.every((name) => kinds[name].fits((value as Partial<T>)[name])),
    send: (value, transfer) => {
      const sent: Partial<T> = {};
      for (const name of names) {
        const field = value[name];
        if (field !== undefined) sent[name] = kinds[name].send(field, transfer);
      }
      return sent as T; // it has every field that the value has
    },
  };
}

export const list = <T>(kind: Kind<T>): Kind<readonly T[]> => ({
  fits: (value) => Array.isArray(value) && value.every((item) => kind.fits(item)),
  send: (items, transfer) => items.map((item) => kind.send(item, transfer)),
});

/** What may be left out. */
export const optional = <T>(kind: Kind<T>): Kind<T | undefined> => ({
  fits: (value) => value === undefined || kind.fits(value),
  send: (value, transfer) => (value === undefined ? value : kind.send(value, transfer)),
});

/** A handle, whatever comes with it. */
export const handle = <T extends { readonly handle: number }>(): Kind<T> =>
  data((value) => isObject(value) && Number.isSafeInteger(value["handle"]));

export const integer: Kind<number> = data(Number.isSafeInteger);

/** A file's bytes, that who sends them may keep. */
export const file: Kind<Uint8Array> = data(isBytes);

/** A file's bytes that were written to be sent. */
export const written: Kind<Uint8Array> = given(isBytes);

/** Its owner keeps the pixels, unless their buffer is to be handed over. */
export const image: Kind<RawImage> = {
  fits: (value) => isObject(value) && (isBytes(value["data"]) || value["data"] instanceof Uint8ClampedArray),
  send: ({ width, height, channels, data }, transfer) => ({ width, height, channels, data: owned(data, transfer) }),
};

export const prompt: Kind<Prompt> = {
  fits: isObject,
  send: (value, transfer) => {
    const copy = copyPrompt(value, "predict");
    if (copy.maskInput === undefined) return copy;
    const { width, height, data } = copy.maskInput;
    return { ...copy, maskInput: { width, height, data: owned(data, transfer) } };
  },
};

export const objectPrompt: Kind<ObjectPrompt & OnFrame> = {
  fits: isObject,
  send: ({ frame, object, clearOldPoints, ...shown }) => ({
    ...copyPrompt(shown, "addPrompt"),
    frame,
    object,
    ...(clearOldPoints !== undefined && { clearOldPoints }),
  }),
};

export const objectMask: Kind<ObjectMask & OnFrame> = {
  fits: (value) => isObject(value) && isObject(value["mask"]),
  send: ({ frame, object, mask: { width, height, data } }, transfer) => ({
    frame,
    object,
    mask: { width, height, data: owned(data, transfer) },
  }),
};

/** Made to be sent, all but its low-resolution logits: these are the session's own. */
export const frameResult: Kind<FrameResult> = {
  fits: (value) => isObject(value) && Array.isArray(value["objects"]),
  send: ({ frame, objects }, transfer) => {
    const own = objects.map((object) => {
      const { data, ...size } = object.lowResLogits;
      return { ...object, lowResLogits: { ...size, data: data.slice() } };
    });
    handOver(own, transfer);
    return { frame, objects: own };
  },
};

/** A copy that is handed over. A clone of a view would copy all of its buffer, and a shared one is refused. */
function owned<T extends Uint8Array | Uint8ClampedArray | Float32Array>(view: T, transfer: Set<ArrayBuffer>): T;
function owned(view: Uint8Array | Uint8ClampedArray | Float32Array, transfer: Set<ArrayBuffer>): typeof view {
  if (view.buffer instanceof ArrayBuffer && transfer.has(view.buffer)) return view;
  const copy = copyOf(view);
  transfer.add(copy.buffer);
  return copy;
}

/** `slice` of Node's `Buffer` is no copy. */
function copyOf(view: Uint8Array | Uint8ClampedArray | Float32Array) {
  if (view instanceof Uint8ClampedArray) return new Uint8ClampedArray(view);
  return view instanceof Float32Array ? new Float32Array(view) : new Uint8Array(view);
}

/** Puts every buffer into `transfer` of which a view shows all. */
function handOver(value: unknown, transfer: Set<ArrayBuffer>): void {
  if (ArrayBuffer.isView(value)) {
    const { buffer, byteLength } = value;
    if (buffer instanceof ArrayBuffer && byteLength === buffer.byteLength) transfer.add(buffer);
  } else if (isObject(value)) {
    for (const field of Object.values(value)) handOver(field, transfer);
  }
}
