import type { AbortSignalLike } from "../abort.ts";
import { CheckpointError } from "../errors.ts";
import { byteSize, type DType } from "../tensor/dtype.ts";
import { elementCount } from "../tensor/tensor.ts";
import { type ByteSource, bytesSource, checkRange, isSize } from "./byte-source.ts";
import { crc32 } from "./crc32.ts";
import { PickleGlobal, PickleObject, type PickleValue, unpickle } from "./pickle.ts";
import { decodeUtf8 } from "./utf8.ts";
import { checksumMismatch, type WeightEntry } from "./weight-store.ts";
import { locate, openZip, type ZipArchive, type ZipRecord } from "./zip.ts";

/** A model's pickle has some hundred bytes a tensor; more than this is no model. */
const largestPickle = 64 << 20;

/**
 * The tensors of a PyTorch checkpoint (what `torch.save` writes since 1.6): a zip whose `data.pkl` is a state dict or has
 * one under a name that trainers use ("model", "state_dict", ...), with stored little-endian storages beside it. Only the directory, the
 * pickle and the records' headers are read. A tensor that is laid out transposed or channels-last is gathered into
 * memory; every other refers to the file's own bytes. The pickle's other contents (an optimiser's state) are ignored.
 *
 * Throws a `CheckpointError`: "truncated", "zip-malformed", "pickle-forbidden", "pickle-malformed",
 * "pytorch-malformed", "unsupported-dtype", "checksum-mismatch".
 */
