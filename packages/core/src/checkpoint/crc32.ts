/** CRC-32 (IEEE 802.3) of `bytes`, as zip files carry it; eight bytes a step. */
export function crc32(bytes: Uint8Array): number {
  tables ??= makeTables();
  const [t0, t1, t2, t3, t4, t5, t6, t7] = tables;
  let crc = 0xffffffff;
  let i = 0;
  const whole = bytes.length - (bytes.length % 8);
  for (; i < whole; i += 8) {
    crc ^= byte(bytes, i) | (byte(bytes, i + 1) << 8) | (byte(bytes, i + 2) << 16) | (byte(bytes, i + 3) << 24);
    crc =
      entry(t7, crc & 0xff) ^
      entry(t6, (crc >>> 8) & 0xff) ^
      entry(t5, (crc >>> 16) & 0xff) ^
      entry(t4, crc >>> 24) ^
      entry(t3, byte(bytes, i + 4)) ^
      entry(t2, byte(bytes, i + 5)) ^
      entry(t1, byte(bytes, i + 6)) ^
      entry(t0, byte(bytes, i + 7));
  }
  for (; i < bytes.length; i++) crc = (crc >>> 8) ^ entry(t0, (crc ^ byte(bytes, i)) & 0xff);
  return ~crc >>> 0;
}

type Tables = readonly [
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
];

let tables: Tables | undefined;

function makeTables(): Tables {
  const first = Uint32Array.from({ length: 256 }, (_, value) => {
    let crc = value;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    return crc;
  });
  const after = (previous: Uint32Array): Uint32Array => previous.map((crc) => (crc >>> 8) ^ entry(first, crc & 0xff));
  const t1 = after(first);
  const t2 = after(t1);
  const t3 = after(t2);
  const t4 = after(t3);
  const t5 = after(t4);
  const t6 = after(t5);
  return [first, t1, t2, t3, t4, t5, t6, after(t6)];
}

function byte(bytes: Uint8Array, i: number): number {
  return bytes[i] ?? 0;
}

function entry(table: Uint32Array, i: number): number {
  return table[i] ?? 0;
}
