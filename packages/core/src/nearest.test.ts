import { expect, test } from "vitest";
import { nearest } from "./nearest.ts";

const models = ["sam2.1-hiera-tiny", "sam2.1-hiera-large", "sam2-hiera-tiny", "nano"] as const;

test.each<[string, readonly string[], string | undefined]>([
  ["segmnet", ["segment", "track"], "segment"],
  ["trakc", ["segment", "track"], "track"],
  ["SAM2.1-Hiera-Tiny", models, "sam2.1-hiera-tiny"],
  ["sam2.1_hiera_tiny", models, "sam2.1-hiera-tiny"],
  ["sam2-tiny", models, undefined],
  ["sam2.1-hiera-l", models, "sam2.1-hiera-large"],
  ["nan", models, "nano"],
  ["something else", models, undefined],
  ["ov", ["overlay", "objects"], undefined],
  ["over", ["overlay", "objects"], "overlay"],
  ["pointLabels", ["multimaskOutput", "labels", "latest"], "labels"],
  ["size", ["signal", "fps"], undefined],
  ["", models, undefined],
  ["x", [], undefined],
])("%j among %j is %j", (word, candidates, found) => {
  expect(nearest(word, candidates)).toBe(found);
});
