import { testNanoVideo } from "../../core/test/goldens/nano-video.ts";
import { shared } from "../../core/test/goldens/shared.node.ts";
import { createTfjsBackend } from "../src/node.ts";

await testNanoVideo(() => createTfjsBackend({ engine: "wasm" }), { shared });
