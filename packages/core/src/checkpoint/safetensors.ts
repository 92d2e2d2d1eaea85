import type { AbortSignalLike } from "../abort.ts";
import { CheckpointError } from "../errors.ts";
import { fieldProblem, fieldsOf, isObject } from "../fields.ts";
import { checkKeys, signalKeys } from "../options.ts";
import { byteSize, type DType } from "../tensor/dtype.ts";
import { elementCount, type HostTensor } from "../tensor/tensor.ts";
import { type ByteSource, checkRange } from "./byte-source.ts";
import { decodeUtf8, encodeUtf8 } from "./utf8.ts";
import type { WeightEntry } from "./weight-store.ts";

/** The format's own limit on its header. */
export const largestHeader = 100_000_000;

const dtypes = {
  F32: "float32",
  F16: "float16",
  BF16: "bfloat16",
  I32: "int32",
  I64: "int64",
  U8: "uint8",
  BOOL: "bool",
} as const satisfies Readonly<Record<string, DType>>;

/**
 * The tensors of a safetensors file (https://github.com/huggingface/safetensors): a length, a JSON header, the bytes.
 * Only the header is read. As the format demands, the tensors must fill the rest of the file without overlap or gap.
 *
 * Throws a `CheckpointError`: "truncated", "safetensors-malformed", "unsupported-dtype".
 */
export async function readSafetensors(
  source: ByteSource,
  options: { readonly signal?: AbortSignalLike } = {},
): Promise<readonly WeightEntry[]> {
  checkKeys("readSafetensors", options, signalKeys);
  const first = await source.read(0, 8, options);
  const headerSize = Number(new DataView(first.buffer, first.byteOffset, 8).getBigUint64(0, true));
  if (headerSize > largestHeader) {
    throw malformed(source, `its header claims ${headerSize} bytes, more than the format's ${largestHeader}`);
  }
  checkRange(source, 8, headerSize);
  const header = parseHeader(source, await source.read(8, headerSize, options));
  const start = 8 + headerSize;
  const entries = Object.entries(header)
    .filter(([name]) => name !== "__metadata__")
    .map(([name, description]) => readTensor(source, start, name, description))
    .sort((a, b) => a.offset - b.offset || a.byteLength - b.byteLength);

  let end = start;
  for (const { name, offset, byteLength } of entries) {
    if (offset < end) throw malformed(source, `tensor ${name} overlaps the one before it`);
    if (offset > end) throw malformed(source, `${offset - end} bytes before tensor ${name} belong to none`);
    end = offset + byteLength;
  }
  if (end > source.size) {
    throw new CheckpointError(
      "truncated",
      `${source.name}: the tensors need ${end} bytes, but the file ends at ${source.size}`,
      {
        details: { file: source.name, needed: end, size: source.size },
      },
    );
  }
  if (end < source.size) throw malformed(source, `${source.size - end} bytes after the last tensor belong to none`);
  return entries;
}

function parseHeader(source: ByteSource, bytes: Uint8Array): Readonly<Record<string, unknown>> {
  const text = decodeUtf8(bytes);
  if (text === undefined) throw malformed(source, "its header is not UTF-8");
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch (cause) {
    throw malformed(source, "its header is not JSON", cause);
  }
  if (!isObject(header)) throw malformed(source, "its header is not a JSON object");
  return header;
}

function readTensor(source: ByteSource, start: number, name: string, description: unknown): WeightEntry {
  const fail = (problem: string): CheckpointError => malformed(source, `tensor ${name} ${problem}`);
  const fields = fieldsOf(description, "", {
    fail: (...problem) => fail(`is described wrongly: ${fieldProblem(...problem)}`),
    longestList: 16,
  });
  const code = fields.text("dtype");
  if (!isDtype(code)) {
    throw new CheckpointError("unsupported-dtype", `${source.name}: tensor ${name} is of type ${code.slice(0, 20)}`, {
      details: { file: source.name, tensor: name, dtype: code },
    });
  }
  const dims = fields.indices("shape");
  const [begin = 0, end = 0, ...more] = fields.indices("data_offsets");
  fields.expect("data_offsets", begin <= end && more.length === 0, "two ascending integers");
  const dtype = dtypes[code];
  const byteLength = elementCount(dims) * byteSize[dtype];
  if (end - begin !== byteLength) {
    throw fail(`of type ${code} and shape [${dims.join(", ")}] takes ${byteLength} bytes, but has ${end - begin}`);
  }
  return { name, dtype, dims, source, offset: start + begin, byteLength };
}

/**
 * Writes tensors as a safetensors file. Wider elements come first, so that every tensor is aligned to its own; otherwise
 * they keep their order. A tensor named `__metadata__`, or whose data does not fill its shape, throws a
 * `CheckpointError` with code "safetensors-malformed".
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, HostTensor>,
  metadata?: Readonly<Record<string, string>>,
): Uint8Array {
  const written = { name: "writeSafetensors" };
  const ordered = [...tensors].sort(([, a], [, b]) => byteSize[b.dtype] - byteSize[a.dtype]);
  const header = new Map<string, unknown>(metadata === undefined ? [] : [["__metadata__", metadata]]);
  let end = 0;
  for (const [name, { dtype, dims, data }] of ordered) {
    if (name === "__metadata__") throw malformed(written, "no tensor can be named __metadata__");
    if (data.length !== elementCount(dims)) {
      throw malformed(written, `tensor ${name} [${dims.join(", ")}] has ${data.length} values`);
    }
    const begin = end;
    end += data.byteLength;
    header.set(name, { dtype: codes[dtype], shape: dims, data_offsets: [begin, end] });
  }
  const json = encodeUtf8(JSON.stringify(Object.fromEntries(header)));
  const headerSize = Math.ceil(json.length / 8) * 8;
  const file = new Uint8Array(8 + headerSize + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerSize), true);
  file.fill(0x20, 8, 8 + headerSize); // padded with spaces, so that the data is aligned
  file.set(json, 8);
  let at = 8 + headerSize;
  for (const [, { data }] of ordered) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return file;
}

const codes: { readonly [D in DType]: keyof typeof dtypes } = {
  float32: "F32",
  float16: "F16",
  bfloat16: "BF16",
  int32: "I32",
  int64: "I64",
  uint8: "U8",
  bool: "BOOL",
};

function isDtype(code: string): code is keyof typeof dtypes {
  return Object.hasOwn(dtypes, code);
}

function malformed({ name }: { readonly name: string }, problem: string, cause?: unknown): CheckpointError {
  return new CheckpointError("safetensors-malformed", `${name}: ${problem}`, { cause, details: { file: name } });
}