export async function readPytorch(source: ByteSource, options: ReadOptions = {}): Promise<readonly WeightEntry[]> {
  const archive = await openZip(source, options);
  const pickleName = [...archive.records.keys()].find((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (pickleName === undefined) throw malformed(source, "it is a zip without a data.pkl, so no PyTorch checkpoint");
  const root = pickleName.slice(0, -"data.pkl".length);

  const order = await readRecord(archive, `${root}byteorder`, options);
  if (order !== undefined && decodeUtf8(order.bytes) !== "little") throw malformed(source, "it is not little-endian");
  // torch can be told to leave the checksums out, and then writes wrong ones everywhere
  const version = await readRecord(archive, `${root}version`, options);
  const hasChecksums = version !== undefined && crc32(version.bytes) === version.record.crc32;

  const pickle = await readRecord(archive, pickleName, options);
  if (pickle === undefined) throw malformed(source, `it has no ${pickleName}`);
  if (hasChecksums && crc32(pickle.bytes) !== pickle.record.crc32) throw checksumMismatch(source, pickleName);

  const starts = new Map<string, number>();
  return entriesOf(source, stateDict(source, readPickle(source, pickle.bytes)), options, async (name, { key }) => {
    const record = archive.records.get(`${root}data/${key}`);
    if (record === undefined) throw malformed(source, `the data of tensor ${name} (${root}data/${key}) is missing`);
    const start = starts.get(key) ?? (await locate(archive, record, options));
    starts.set(key, start);
    return { called: record.name, start, size: record.size, ...(hasChecksums && { crc32: record.crc32 }) };
  });
}

/** How a file from before PyTorch 1.6 begins: `MAGIC_NUMBER` of torch/serialization.py as a pickle of protocol 2. */
const legacyStart = [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e] as const;

/** Whether a file that begins with `head`, of 15 bytes or more, is what `torch.save` wrote before 1.6. */
export function isLegacyPytorch(head: Uint8Array): boolean {
  return legacyStart.every((byte, i) => head[i] === byte);
}

/**
 * The tensors of a checkpoint from before PyTorch 1.6, or of a newer one without zip: pickles one after another (the
 * magic number, the version, the system, the object, the storages' keys), then each storage, its count in eight bytes
 * before it. Reference: `_legacy_save` of torch/serialization.py. It has no checksums. Throws as `readPytorch`.
 */
export async function readLegacyPytorch(
  source: ByteSource,
  options: ReadOptions = {},
): Promise<readonly WeightEntry[]> {
  const head = await source.read(0, Math.min(source.size, largestPickle), options);
  let at: number = legacyStart.length;
  const next = (): PickleValue => {
    const { value, end } = readPickles(source, head.subarray(at));
    at += end;
    return value;
  };
  const [version, system, object, keys] = [next(), next(), next(), next()];
  if (version !== 1001) throw malformed(source, "its version is not the one that torch wrote before 1.6");
  if (!(system instanceof Map) || system.get("little_endian") !== true)
    throw malformed(source, "it is not little-endian");
  const tensors = stateDict(source, object);
  if (!Array.isArray(keys)) throw malformed(source, "its storages are not listed");
  // An optimiser's storages lie between those of the weights: their types are known from the pickle alone.
  const itemSizes = storagesOf(object);
  const places = new Map<string, Omit<Place, "called">>();
  for (const key of keys) {
    const bytes = typeof key === "string" ? itemSizes.get(key) : undefined;
    if (typeof key !== "string" || bytes === undefined)
      throw malformed(source, "a storage is listed that none refers to");
    const { buffer, byteOffset } = await source.read(at, 8, options);
    const count = new DataView(buffer, byteOffset, 8).getBigUint64(0, true);
    const size = Number(count) * bytes;
    checkRange(source, at + 8, size);
    places.set(key, { start: at + 8, size });
    at += 8 + size;
  }
  return entriesOf(source, tensors, options, async (name, { key }) => {
    const place = places.get(key);
    if (place === undefined) throw malformed(source, `the data of tensor ${name} (${key}) is missing`);
    return { called: `storage ${key}`, ...place };
  });
}

/** Bytes of an element of every storage that the pickled value refers to, by key. */
function storagesOf(root: PickleValue): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  const seen = new Set<PickleValue>();
  const waiting: PickleValue[] = [root];
  while (waiting.length > 0) {
    const value = waiting.pop() as PickleValue;
    if (typeof value !== "object" || value === null || seen.has(value)) continue;
    seen.add(value);
    if (value instanceof Tensor) waiting.push(value.storage);
    else if (value instanceof Storage) found.set(value.key, storageBytes[value.type] ?? 1);
    else if (value instanceof Map) for (const [key, item] of value) waiting.push(key, item);
    else if (Array.isArray(value) || value instanceof Set) for (const item of value) waiting.push(item);
  }
  return found;
}

/** Where a storage lies. */
interface Place {
  /** What errors call it. */
  readonly called: string;
  readonly start: number;
  /** In bytes. */
  readonly size: number;
  readonly crc32?: number;
}

/** The tensors as entries of the file; `find` says where a tensor's storage lies. */
async function entriesOf(
  source: ByteSource,
  tensors: ReadonlyMap<string, Tensor>,
  options: ReadOptions,
  find: (name: string, storage: Storage) => Promise<Place>,
): Promise<readonly WeightEntry[]> {
  const entries: WeightEntry[] = [];
  let gatheredFrom = 0;
  for (const [name, tensor] of tensors) {
    const { storage } = tensor;
    const { dtype } = storage;
    if (dtype === undefined) {
      throw new CheckpointError("unsupported-dtype", `${source.name}: tensor ${name} is a ${storage.type}`, {
        details: { file: source.name, tensor: name, dtype: storage.type },
      });
    }
    const place = await find(name, storage);
    const itemSize = byteSize[dtype];
    if (place.size !== storage.count * itemSize) {
      throw malformed(
        source,
        `tensor ${name} wants ${storage.count * itemSize} bytes, ${place.called} has ${place.size}`,
      );
    }
    const { dims, strides, offset } = checkView(source, name, tensor);
    const byteLength = elementCount(dims) * itemSize;
    const shared = { name, dtype, dims, byteLength };
    if (isContiguous(dims, strides)) {
      const whole = place.crc32 !== undefined && byteLength === place.size ? { crc32: place.crc32 } : {};
      entries.push({ ...shared, source, offset: place.start + offset * itemSize, ...whole });
    } else {
      // a file that has the same storage gathered again and again would cost without end
      gatheredFrom += place.size;
      if (gatheredFrom > source.size) throw malformed(source, "too many of its tensors are not contiguous");
      const bytes = await source.read(place.start, place.size, options);
      if (place.crc32 !== undefined && crc32(bytes) !== place.crc32) throw checksumMismatch(source, `tensor ${name}`);
      const gathered = gather(bytes, itemSize, offset, dims, strides);
      entries.push({ ...shared, source: bytesSource(gathered, source.name), offset: 0 });
    }
  }
  return entries;
}

interface ReadOptions {
  readonly signal?: AbortSignalLike;
}

class Storage extends PickleObject {
  readonly kind = "storage";
  readonly type: string;
  /** `undefined` for a type that torch knows and Masklet does not read. */
  readonly dtype: DType | undefined;
  readonly key: string;
  readonly count: number;

  constructor(type: string, key: string, count: number) {
    super();
    this.type = type;
    this.dtype = storageTypes[type];
    this.key = key;
    this.count = count;
  }
}

/** A view of a storage, in elements. Its numbers are checked where it is used. */
class Tensor extends PickleObject {
  readonly kind = "tensor";
  readonly storage: Storage;
  readonly offset: PickleValue;
  readonly dims: PickleValue;
  readonly strides: PickleValue;

  constructor(storage: Storage, offset: PickleValue, dims: PickleValue, strides: PickleValue) {
    super();
    this.storage = storage;
    this.offset = offset;
    this.dims = dims;
    this.strides = strides;
  }
}

/** An optimiser may hold tensors of the types without a dtype here; a model's weights may not. */
const storageTypes: Readonly<Record<string, DType | undefined>> = {
  "torch.FloatStorage": "float32",
  "torch.HalfStorage": "float16",
  "torch.BFloat16Storage": "bfloat16",
  "torch.IntStorage": "int32",
  "torch.LongStorage": "int64",
  "torch.ByteStorage": "uint8",
  "torch.BoolStorage": "bool",
  "torch.DoubleStorage": undefined,
  "torch.ShortStorage": undefined,
  "torch.CharStorage": undefined,
};

/** Bytes of an element of the types that are not read. */
const storageBytes: Readonly<Record<string, number>> = {
  ...Object.fromEntries(
    Object.entries(storageTypes).flatMap(([name, dtype]) => (dtype ? [[name, byteSize[dtype]]] : [])),
  ),
  "torch.DoubleStorage": 8,
  "torch.ShortStorage": 2,
  "torch.CharStorage": 1,
};

/** What may lie beside the weights and is of no use here: nothing of it is kept, and nothing is called. */
class Inert extends PickleObject {
  readonly kind = "inert";
}

const inert: readonly string[] = [
  "torch.device",
  "numpy.dtype",
  "numpy.core.multiarray.scalar",
  "numpy._core.multiarray.scalar",
  "argparse.Namespace",
  "pathlib.PosixPath",
  "pathlib.WindowsPath",
];

/** torch's dtypes, which are names alone. */
const dtypeNames: readonly string[] = [
  ...["float16", "bfloat16", "float32", "float64", "half", "float", "double"],
  ...["int8", "int16", "int32", "int64", "uint8", "bool", "short", "int", "long"],
].map((name) => `torch.${name}`);

/** Everything a checkpoint's pickle may import. */
function allowedGlobals(source: ByteSource): ReadonlyMap<string, PickleGlobal> {
  const constructors: Readonly<Record<string, (args: readonly PickleValue[]) => PickleValue>> = {
    "collections.OrderedDict": () => new Map(),
    "torch.Size": ([dims]) => (Array.isArray(dims) ? dims : []),
    "torch._utils._rebuild_tensor_v2": ([storage, offset = 0, dims = null, strides = null]) => {
      if (!(storage instanceof Storage)) throw malformed(source, "a tensor has no storage");
      return new Tensor(storage, offset, dims, strides);
    },
    "torch._utils._rebuild_parameter": ([tensor]) => {
      if (!(tensor instanceof Tensor)) throw malformed(source, "a parameter has no tensor");
      return tensor;
    },
    ...Object.fromEntries(inert.map((name) => [name, () => new Inert()])),
  };
  const names = [...Object.keys(storageTypes), ...dtypeNames].map((name) => [name, undefined] as const);
  return new Map(
    [...Object.entries(constructors), ...names].map(([name, construct]) => [name, new PickleGlobal(name, construct)]),
  );
}

function readPickle(source: ByteSource, bytes: Uint8Array): PickleValue {
  return readPickles(source, bytes).value;
}

/** The first of the pickles that the bytes hold, and where it ends. */
function readPickles(source: ByteSource, bytes: Uint8Array): { readonly value: PickleValue; readonly end: number } {
  return unpickle(bytes, {
    name: source.name,
    allowed: allowedGlobals(source),
    // ("storage", type, key, where it was, number of elements); before 1.6 also what it is a part of, in files of old
    persistentLoad: (id) => {
      const [kind, type, key, , count, partOf = null] = Array.isArray(id) ? id : [];
      const isType = type instanceof PickleGlobal && Object.hasOwn(storageTypes, type.name);
      if (kind !== "storage" || !isType || typeof key !== "string" || !isSize(count) || partOf !== null) {
        throw malformed(source, "a storage is not described as torch does");
      }
      return new Storage(type.name, key, count);
    },
  });
}

/** Where trainers put a state dict; what they average ("ema") comes last. */
const wrappers = ["model", "state_dict", "model_state_dict", "module", "ema", "ema_state_dict", "model_ema"] as const;

function stateDict(source: ByteSource, root: PickleValue): ReadonlyMap<string, Tensor> {
  if (!(root instanceof Map)) throw malformed(source, "its pickle is no dict");
  const found = tensorsIn(root, 3);
  if (found !== undefined) return found;
  const keys = [...root.keys()].map((key) => (typeof key === "string" ? `"${key}"` : String(key)));
  throw malformed(
    source,
    `its pickle holds no tensors, neither by name nor under ${wrappers.map((name) => `"${name}"`).join(", ")}; ` +
      `it has ${keys.slice(0, 20).join(", ") || "nothing"}`,
  );
}

/** A dict's tensors: those of a dict that it wraps, else its own. `undefined` if it has none. */
function tensorsIn(dict: Map<PickleValue, PickleValue>, depth: number): ReadonlyMap<string, Tensor> | undefined {
  for (const wrapper of depth === 0 ? [] : wrappers) {
    const inner = dict.get(wrapper);
    const found = inner instanceof Map ? tensorsIn(inner, depth - 1) : undefined;
    if (found !== undefined) return found;
  }
  const tensors = new Map<string, Tensor>();
  for (const [name, value] of dict) if (typeof name === "string" && value instanceof Tensor) tensors.set(name, value);
  return tensors.size === 0 ? undefined : tensors;
}

interface View {
  readonly dims: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
}

/** A tensor's numbers, once it is certain that it lies inside its storage and no larger than it. */
function checkView(source: ByteSource, name: string, { storage, offset, dims, strides }: Tensor): View {
  const fits = isSize(offset) && isSizes(dims) && isSizes(strides) && dims.length === strides.length;
  if (!fits) throw malformed(source, `tensor ${name} has no proper shape`);
  const count = elementCount(dims);
  const last = dims.reduce((end, dim, i) => end + (dim - 1) * (strides[i] ?? 0), offset);
  if (count > storage.count || (count > 0 && last >= storage.count) || offset > storage.count) {
    throw malformed(
      source,
      `tensor ${name} [${dims.join(", ")}] reaches beyond its storage of ${storage.count} elements`,
    );
  }
  return { dims, strides, offset };
}

function isSizes(value: PickleValue): value is number[] {
  return Array.isArray(value) && value.length <= 16 && value.every(isSize);
}

function isContiguous(dims: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let i = dims.length - 1; i >= 0; i--) {
    const dim = dims[i] ?? 0;
    if (dim === 0) return true;
    if (dim !== 1 && strides[i] !== expected) return false;
    expected *= dim;
  }
  return true;
}

