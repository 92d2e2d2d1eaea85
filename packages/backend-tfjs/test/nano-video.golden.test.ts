import { testNanoVideo } from "@masklet/core/test/goldens/nano-video";
import { shared } from "@masklet/core/test/goldens/shared.node";
import { createTfjsBackend } from "../src/node.ts";

await testNanoVideo(() => createTfjsBackend({ engine: "wasm" }), { shared });
