/** A zip of a few files, stored as they are: pictures are compressed already (PKWARE's APPNOTE, 4.3). */

/** Names are UTF-8. Files and their sum must be below 4 GiB. */
export function zip(files: readonly { readonly path: string; readonly bytes: Uint8Array }[]): Blob {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const { path, bytes } of files) {
    const name = new TextEncoder().encode(path);
    // Version 2.0, UTF-8 names, stored, 1 January 1980; both sizes; the name's length, nothing extra.
    const facts = fields(
      [2, 20],
      [2, 0x800],
      [2, 0],
      [2, 0],
      [2, 33],
      [4, crc32(bytes)],
      [4, bytes.length],
      [4, bytes.length],
      [2, name.length],
      [2, 0],
    );
    const local = [fields([4, 0x04034b50]), facts, name, bytes];
    directory.push(fields([4, 0x02014b50], [2, 20]), facts, fields([2, 0], [2, 0], [2, 0], [4, 0], [4, offset]), name);
    parts.push(...local);
    offset += total(local);
  }
  const count = files.length;
  const end = fields(
    [4, 0x06054b50],
    [2, 0],
    [2, 0],
    [2, count],
    [2, count],
    [4, total(directory)],
    [4, offset],
    [2, 0],
  );
  return new Blob([...parts, ...directory, end] as Uint8Array<ArrayBuffer>[], { type: "application/zip" });
}

const total = (parts: readonly Uint8Array[]): number => parts.reduce((sum, { length }) => sum + length, 0);

/** Little-endian numbers of so many bytes. */
function fields(...numbers: readonly (readonly [size: number, value: number])[]): Uint8Array {
  return Uint8Array.from(
    numbers.flatMap(([size, value]) => Array.from({ length: size }, (_, i) => (value >>> (8 * i)) & 0xff)),
  );
}

function crc32(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}
