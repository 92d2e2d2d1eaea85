import process from "node:process";
import { testNanoVideo } from "@masklet/core/test/goldens/nano-video";
import { shared } from "@masklet/core/test/goldens/shared.node";
import { test } from "vitest";
import { createTfjsBackend } from "../src/node.ts";

const slow = process.env["MASKLET_SLOW"] === "1";

/**
 * All scenarios take three minutes. They differ in what the host does, which ONNX Runtime's run sees; these are the ones
 * that differ in graphs and shapes: kinds of prompts, objects together, both directions, memories of many frames.
 */
const scenarios: readonly string[] = [
  "one_click",
  "box_and_click_two_objects",
  "mask_prompt",
  "correct_after_tracking",
  "start_in_the_middle_both_ways",
  "few_conditioning_frames",
  "non_overlapping",
];

await testNanoVideo(() => createTfjsBackend({ engine: "wasm" }), { shared, ...(!slow && { scenarios }) });
test.skipIf(!slow)("nano video goldens: the other scenarios (with MASKLET_SLOW=1)", () => {});
