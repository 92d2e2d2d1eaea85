/** A shorter memory against the model's own: J&F of what is tracked with both. */
import { VideoPredictor } from "@masklet/core";
import { loadSam2, type Sam2 } from "@masklet/core/node";
import { trackClip } from "@masklet/core/test/goldens/clip.node";
import type { Shared } from "@masklet/core/test/goldens/shared";
import { shared, sharedPath } from "@masklet/core/test/goldens/shared.node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createOrtBackend } from "../src/node.ts";

describe.skipIf(shared === undefined)("fewer memories (needs ../shared)", () => {
  let backend: Awaited<ReturnType<typeof createOrtBackend>>;
  let model: Sam2;
  let exact: readonly number[];
  beforeAll(async () => {
    backend = await createOrtBackend();
    model = await loadSam2(sharedPath("nano/sam2.1_hiera_nano.pt"), { backend });
    exact = await trackClip(model, shared as Shared);
  });
  afterAll(async () => {
    await model?.dispose();
    await backend?.dispose();
  });

  test.each([2, 3, 4])("%i instead of 7 lose less than half a point of J&F", async (memories) => {
    const scores = await trackClip(model, shared as Shared, { memories });
    const percent = (values: readonly number[]): string => values.map((score) => (100 * score).toFixed(2)).join(", ");
    process.stdout.write(`${memories} memories: J&F ${percent(scores)}; 7: ${percent(exact)}\n`);
    for (const [i, score] of scores.entries()) expect(score).toBeGreaterThan((exact[i] as number) - 0.005);
  });

  test("all of them change nothing", async () => {
    expect(await trackClip(model, shared as Shared, { memories: 7 })).toEqual(exact);
  });

  test("there are no more than the model has", () => {
    expect(() => new VideoPredictor(model, { memories: 8 })).toThrow("memories must be an integer from 1 to 7, got 8");
  });
});