/** The elements of a strided view, in C order. */
function gather(
  bytes: Uint8Array,
  itemSize: number,
  offset: number,
  dims: readonly number[],
  strides: readonly number[],
): Uint8Array {
  const count = elementCount(dims);
  const out = new Uint8Array(count * itemSize);
  const index = dims.map(() => 0);
  let from = offset;
  for (let i = 0; i < count; i++) {
    for (let k = 0; k < itemSize; k++) out[i * itemSize + k] = bytes[from * itemSize + k] ?? 0;
    for (let d = dims.length - 1; d >= 0; d--) {
      const next = (index[d] ?? 0) + 1;
      const stride = strides[d] ?? 0;
      if (next < (dims[d] ?? 0)) {
        index[d] = next;
        from += stride;
        break;
      }
      index[d] = 0;
      from -= (next - 1) * stride;
    }
  }
  return out;
}

async function readRecord(
  archive: ZipArchive,
  name: string,
  options: ReadOptions,
): Promise<{ readonly record: ZipRecord; readonly bytes: Uint8Array } | undefined> {
  const record = archive.records.get(name);
  if (record === undefined) return undefined;
  if (record.size > largestPickle) throw malformed(archive.source, `${name} has ${record.size} bytes`);
  const offset = await locate(archive, record, options);
  return { record, bytes: await archive.source.read(offset, record.size, options) };
}

function malformed({ name }: ByteSource, problem: string): CheckpointError {
  return new CheckpointError("pytorch-malformed", `${name}: ${problem}`, { details: { file: name } });
}
