/**
 * What the host does with eight objects on a frame of 1920 x 1080, as JSON: `HostRow`s. The objects are made up, a ring
 * of discs of which neighbours overlap, so no model is needed.
 */
import process from "node:process";
import { cutout, labelMap, overlay, type RawImage } from "@masklet/core";
import { encodeLabelPng, encodePng } from "@masklet/core/node";
import { type FrameResult, frameResult } from "../../packages/core/src/video/frame-result.ts";
import type { HostRow } from "./report.ts";
import { inTurns, median, type Run } from "./turns.ts";

const OBJECTS = 8;
const size = { width: 1920, height: 1080 };
const side = 256;

const known = new Map(
  Array.from({ length: OBJECTS }, (_, i) => {
    const [x, y] = [0.5 + 0.3 * Math.cos(i * 0.8), 0.5 + 0.3 * Math.sin(i * 0.8)];
    const logits = new Float32Array(side * side).map(
      (_, p) => 12 - 60 * Math.hypot(((p % side) + 0.5) / side - x, (Math.floor(p / side) + 0.5) / side - y),
    );
    return [i + 1, { logits, pointer: new Float32Array(0), objectScore: 5, iouPrediction: 0.9 }] as const;
  }),
);
const image: RawImage = {
  ...size,
  channels: 3,
  data: new Uint8Array(size.width * size.height * 3).map((_, i) => 128 + 100 * Math.sin(i / 977) + (i % 7)),
};

const masks = (chosen: { nonOverlappingMasks?: boolean; returnLogits?: boolean } = {}): FrameResult =>
  frameResult(0, known, { size, side, nonOverlappingMasks: false, returnLogits: false, ...chosen });

/** What makes a row's input, once, and gives what is measured. */
const prepare: Readonly<Record<string, () => Run>> = {
  masks: () => masks,
  "masks that do not overlap": () => () => masks({ nonOverlappingMasks: true }),
  "masks and logits": () => () => masks({ returnLogits: true }),
  "masks and logits that do not overlap": () => () => masks({ nonOverlappingMasks: true, returnLogits: true }),
  "label map": () => {
    const frame = masks();
    return () => labelMap(frame, size);
  },
  overlay: () => {
    const { objects } = masks();
    return () => overlay(image, objects);
  },
  "label map as PNG": () => {
    const labels = labelMap(masks(), size);
    return () => encodeLabelPng(labels);
  },
  "overlay as PNG": () => {
    const picture = overlay(image, masks().objects);
    return () => encodePng(picture);
  },
  "one object's cutout as PNG": () => {
    const [picture] = masks().objects.map(({ mask }) => cutout(image, mask));
    return () => encodePng(picture as RawImage);
  },
};

/** A plain loop over the bytes of the masks: what a row is compared with. */
const bytes = new Uint8Array(OBJECTS * size.width * size.height);
function pass(): void {
  for (let i = 0; i < bytes.length; i++) bytes[i] = 1 - (bytes[i] as number);
}

const rows: HostRow[] = [];
for (const [name, prepared] of Object.entries(prepare)) {
  const run = prepared();
  for (let i = 0; i < 2; i++) {
    await run();
    pass();
  }
  const [own, passes] = await inTurns([run, pass]);
  rows.push({ name, milliseconds: median(own), passes: median(own) / median(passes) });
}
process.stdout.write(JSON.stringify(rows));
