import { crc32 } from "../src/checkpoint/crc32.ts";
import { encodeUtf8 } from "../src/checkpoint/utf8.ts";
import { CheckpointError } from "../src/errors.ts";

/** Small checkpoints, right and wrong, built byte by byte. */

export interface ZipFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** What the directory says instead of the truth. */
  readonly lie?: Partial<Record<"method" | "flags" | "size" | "crc" | "headerOffset", number>>;
  /** Padding in the local header's extra field, as torch aligns its storages. */
  readonly padding?: number;
}

export function zip(
  files: readonly ZipFile[],
  options: { readonly zip64?: boolean; readonly comment?: string } = {},
): Uint8Array {
  const out = new Writer();
  const directory = new Writer();
  for (const { name, bytes, lie = {}, padding = 0 } of files) {
    const headerOffset = lie.headerOffset ?? out.length;
    const [text, size, crc] = [encodeUtf8(name), lie.size ?? bytes.length, lie.crc ?? crc32(bytes)];
    const [flags, method] = [lie.flags ?? 0x800, lie.method ?? 0];
    out.u32(0x04034b50).u16(20, flags, method, 0, 0).u32(crc, size, size).u16(text.length, padding).put(text);
    out.put(new Uint8Array(padding)).put(bytes);
    const extra = new Writer();
    if (options.zip64 === true) extra.u16(1, 24).u64(size, size, headerOffset);
    const narrow = (value: number): number => (options.zip64 === true ? 0xffffffff : value);
    directory.u32(0x02014b50).u16(45, 45, flags, method, 0, 0).u32(crc, narrow(size), narrow(size));
    directory.u16(text.length, extra.length, 0, 0, 0).u32(0, narrow(headerOffset)).put(text).put(extra.bytes());
  }
  const at = out.length;
  out.put(directory.bytes());
  if (options.zip64 === true) {
    const end = out.length;
    out.u32(0x06064b50).u64(44).u16(45, 45).u32(0, 0).u64(files.length, files.length, directory.length, at);
    out.u32(0x07064b50, 0).u64(end).u32(1);
    out.u32(0x06054b50).u16(0, 0, 0xffff, 0xffff).u32(0xffffffff, 0xffffffff);
  } else {
    out.u32(0x06054b50).u16(0, 0, files.length, files.length).u32(directory.length, at);
  }
  const comment = encodeUtf8(options.comment ?? "");
  return out.u16(comment.length).put(comment).bytes();
}

/** A Python value to pickle. */
export type Py =
  | null
  | boolean
  | number
  | string
  | readonly Py[]
  | { readonly tuple: readonly Py[] }
  | { readonly dict: readonly (readonly [Py, Py])[] }
  | { readonly global: string }
  | { readonly call: Py; readonly args: readonly Py[] }
  | { readonly persistent: Py }
  | { readonly ordered: readonly (readonly [Py, Py])[]; readonly attributes: Py };

/** Protocol 2, the one that torch uses, without memo. */
export function pickle(value: Py): Uint8Array {
  const out = new Writer().u8(0x80, 2);
  emit(out, value);
  return out.u8(0x2e).bytes();
}

function emit(out: Writer, value: Py): void {
  const all = (values: readonly Py[]): void => {
    for (const item of values) emit(out, item);
  };
  if (value === null) out.u8(0x4e);
  else if (typeof value === "boolean") out.u8(value ? 0x88 : 0x89);
  else if (typeof value === "number") {
    if (Number.isInteger(value) && Math.abs(value) < 2 ** 31) out.u8(0x4a).u32(value);
    else if (Number.isInteger(value)) out.u8(0x8a, 8).u64(value);
    else out.u8(0x47).f64(value);
  } else if (typeof value === "string") {
    const text = encodeUtf8(value);
    out.u8(0x58).u32(text.length).put(text);
  } else if (isList(value)) {
    out.u8(0x5d, 0x28);
    all(value);
    out.u8(0x65);
  } else if ("tuple" in value) {
    out.u8(0x28);
    all(value.tuple);
    out.u8(0x74);
  } else if ("dict" in value) {
    out.u8(0x7d, 0x28);
    all(value.dict.flat());
    out.u8(0x75);
  } else if ("global" in value) {
    const dot = value.global.lastIndexOf(".");
    out.u8(0x63).put(encodeUtf8(`${value.global.slice(0, dot)}\n${value.global.slice(dot + 1)}\n`));
  } else if ("call" in value) {
    emit(out, value.call);
    emit(out, { tuple: value.args });
    out.u8(0x52);
  } else if ("persistent" in value) {
    emit(out, value.persistent);
    out.u8(0x51);
  } else {
    emit(out, { call: { global: "collections.OrderedDict" }, args: [] });
    out.u8(0x28);
    all(value.ordered.flat());
    out.u8(0x75);
    emit(out, value.attributes);
    out.u8(0x62);
  }
}

