/** Raw pixels with a time for each frame, as a Matroska stream: what ffmpeg's plain raw video has no place for. */
import type { Size } from "../../image/image.ts";

/** Of the streams' times, in seconds. */
const tick = 1e-5;

/** What comes before the first frame. */
export function matroskaHeader({ width, height }: Size, channels: 3 | 4): Uint8Array {
  const colourSpace = channels === 4 ? "RGBA" : "RGB\x18"; // the pixel format's tag in ffmpeg
  const video = element("e0", element("b0", number(width)), element("ba", number(height)), text("2eb524", colourSpace));
  const track = element("ae", element("d7", number(1)), element("83", number(1)), text("86", "V_UNCOMPRESSED"), video);
  return Buffer.concat([
    element("1a45dfa3", text("4282", "matroska")),
    Buffer.from("18538067" + "01ffffffffffffff", "hex"), // the segment, of unknown size
    element("1549a966", element("2ad7b1", number(tick * 1e9))),
    element("1654ae6b", track),
  ]);
}

/** What comes before the `length` bytes of a frame that is shown at `time`, in seconds. */
export function matroskaFrame(time: number, length: number): Uint8Array {
  const clusterTime = element("e7", number(Math.round(time / tick)));
  const block = Buffer.concat([opening("a3", length + 4), Buffer.from("81000080", "hex")]); // track 1, now, a key frame
  return Buffer.concat([opening("1f43b675", clusterTime.length + block.length + length), clusterTime, block]);
}

function element(id: string, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([opening(id, body.length), body]);
}

/** An element's id and its size. */
function opening(id: string, length: number): Buffer {
  const size = number(length);
  size[0] = 1; // eight bytes follow the marker's zeros
  return Buffer.concat([Buffer.from(id, "hex"), size]);
}

function text(id: string, value: string): Buffer {
  return element(id, Buffer.from(value, "latin1"));
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(Math.round(value)));
  return bytes;
}
