/**
 * A session as a safetensors file: `session` is JSON in UTF-8 (what was prompted and tracked, scores, the order of
 * things), the rest are `objects.I.{conditioning,recent,pending}.FRAME.{logits,pointer,memory}` and
 * `objects.I.prompts.FRAME.mask`. Nothing is rounded, so that a loaded session goes on bit by bit.
 */
import { bytesSource } from "../checkpoint/byte-source.ts";
import { toFloat32 } from "../checkpoint/convert.ts";
import { readSafetensors, writeSafetensors } from "../checkpoint/safetensors.ts";
import { decodeUtf8, encodeUtf8 } from "../checkpoint/utf8.ts";
import type { WeightEntry } from "../checkpoint/weight-store.ts";
import { CheckpointError } from "../errors.ts";
import { type Fields, fieldProblem, fieldsOf } from "../fields.ts";
import type { Size } from "../image/image.ts";
import type { Sam2Config } from "../model/config.ts";
import { geometry } from "../model/geometry.ts";
import type { DType } from "../tensor/dtype.ts";
import { float32, type HostTensor } from "../tensor/tensor.ts";
import type { Decoded, FramePrompt, MemoryBank, ObjectMemory, Remembered } from "./memory-bank.ts";

const VERSION = 1;
const HEADER = "session";

/** What a session belongs to. */
export interface SessionContext {
  readonly config: Sam2Config;
  readonly size: Size;
  readonly count: number | undefined;
}

/** The numbers of one decoded frame. */
interface FrameFacts {
  readonly frame: number;
  readonly objectScore: number;
  readonly iouPrediction: number;
}

function facts({ config, size, count }: SessionContext): Readonly<Record<string, unknown>> {
  const { imageSize, width, memory } = geometry(config);
  return {
    model: { name: config.name, imageSize, width, memoryWidth: memory.channels },
    video: { ...size, ...(count === undefined ? {} : { count }) },
  };
}

export function writeSession(bank: MemoryBank, context: SessionContext): Uint8Array {
  const tensors = new Map<string, HostTensor>();
  const { maskSide: side, memory: map } = geometry(context.config);
  const place = (path: string, frame: number, decoded: Decoded, memory?: Uint16Array): FrameFacts => {
    const { logits, pointer, objectScore, iouPrediction } = decoded;
    tensors.set(`${path}.${frame}.logits`, float32([side, side], logits));
    tensors.set(`${path}.${frame}.pointer`, float32([pointer.length], pointer));
    if (memory !== undefined) {
      const dims = [map.tokens, map.channels];
      tensors.set(`${path}.${frame}.memory`, { dtype: "bfloat16", dims, data: memory });
    }
    return { frame, objectScore, iouPrediction };
  };
  const objects = Array.from(bank.objects, ([id, object], i) => {
    const path = `objects.${i}`;
    const stored = (kind: "conditioning" | "recent"): readonly FrameFacts[] =>
      Array.from(object[kind], ([frame, entry]) => place(`${path}.${kind}`, frame, entry, entry.memory));
    return {
      id,
      prompts: Array.from(object.prompts, ([frame, prompt]) => {
        if (prompt.kind === "points") return { frame, points: prompt.points, labels: prompt.labels };
        const { width, height, data } = prompt.mask;
        tensors.set(`${path}.prompts.${frame}.mask`, { dtype: "uint8", dims: [height, width], data });
        return { frame };
      }),
      conditioning: stored("conditioning"),
      recent: stored("recent"),
      pending: Array.from(object.pending, ([frame, { decoded, conditioning }]) => ({
        ...place(`${path}.pending`, frame, decoded),
        conditioning,
      })),
      tracked: [...object.tracked],
      forgotten: object.forgotten,
    };
  });
  const json = encodeUtf8(JSON.stringify({ version: VERSION, ...facts(context), objects }));
  tensors.set(HEADER, { dtype: "uint8", dims: [json.length], data: json });
  return writeSafetensors(tensors, { format: "masklet-session" });
}

/** Reads into an empty bank. */
export async function readSession(bytes: Uint8Array, bank: MemoryBank, context: SessionContext): Promise<void> {
  const entries = new Map((await readSafetensors(bytesSource(bytes, "session"))).map((entry) => [entry.name, entry]));
  const contents = new Contents(bytes, entries);
  const root = parse(contents.raw(HEADER, "uint8"));
  if (root.value("version") !== VERSION) throw malformed(`is of version ${root.value("version")}, not ${VERSION}`);
  const expected = facts(context);
  for (const part of ["model", "video"] as const) {
    const [saved, ours] = [JSON.stringify(root.value(part)), JSON.stringify(expected[part])];
    if (saved === ours) continue;
    throw new CheckpointError(
      "session-mismatch",
      `session: it was saved for the ${part} ${saved}, this one is ${ours}`,
      {
        details: { part, expected: expected[part], got: root.value(part) },
      },
    );
  }
  for (const [i, object] of root.children("objects").entries())
    readObject(contents, `objects.${i}`, object, bank, context);
}

