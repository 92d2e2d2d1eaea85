import { closeSync, openSync, writeSync } from "node:fs";
import { crc32 } from "node:zlib";
import { pickle, torchTensor } from "@masklet/core/test/checkpoint-files";

/** Values that repeat after so many. */
const PERIOD = 1 << 18;

/**
 * Writes a `.pt` as torch would, with float32 tensors of these shapes: one record after another, since it may be larger
 * than memory. What they hold is noise.
 */
export function writeTorchFile(path: string, tensors: ReadonlyMap<string, readonly number[]>): void {
  const noise = Float32Array.from({ length: PERIOD }, (_, i) => Math.sin(i * i) / 50);
  const file = openSync(path, "w");
  const directory: Buffer[] = [];
  let at = 0;
  const write = (bytes: Uint8Array): void => {
    writeSync(file, bytes);
    at += bytes.length;
  };
  const record = (name: string, chunks: readonly Uint8Array[]): void => {
    const [offset, text] = [at, Buffer.from(`model/${name}`)];
    const size = chunks.reduce((sum, { length }) => sum + length, 0);
    const header = Buffer.alloc(26); // what the local header and the directory's have in common
    header.writeUInt16LE(20, 0);
    header.writeUInt32LE(
      chunks.reduce((crc, chunk) => crc32(chunk, crc), 0),
      10,
    );
    for (const where of [14, 18]) header.writeUInt32LE(size, where);
    header.writeUInt16LE(text.length, 22);
    // torch aligns its records to 64 bytes
    const padding = (64 - ((at + 30 + text.length) % 64)) % 64;
    const extra = Buffer.alloc(padding);
    header.writeUInt16LE(padding, 24);
    for (const part of [Buffer.from("PK\x03\x04"), header, text, extra, ...chunks]) write(part);
    header.writeUInt16LE(0, 24);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(offset, 10);
    directory.push(Buffer.from("PK\x01\x02\x14\0"), header, rest, text);
  };
  try {
    const shapes = [...tensors];
    const sizes = shapes.map(([, dims]) => dims.reduce((product, dim) => product * dim, 1));
    const entries = shapes.map(([name, dims], i) => {
      const tensor = torchTensor({ type: "FloatStorage", key: String(i), count: sizes[i] as number, dims });
      return [name, tensor] as const;
    });
    record("data.pkl", [pickle({ dict: [["model", { dict: entries }]] })]);
    record("byteorder", [Buffer.from("little")]);
    for (const [i, size] of sizes.entries()) {
      const chunks = Array.from({ length: Math.ceil(size / PERIOD) }, (_, k) => {
        return new Uint8Array(noise.buffer, 0, 4 * Math.min(PERIOD, size - k * PERIOD));
      });
      record(`data/${i}`, chunks);
    }
    record("version", [Buffer.from("3\n")]);
    const end = Buffer.alloc(22);
    end.write("PK\x05\x06", "latin1");
    for (const where of [8, 10]) end.writeUInt16LE(sizes.length + 3, where);
    end.writeUInt32LE(
      directory.reduce((sum, { length }) => sum + length, 0),
      12,
    );
    end.writeUInt32LE(at, 16);
    for (const part of [...directory, end]) write(part);
  } finally {
    closeSync(file);
  }
}
