/** ONNX files that somebody else made, a detector for instance, as they are. */

import type { ByteSource } from "@masklet/core";
import {
  type AbortSignalLike,
  abortable,
  BackendError,
  byteSize,
  checkKeys,
  elementCount,
  type HostTensor,
  signalKeys,
} from "@masklet/core/backend";
import type { InferenceSession, Tensor } from "onnxruntime-common";
import { messageOf } from "./errors.ts";
import type { OrtHost } from "./runtime.ts";
import { FOLDER, withSettings } from "./session-options.ts";

/** An input or output of an ONNX model. */
export interface OnnxValue {
  readonly name: string;
  /** "float32", "float16", "int64", ... as ONNX Runtime calls it; "other" for what is no tensor. */
  readonly dtype: string;
  /** Each is a number, or a name where it is free; a size that has neither is "". Empty where the file does not say. */
  readonly dims: readonly (number | string)[];
}

/** A model from an ONNX file, ready to run. It takes and gives tensors in JavaScript's memory. */
export interface OnnxModel {
  /** How errors call it: a path, a URL, "bytes". */
  readonly name: string;
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  /** What the exporter wrote beside the graph (`metadata_props`): class names, strides, where there are any. */
  readonly metadata: Readonly<Record<string, string>>;
  /**
   * The outputs for these inputs. Runs take turns with all that the backend computes.
   *
   * Rejects with a `BackendError`: "bad-feeds" for an input that is missing, unknown or of another type or shape than
   * the file says, "run-failed" where the runtime fails, "disposed", "device-lost"; and with the signal's reason, at once.
   */
  run(
    feeds: Readonly<Record<string, HostTensor>>,
    options?: { readonly signal?: AbortSignalLike },
  ): Promise<Readonly<Record<string, HostTensor>>>;
  /** Frees it after the runs under way. May be called more than once. */
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Opens a model on a backend's runtime, and closes the source in any case; `forget` is called when it is disposed of. */
export async function openOnnxModel(
  host: OrtHost,
  source: ByteSource,
  { signal, alive, forget }: OpenOptions,
): Promise<OnnxModel> {
  const { name, path } = source;
  // Else outputs would stay on the device, where nothing takes them.
  const { preferredOutputLocation: _, ...settings } = host.sessionOptions;
  const beside = path === undefined ? {} : { extra: withSettings(settings.extra, { [FOLDER]: folderOf(path) }) };
  const read = signal && { signal };
  try {
    alive();
    signal?.throwIfAborted();
    const metadata = await readMetadata(source, signal);
    const bytes = source.bytes ?? (await source.read(0, source.size, read));
    const created = host.lock.run(async () => {
      signal?.throwIfAborted();
      host.lost?.throwIfAborted();
      try {
        const creating = host.ort.InferenceSession.create(bytes, { ...settings, ...beside });
        return await abortable(creating, host.lost, (late) => late.release());
      } catch (cause) {
        host.lost?.throwIfAborted();
        throw new BackendError("compile-failed", `${name}: ONNX Runtime refused the model: ${messageOf(cause)}`, {
          cause,
          details: { graph: name, device: host.capabilities.device },
        });
      }
    });
    const session = await abortable(created, signal, (late) => late.release());
    return new HostedModel(host, session, { name, metadata, forget });
  } finally {
    await source.close?.();
  }
}

interface OpenOptions {
  readonly signal?: AbortSignalLike;
  /** Throws once the backend is disposed of. */
  readonly alive: () => void;
  readonly forget: (model: OnnxModel) => void;
}

function folderOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
}

class HostedModel implements OnnxModel {
  readonly name: string;
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly #host: OrtHost;
  readonly #session: InferenceSession;
  readonly #forget: (model: OnnxModel) => void;
  #disposed: Promise<void> | undefined;

  constructor(
    host: OrtHost,
    session: InferenceSession,
    { name, metadata, forget }: Pick<OnnxModel, "name" | "metadata"> & { readonly forget: (model: OnnxModel) => void },
  ) {
    this.name = name;
    this.metadata = metadata;
    this.inputs = session.inputMetadata.map(onnxValue);
    this.outputs = session.outputMetadata.map(onnxValue);
    this.#host = host;
    this.#session = session;
    this.#forget = forget;
  }

