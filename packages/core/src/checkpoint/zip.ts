import type { AbortSignalLike } from "../abort.ts";
import { CheckpointError } from "../errors.ts";
import { type ByteSource, checkRange } from "./byte-source.ts";
import { decodeUtf8 } from "./utf8.ts";

/** A file in a zip archive, as the archive's directory describes it. */
export interface ZipRecord {
  readonly name: string;
  /** Bytes of its content. */
  readonly size: number;
  readonly crc32: number;
  /** 0 is stored, everything else is some compression. */
  readonly method: number;
  readonly encrypted: boolean;
  readonly headerOffset: number;
  /** Bytes of the name, as it is stored. */
  readonly nameLength: number;
  /** Where the next record or the directory begins: its content cannot reach further. */
  readonly limit: number;
}

/** The records of a zip archive by name. */
export interface ZipArchive {
  readonly source: ByteSource;
  readonly records: ReadonlyMap<string, ZipRecord>;
}

const localHeader = 0x04034b50;
const directoryEntry = 0x02014b50;
const directoryEnd = 0x06054b50;
const directoryEnd64 = 0x06064b50;
const directoryEnd64Locator = 0x07064b50;

/** A model has hundreds of records of about a hundred bytes each; more than this is no model. */
const largestDirectory = 16 << 20;

/**
 * Reads the directory of a zip archive (PKWARE APPNOTE 6.3, zip64 included) and nothing else. Throws a `CheckpointError`
 * with code "zip-malformed" where it contradicts itself and "truncated" where it points outside the file.
 */
export async function openZip(source: ByteSource, options: ReadOptions = {}): Promise<ZipArchive> {
  const end = await findEnd(source, options);
  if (end.size > largestDirectory) {
    throw malformed(source, `its directory has ${end.size} bytes, more than the ${largestDirectory} a model may have`);
  }
  const directory = dataView(await source.read(end.offset, end.size, options));
  const entries: Omit<ZipRecord, "limit">[] = [];
  let at = 0;
  while (at < end.size) {
    const { next, ...entry } = readEntry(source, directory, at);
    entries.push(entry);
    at = next;
  }
  if (entries.length !== end.count) {
    throw malformed(source, `its directory lists ${entries.length} records instead of ${end.count}`);
  }
  entries.sort((a, b) => a.headerOffset - b.headerOffset);
  const records = new Map<string, ZipRecord>();
  entries.forEach((entry, i) => {
    if (records.has(entry.name)) throw malformed(source, `it has two records named ${entry.name}`);
    records.set(entry.name, { ...entry, limit: entries[i + 1]?.headerOffset ?? end.offset });
  });
  return { source, records };
}

/**
 * Where the content of a stored record begins in the file. Throws a `CheckpointError` with code "zip-malformed" for a
 * compressed or encrypted record, one that overlaps the next, or one whose own header says something else.
 */
export async function locate({ source }: ZipArchive, record: ZipRecord, options: ReadOptions = {}): Promise<number> {
  const fail = (problem: string): CheckpointError => malformed(source, `record ${record.name} ${problem}`);
  if (record.encrypted) throw fail("is encrypted");
  if (record.method !== 0) throw fail(`is compressed (method ${record.method}); only stored records can be read`);
  const headerLength = 30 + record.nameLength;
  const bytes = await source.read(record.headerOffset, headerLength, options);
  const header = dataView(bytes);
  if (header.getUint32(0, true) !== localHeader) throw fail("has no header where the directory says");
  if (header.getUint16(8, true) !== record.method) throw fail("is stored another way than the directory says");
  if (header.getUint16(26, true) !== record.nameLength || decodeUtf8(bytes.subarray(30)) !== record.name) {
    throw fail("has another name in its header");
  }
  const offset = record.headerOffset + headerLength + header.getUint16(28, true);
  checkRange(source, offset, record.size);
  if (offset + record.size > record.limit) throw fail("overlaps what follows it");
  return offset;
}

interface ReadOptions {
  readonly signal?: AbortSignalLike;
}

interface DirectoryPlace {
  readonly offset: number;
  readonly size: number;
  readonly count: number;
}