function readObject(
  contents: Contents,
  path: string,
  json: Fields,
  bank: MemoryBank,
  { config }: SessionContext,
): void {
  const { maskSide, width, memory: map } = geometry(config);
  const object: ObjectMemory = bank.ensure(json.integer("id"));
  const decoded = (kind: string, entry: Fields): Decoded => {
    const at = `${path}.${kind}.${entry.integer("frame")}`;
    return {
      logits: contents.floats(`${at}.logits`, maskSide ** 2),
      pointer: contents.floats(`${at}.pointer`, width),
      objectScore: entry.number("objectScore"),
      iouPrediction: entry.number("iouPrediction"),
    };
  };
  for (const entry of json.children("prompts")) {
    const frame = entry.integer("frame");
    object.prompts.set(frame, readPrompt(contents, `${path}.prompts.${frame}.mask`, entry));
  }
  for (const kind of ["conditioning", "recent"] as const) {
    for (const entry of json.children(kind)) {
      const frame = entry.integer("frame");
      const memory = contents.halves(`${path}.${kind}.${frame}.memory`, map.tokens * map.channels);
      const remembered: Remembered = { ...decoded(kind, entry), memory };
      object[kind].set(frame, remembered);
    }
  }
  for (const entry of json.children("pending")) {
    const conditioning = entry.value("conditioning") === true;
    object.pending.set(entry.integer("frame"), { decoded: decoded("pending", entry), conditioning });
  }
  for (const pair of json.children("tracked")) object.tracked.set(pair.integer("0"), pair.value("1") === true);
  for (const pair of json.children("forgotten")) object.forgotten.push([pair.integer("0"), pair.integer("1")]);
}

function readPrompt(contents: Contents, maskName: string, entry: Fields): FramePrompt {
  if (entry.value("points") !== undefined) {
    const [points, labels] = [entry.numbers("points"), entry.numbers("labels")];
    if (points.length !== 2 * labels.length) throw malformed("has points and labels that do not match");
    return { kind: "points", points, labels };
  }
  const [height = 0, width = 0] = contents.entry(maskName, "uint8").dims;
  const data = contents.raw(maskName, "uint8");
  if (data.length !== width * height) throw malformed(`has a tensor ${maskName} that is no mask`);
  return { kind: "mask", mask: { width, height, data } };
}

/** The file's tensors, copied out: the file itself need not stay in memory. */
class Contents {
  readonly #bytes: Uint8Array;
  readonly #entries: ReadonlyMap<string, WeightEntry>;

  constructor(bytes: Uint8Array, entries: ReadonlyMap<string, WeightEntry>) {
    this.#bytes = bytes;
    this.#entries = entries;
  }

  entry(name: string, dtype: DType): WeightEntry {
    const entry = this.#entries.get(name);
    if (entry === undefined) throw malformed(`has no tensor ${name}`);
    if (entry.dtype !== dtype) throw malformed(`has a tensor ${name} of ${entry.dtype}, not ${dtype}`);
    return entry;
  }

  raw(name: string, dtype: DType): Uint8Array {
    const { offset, byteLength } = this.entry(name, dtype);
    return new Uint8Array(this.#bytes.subarray(offset, offset + byteLength)); // a Buffer's slice would be no copy
  }

  floats(name: string, length: number): Float32Array {
    return checkLength(name, toFloat32("float32", this.raw(name, "float32")), length);
  }

  halves(name: string, length: number): Uint16Array {
    return checkLength(name, new Uint16Array(this.raw(name, "bfloat16").buffer), length);
  }
}

function checkLength<T extends { readonly length: number }>(name: string, data: T, length: number): T {
  if (data.length === length) return data;
  throw malformed(`has ${data.length} values in ${name}, not ${length}`);
}

function parse(bytes: Uint8Array): Fields {
  const text = decodeUtf8(bytes);
  try {
    return fieldsOf(JSON.parse(text ?? ""), "", {
      fail: (...problem) => malformed(`is malformed: ${fieldProblem(...problem)}`),
    });
  } catch (cause) {
    if (cause instanceof CheckpointError) throw cause;
    throw malformed("has a header that is not JSON", cause);
  }
}

function malformed(problem: string, cause?: unknown): CheckpointError {
  return new CheckpointError("session-malformed", `session: the file ${problem}`, { cause });
}