  async run(
    feeds: Readonly<Record<string, HostTensor>>,
    options: { readonly signal?: AbortSignalLike } = {},
  ): Promise<Readonly<Record<string, HostTensor>>> {
    checkKeys("run", options, signalKeys);
    const { signal } = options;
    const { ort, lock, lost } = this.#host;
    this.#requireAlive();
    signal?.throwIfAborted();
    lost?.throwIfAborted();
    this.#checkFeeds(feeds);
    const tensors = Object.fromEntries(
      Object.entries(feeds).map(([input, { dtype, data, dims }]) => [
        input,
        withBits(new ort.Tensor(dtype as "float32", data as Float32Array, dims), data), // checked to go together
      ]),
    );
    const turn = lock.run(async () => {
      signal?.throwIfAborted();
      try {
        const results = await abortable(this.#session.run(tensors), lost);
        return Object.fromEntries(
          await Promise.all(
            Object.entries(results).map(async ([output, tensor]) => [output, await this.#hostTensor(output, tensor)]),
          ),
        );
      } catch (cause) {
        lost?.throwIfAborted();
        if (cause instanceof BackendError) throw cause;
        throw new BackendError("run-failed", `${this.name}: ONNX Runtime failed: ${messageOf(cause)}`, {
          cause,
          details: { graph: this.name },
        });
      }
    });
    return abortable(turn, signal);
  }

  dispose(): Promise<void> {
    this.#disposed ??= this.#host.lock.run(async () => {
      this.#forget(this);
      await this.#session.release();
    });
    return this.#disposed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #hostTensor(output: string, tensor: Tensor): Promise<HostTensor> {
    const { type: dtype, dims } = tensor;
    if (!isHostType(dtype)) {
      const problem = `its output ${output} is of ${dtype}, where ${Object.keys(byteSize).join(", ")} can be read`;
      throw new BackendError("unsupported", `${this.name}: ${problem}`, { details: { graph: this.name, output } });
    }
    const data = (await tensor.getData()) as HostTensor["data"];
    // Halves come as Float16Array where there is one.
    const bits = dtype === "float16" ? new Uint16Array(data.buffer, data.byteOffset, data.length) : data;
    const copy = bits.slice(); // wasm's memory is used again
    tensor.dispose();
    return { dtype, dims, data: copy } as HostTensor;
  }

  #checkFeeds(feeds: Readonly<Record<string, HostTensor>>): void {
    const known = this.inputs.map(({ name }) => name);
    const check = (holds: boolean, problem: string): void => {
      if (holds) return;
      throw new BackendError("bad-feeds", `${this.name}: ${problem}`, { details: { graph: this.name, inputs: known } });
    };
    for (const name of Object.keys(feeds)) {
      check(known.includes(name), `there is no input ${name}; there are ${known.join(", ")}`);
    }
    for (const { name, dtype, dims } of this.inputs) {
      const fed = feeds[name];
      check(fed !== undefined, `the input ${name} is missing`);
      if (fed === undefined) continue;
      const got = `${fed.dtype} [${fed.dims.join(", ")}]`;
      const fits =
        dims.length === fed.dims.length && dims.every((dim, i) => typeof dim === "string" || dim === fed.dims[i]);
      const anyShape = dims.length === 0;
      check(
        fed.dtype === dtype && (anyShape || fits),
        `input ${name} is ${dtype} [${dims.join(", ")}], and got ${got}`,
      );
      check(fed.data.length === elementCount(fed.dims), `input ${name} is ${got}, and has ${fed.data.length} elements`);
    }
  }

  #requireAlive(): void {
    if (this.#disposed === undefined) return;
    throw new BackendError("disposed", `${this.name}: run after dispose`);
  }
}

/** Where halves have an array of their own, the tensor holds one, of which the runtime in Node reads nothing. */
function withBits(tensor: Tensor, data: HostTensor["data"]): Tensor {
  return tensor.type === "float16"
    ? Object.create(tensor, { data: { value: data }, cpuData: { value: data } })
    : tensor;
}

function isHostType(type: string): type is HostTensor["dtype"] {
  return Object.hasOwn(byteSize, type);
}

function onnxValue(value: InferenceSession.ValueMetadata): OnnxValue {
  if (!value.isTensor) return { name: value.name, dtype: "other", dims: [] };
  // Sizes without a name are -1 or 0 in Node.
  const dims = value.shape.map((dim) => (typeof dim === "number" && dim < 1 ? "" : dim));
  return { name: value.name, dtype: value.type, dims };
}

/** Fields of `ModelProto` and of its `StringStringEntryProto` (onnx.proto3). */
const METADATA_PROPS = 14;
const KEY = 1;
const VALUE = 2;

/**
 * What stands beside the graph in an ONNX file: the runtime reads it too, and has no way to ask for it. The graph itself
 * is stepped over. Ends at the first byte that is not the format's, which the runtime will refuse by itself.
 */
async function readMetadata(source: ByteSource, signal?: AbortSignalLike): Promise<Record<string, string>> {
  const entries: [string, string][] = [];
  for (let at = 0; at < source.size; ) {
    const head = await source.read(at, Math.min(20, source.size - at), signal && { signal });
    const field = fieldAt(head, 0);
    if (field === undefined || at + field.end > source.size) break;
    if (field.id === METADATA_PROPS && field.start < field.end) {
      const entry = await source.read(at + field.start, field.end - field.start, signal && { signal });
      const texts = new Map<number, string>();
      for (let inner = 0; inner < entry.length; ) {
        const part = fieldAt(entry, inner);
        if (part === undefined) break;
        texts.set(part.id, new TextDecoder().decode(entry.subarray(part.start, part.end)));
        inner = part.end;
      }
      entries.push([texts.get(KEY) ?? "", texts.get(VALUE) ?? ""]);
    }
    at += field.end;
  }
  return Object.fromEntries(entries);
}

/** Where a protobuf field's contents lie, from the offset of its tag. */
function fieldAt(bytes: Uint8Array, offset: number): { id: number; start: number; end: number } | undefined {
  const tag = varintAt(bytes, offset);
  if (tag === undefined) return undefined;
  const id = Math.floor(tag.value / 8);
  switch (tag.value % 8) {
    case 0: {
      const value = varintAt(bytes, tag.end);
      return value && { id, start: tag.end, end: value.end };
    }
    case 1:
      return { id, start: tag.end, end: tag.end + 8 };
    case 2: {
      const length = varintAt(bytes, tag.end);
      return length && { id, start: length.end, end: length.end + length.value };
    }
    case 5:
      return { id, start: tag.end, end: tag.end + 4 };
    default:
      return undefined;
  }
}

function varintAt(bytes: Uint8Array, offset: number): { value: number; end: number } | undefined {
  let value = 0;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[offset + i];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return { value, end: offset + i + 1 };
  }
  return undefined;
}