async function findEnd(source: ByteSource, options: ReadOptions): Promise<DirectoryPlace> {
  // the last record is 22 bytes and a comment of up to 65535
  const tailLength = Math.min(source.size, 22 + 0xffff);
  const tail = dataView(await source.read(source.size - tailLength, tailLength, options));
  let at = tailLength - 22;
  const isEnd = (): boolean =>
    tail.getUint32(at, true) === directoryEnd && at + 22 + tail.getUint16(at + 20, true) === tailLength;
  while (at >= 0 && !isEnd()) at--;
  if (at < 0) {
    throw new CheckpointError(
      "truncated",
      `${source.name}: the zip archive has no end; the file is cut off or damaged`,
      {
        details: { file: source.name, size: source.size },
      },
    );
  }
  const endOffset = source.size - tailLength + at;
  let place: DirectoryPlace & { readonly end: number } = {
    count: tail.getUint16(at + 10, true),
    size: tail.getUint32(at + 12, true),
    offset: tail.getUint32(at + 16, true),
    end: endOffset,
  };
  if (at >= 20 && tail.getUint32(at - 20, true) === directoryEnd64Locator) {
    const end64Offset = uint64(source, tail, at - 20 + 8);
    const end64 = dataView(await source.read(end64Offset, 56, options));
    if (end64.getUint32(0, true) !== directoryEnd64) throw malformed(source, "its zip64 end is not where it should be");
    place = {
      count: uint64(source, end64, 32),
      size: uint64(source, end64, 40),
      offset: uint64(source, end64, 48),
      end: end64Offset,
    };
  }
  checkRange(source, place.offset, place.size);
  if (place.offset + place.size > place.end) throw malformed(source, "its directory overlaps the archive's end");
  return place;
}

function readEntry(source: ByteSource, view: DataView, at: number): Omit<ZipRecord, "limit"> & { next: number } {
  if (at + 46 > view.byteLength || view.getUint32(at, true) !== directoryEntry) {
    throw malformed(source, `its directory has no record at byte ${at}`);
  }
  const nameEnd = at + 46 + view.getUint16(at + 28, true);
  const extraEnd = nameEnd + view.getUint16(at + 30, true);
  const next = extraEnd + view.getUint16(at + 32, true);
  if (next > view.byteLength) throw malformed(source, `the directory's record at byte ${at} is cut off`);
  const nameLength = nameEnd - at - 46;
  const name = decodeUtf8(new Uint8Array(view.buffer, view.byteOffset + at + 46, nameLength));
  if (name === undefined) throw malformed(source, `the name of the directory's record at byte ${at} is not UTF-8`);

  // zip64: the fields that do not fit come in this order in extra field 1
  let extra = zip64Extra(view, nameEnd, extraEnd);
  const wide = (value: number): number => {
    if (value !== 0xffffffff) return value;
    if (extra === undefined || extra.byteLength < 8) throw malformed(source, `record ${name} lacks its 64-bit sizes`);
    const found = uint64(source, extra, 0);
    extra = new DataView(extra.buffer, extra.byteOffset + 8, extra.byteLength - 8);
    return found;
  };
  const size = wide(view.getUint32(at + 24, true));
  const storedSize = wide(view.getUint32(at + 20, true));
  const headerOffset = wide(view.getUint32(at + 42, true));
  const method = view.getUint16(at + 10, true);
  if (method === 0 && storedSize !== size) throw malformed(source, `record ${name} is stored but has two sizes`);
  checkRange(source, headerOffset, 30 + nameLength + storedSize);
  const encrypted = (view.getUint16(at + 8, true) & 1) !== 0;
  return { name, size, crc32: view.getUint32(at + 16, true), method, encrypted, headerOffset, nameLength, next };
}

function zip64Extra(view: DataView, from: number, to: number): DataView | undefined {
  for (let at = from; at + 4 <= to; ) {
    const length = view.getUint16(at + 2, true);
    if (at + 4 + length > to) return undefined;
    if (view.getUint16(at, true) === 1) return new DataView(view.buffer, view.byteOffset + at + 4, length);
    at += 4 + length;
  }
  return undefined;
}

function uint64(source: ByteSource, view: DataView, at: number): number {
  const value = Number(view.getBigUint64(at, true));
  if (!Number.isSafeInteger(value)) throw malformed(source, "it has an offset or a size beyond 2^53");
  return value;
}

function dataView(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function malformed({ name }: ByteSource, problem: string): CheckpointError {
  return new CheckpointError("zip-malformed", `${name}: ${problem}`, { details: { file: name } });
}
