import { expect, test, vi } from "vitest";
import { pipelineDetector } from "./detector.ts";

const image = { width: 40, height: 30, channels: 3, data: new Uint8Array(40 * 30 * 3) } as const;
const box = (xmin: number, ymin: number, xmax: number, ymax: number) => ({ xmin, ymin, xmax, ymax });
const toImage = ({ width, height }: { width: number; height: number }) => `${width}x${height}`;

test("asks the pipeline for pixels, and clips, sorts and limits what it answers", async () => {
  const pipeline = vi.fn(async () => [
    { label: "cat", score: 0.5, box: box(-5, 2, 10, 90) },
    { label: "dog", score: 0.9, box: box(1, 2, 3, 4) },
    { label: "fly", score: 0.2, box: box(1, 2, 3, 4) },
    { label: "out", score: 0.8, box: box(41, 2, 50, 4) },
  ]);
  const detector = pipelineDetector(pipeline, { toImage });
  expect(await detector.detect(image)).toEqual([
    { label: "dog", score: 0.9, box: [1, 2, 3, 4] },
    { label: "cat", score: 0.5, box: [0, 2, 10, 30] },
  ]);
  expect(pipeline).toHaveBeenCalledWith("40x30", { threshold: 0.25, percentage: false });
  expect(await pipelineDetector(pipeline, { toImage, maxDet: 1, conf: 0.1 }).detect(image)).toHaveLength(1);
});

test("looks for texts", async () => {
  const pipeline = vi.fn(async () => []);
  const detector = pipelineDetector(pipeline, { toImage, texts: ["red car"] });
  expect([detector.labels, await detector.detect(image)]).toEqual([["red car"], []]);
  expect(pipeline).toHaveBeenCalledWith("40x30", ["red car"], { threshold: 0.1, percentage: false });
});

test.each([undefined, [{ label: "cat", score: 1 }], [{ label: 1, score: 1, box: box(1, 2, 3, 4) }], [null]])(
  "an answer like %j is refused",
  async (answer) => {
    const detector = pipelineDetector(async () => answer, { toImage });
    await expect(detector.detect(image)).rejects.toMatchObject({ name: "DetectorError", code: "pipeline-answer" });
  },
);

test("options that make no sense, and an abort", async () => {
  const pipeline = async () => [];
  expect(() => pipelineDetector(pipeline, { toImage, texts: [] })).toThrow(/texts must be words/);
  expect(() => pipelineDetector(pipeline, { toImage, conf: 2 })).toThrow(/conf must be a number from 0 to 1/);
  expect(() => pipelineDetector(pipeline, { toImage, treshold: 2 } as never)).toThrow(/no option treshold/);
  const detector = pipelineDetector(pipeline, { toImage });
  await expect(detector.detect(image, { signal: AbortSignal.abort("enough") })).rejects.toBe("enough");
});
