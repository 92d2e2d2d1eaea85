import { testNanoImage } from "@masklet/core/test/goldens/nano-image";
import { shared } from "@masklet/core/test/goldens/shared.node";
import { createTfjsBackend } from "../src/node.ts";

await testNanoImage(() => createTfjsBackend({ engine: "wasm" }), { shared });
