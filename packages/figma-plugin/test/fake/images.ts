/** Figma's store of images: what it takes, by which name, and how it refuses. */
import { createHash } from "node:crypto";
import { crc32, deflateSync } from "node:zlib";

export interface StoredBytes {
  readonly hash: string;
  readonly bytes: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** Throws with Figma's texts for what it does not take. */
export function storeBytes(bytes: Uint8Array): StoredBytes {
  const size = sizeOf(bytes);
  if (size === undefined) throw new Error("in createImage: Image type is unsupported");
  const { width, height } = size;
  if (width < 1 || height < 1) throw new Error("in createImage: Image is too small");
  if (width > 4096 || height > 4096) throw new Error("in createImage: Image is too large");
  return { hash: createHash("sha1").update(bytes).digest("hex"), bytes: Uint8Array.from(bytes), width, height };
}

function sizeOf(bytes: Uint8Array): { width: number; height: number } | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const starts = (...codes: readonly number[]): boolean => codes.every((code, i) => bytes[i] === code);
  if (starts(0x89, 0x50, 0x4e, 0x47) && bytes.length > 24)
    return { width: view.getUint32(16), height: view.getUint32(20) };
  if (starts(0x47, 0x49, 0x46, 0x38)) return { width: view.getUint16(6, true), height: view.getUint16(8, true) };
  if (!starts(0xff, 0xd8)) return undefined;
  for (let at = 2; at + 9 < bytes.length; at += 2 + view.getUint16(at + 2)) {
    const marker = bytes[at + 1] ?? 0;
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return { width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
  }
  return undefined;
}

/** A PNG of this size, of one grey; different greys have different hashes. */
export function pngOf(width: number, height: number, grey = 0): Uint8Array {
  const chunk = (type: string, data: Uint8Array): Buffer => {
    const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
    const head = Buffer.alloc(4);
    head.writeUInt32BE(data.length);
    const tail = Buffer.alloc(4);
    tail.writeUInt32BE(crc32(body));
    return Buffer.concat([head, body, tail]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 0], 8);
  const rows = Buffer.alloc((width + 1) * height, grey);
  for (let y = 0; y < height; y++) rows[y * (width + 1)] = 0;
  return Uint8Array.from(
    Buffer.concat([
      Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
      chunk("IHDR", header),
      chunk("IDAT", deflateSync(rows)),
      chunk("IEND", new Uint8Array()),
    ]),
  );
}
