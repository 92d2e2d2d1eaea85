import { testNanoImage } from "@masklet/core/test/goldens/nano-image";
import { testNanoVideo } from "@masklet/core/test/goldens/nano-video";
import { shared } from "@masklet/core/test/goldens/shared.web";
import { describe } from "vitest";
import { createTfjsBackend } from "../src/web.ts";

/** Where the test's server has the engine's files. */
const wasmPaths = "/packages/backend-tfjs/node_modules/@tensorflow/tfjs-backend-wasm/dist/";

// All scenarios run in Node.
describe("wasm", async () => {
  const create = () => createTfjsBackend({ engine: "wasm", wasmPaths, threads: 2 });
  await testNanoImage(create, { shared });
  await testNanoVideo(create, {
    shared,
    scenarios: [
      "two_clicks_in_turn",
      "bedroom_two_children",
      "memory_stride_in_reverse",
      "holes_filled",
      "mask_then_points_on_the_same_frame",
    ],
  });
});

// On a software adapter a frame takes seconds.
describe("webgl", async () => {
  const create = () => createTfjsBackend({ engine: "webgl" });
  await testNanoImage(create, { shared, pictures: ["groceries"] });
  await testNanoVideo(create, { shared, scenarios: ["two_clicks_in_turn"], records: 4 });
});
