import type { AbortSignalLike } from "../abort.ts";
import { CheckpointError } from "../errors.ts";
import { byteSize, type DType } from "../tensor/dtype.ts";
import { elementCount } from "../tensor/tensor.ts";
import { type ByteSource, bytesSource, isSize } from "./byte-source.ts";
import { crc32 } from "./crc32.ts";
import { PickleGlobal, PickleObject, type PickleValue, unpickle } from "./pickle.ts";
import { decodeUtf8 } from "./utf8.ts";
import { checksumMismatch, type WeightEntry } from "./weight-store.ts";
import { locate, openZip, type ZipArchive, type ZipRecord } from "./zip.ts";

/** A model's pickle has some hundred bytes a tensor; more than this is no model. */
const largestPickle = 64 << 20;

/**
 * The tensors of a PyTorch checkpoint (what `torch.save` writes since 1.6): a zip whose `data.pkl` is
 * `{"model": state_dict}` or a bare state dict, with stored little-endian storages beside it. Only the directory, the
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

  const entries: WeightEntry[] = [];
  const offsets = new Map<string, number>();
  let gatheredFrom = 0;
  for (const [name, tensor] of stateDict(source, readPickle(source, pickle.bytes))) {
    const { storage } = tensor;
    const { dtype } = storage;
    if (dtype === undefined) {
      throw new CheckpointError("unsupported-dtype", `${source.name}: tensor ${name} is a ${storage.type}`, {
        details: { file: source.name, tensor: name, dtype: storage.type },
      });
    }
    const record = archive.records.get(`${root}data/${storage.key}`);
    if (record === undefined)
      throw malformed(source, `the data of tensor ${name} (${root}data/${storage.key}) is missing`);
    const itemSize = byteSize[dtype];
    if (record.size !== storage.count * itemSize) {
      throw malformed(
        source,
        `tensor ${name} wants ${storage.count * itemSize} bytes, ${record.name} has ${record.size}`,
      );
    }
    let start = offsets.get(storage.key);
    if (start === undefined) {
      start = await locate(archive, record, options);
      offsets.set(storage.key, start);
    }
    const { dims, strides, offset } = checkView(source, name, tensor);
    const byteLength = elementCount(dims) * itemSize;
    const shared = { name, dtype, dims, byteLength };
    if (isContiguous(dims, strides)) {
      const whole = hasChecksums && byteLength === record.size ? { crc32: record.crc32 } : {};
      entries.push({ ...shared, source, offset: start + offset * itemSize, ...whole });
    } else {
      // a file that has the same storage gathered again and again would cost without end
      gatheredFrom += record.size;
      if (gatheredFrom > source.size) throw malformed(source, "too many of its tensors are not contiguous");
      const bytes = await source.read(start, record.size, options);
      if (hasChecksums && crc32(bytes) !== record.crc32) throw checksumMismatch(source, `tensor ${name}`);
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
  };
  return new Map(
    [...Object.entries(constructors), ...Object.keys(storageTypes).map((name) => [name, undefined] as const)].map(
      ([name, construct]) => [name, new PickleGlobal(name, construct)],
    ),
  );
}

function readPickle(source: ByteSource, bytes: Uint8Array): PickleValue {
  return unpickle(bytes, {
    name: source.name,
    allowed: allowedGlobals(source),
    // ("storage", type, key, where it was, number of elements)
    persistentLoad: (id) => {
      const [kind, type, key, , count] = Array.isArray(id) ? id : [];
      const isType = type instanceof PickleGlobal && Object.hasOwn(storageTypes, type.name);
      if (kind !== "storage" || !isType || typeof key !== "string" || !isSize(count)) {
        throw malformed(source, "a storage is not described as torch does");
      }
      return new Storage(type.name, key, count);
    },
  });
}

function stateDict(source: ByteSource, root: PickleValue): ReadonlyMap<string, Tensor> {
  if (!(root instanceof Map)) throw malformed(source, "its pickle is no dict");
  const model = root.get("model");
  const tensors = new Map<string, Tensor>();
  for (const [name, value] of model instanceof Map ? model : root) {
    if (typeof name === "string" && value instanceof Tensor) tensors.set(name, value);
  }
  if (tensors.size === 0) throw malformed(source, 'its pickle holds no tensors, neither by name nor under "model"');
  return tensors;
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