function isList(value: Py): value is readonly Py[] {
  return Array.isArray(value);
}

export interface TorchTensor {
  /** `torch.FloatStorage` without the `torch.` */
  readonly type: string;
  readonly key: string;
  /** Elements in the storage. */
  readonly count: number;
  readonly dims: readonly number[];
  readonly strides?: readonly number[];
  readonly offset?: number;
}

export function strides(dims: readonly number[]): readonly number[] {
  return dims.map((_, i) => dims.slice(i + 1).reduce((a, b) => a * b, 1));
}

export function torchTensor(tensor: TorchTensor): Py {
  const { type, key, count, dims, offset = 0 } = tensor;
  return {
    call: { global: "torch._utils._rebuild_tensor_v2" },
    args: [
      { persistent: { tuple: ["storage", { global: `torch.${type}` }, key, "cpu", count] } },
      offset,
      { tuple: dims },
      { tuple: tensor.strides ?? strides(dims) },
      false,
      { call: { global: "collections.OrderedDict" }, args: [] },
    ],
  };
}

/** A `.pt` around a pickled value, with the records that torch writes. */
export function torchZip(
  value: Py,
  storages: Readonly<Record<string, Uint8Array>>,
  extra: readonly ZipFile[] = [],
): Uint8Array {
  const defaults: readonly ZipFile[] = [
    { name: "m/data.pkl", bytes: pickle(value) },
    { name: "m/byteorder", bytes: encodeUtf8("little") },
    ...Object.entries(storages).map(([key, bytes]) => ({ name: `m/data/${key}`, bytes, padding: 5 })),
    { name: "m/version", bytes: encodeUtf8("3\n") },
  ];
  const replaced = new Set(extra.map(({ name }) => name));
  return zip([...defaults.filter(({ name }) => !replaced.has(name)), ...extra]);
}

/** A safetensors file from a header of any kind. */
export function safetensors(header: unknown, data: Uint8Array, headerSize?: bigint): Uint8Array {
  const json = encodeUtf8(typeof header === "string" ? header : JSON.stringify(header));
  return new Writer()
    .u64(headerSize ?? BigInt(json.length))
    .put(json)
    .put(data)
    .bytes();
}

/** Uniform in [0, 1), the same on every run (mulberry32). */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function bytesOf(data: ArrayBufferView): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** The `CheckpointError` that `action` ends in; anything else fails the test. */
export async function checkpointError(action: () => unknown): Promise<CheckpointError> {
  try {
    await action();
  } catch (error) {
    if (error instanceof CheckpointError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

class Writer {
  readonly #bytes: number[] = [];

  get length(): number {
    return this.#bytes.length;
  }

  bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }

  put(bytes: Uint8Array): this {
    for (const byte of bytes) this.#bytes.push(byte);
    return this;
  }

  u8(...values: readonly number[]): this {
    return this.#each(values, 1, (view, value) => view.setUint8(0, value));
  }

  u16(...values: readonly number[]): this {
    return this.#each(values, 2, (view, value) => view.setUint16(0, value, true));
  }

  u32(...values: readonly number[]): this {
    return this.#each(values, 4, (view, value) => view.setUint32(0, value, true));
  }

  u64(...values: readonly (number | bigint)[]): this {
    return this.#each(values, 8, (view, value) => view.setBigInt64(0, BigInt(value), true));
  }

  f64(value: number): this {
    return this.#each([value], 8, (view) => view.setFloat64(0, value));
  }

  #each<T>(values: readonly T[], size: number, write: (view: DataView, value: T) => void): this {
    for (const value of values) {
      const bytes = new Uint8Array(size);
      write(new DataView(bytes.buffer), value);
      this.put(bytes);
    }
    return this;
  }
}
