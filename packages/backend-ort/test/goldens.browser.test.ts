import { testFullSize } from "@masklet/core/test/goldens/full-size";
import { testNanoImage } from "@masklet/core/test/goldens/nano-image";
import { testNanoVideo } from "@masklet/core/test/goldens/nano-video";
import { shared } from "@masklet/core/test/goldens/shared.web";
import { slow } from "@masklet/core/test/slow.web";
import { describe } from "vitest";
import { findAdapter, isSoftware } from "../src/gpu.ts";
import { createOrtBackend } from "../src/web.ts";

const onWasm = () => createOrtBackend({ device: "wasm" });
const onWebGpu = () => createOrtBackend({ device: "webgpu" });

describe("wasm", async () => {
  await testNanoImage(onWasm, { shared });
  await testNanoVideo(onWasm, {
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

// A software adapter takes its time.
describe("webgpu", async () => {
  await testNanoImage(onWebGpu, { shared, pictures: ["groceries"] });
  await testNanoVideo(onWebGpu, { shared, scenarios: ["two_clicks_in_turn"], records: 3 });
});

// A software adapter takes five minutes on a machine that does nothing else.
const adapter = await findAdapter();
const software = adapter !== null && isSoftware(adapter);
describe.skipIf(adapter === null || (software && !slow))(
  `webgpu at full size${software ? " (on a software adapter with MASKLET_SLOW=1)" : ""}`,
  () => {
    testFullSize(onWebGpu, {
      shared,
      variants: ["sam2.1-hiera-tiny"],
      graphs: ["memoryAttention"],
      encodeOn: onWasm,
      limits: { max: 5e-3, median: 5e-4 },
      timeout: 1_800_000,
    });
  },
);
