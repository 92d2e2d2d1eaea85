import { testNanoImage } from "../../core/test/goldens/nano-image.ts";
import { shared } from "../../core/test/goldens/shared.node.ts";
import { createTfjsBackend } from "../src/node.ts";

await testNanoImage(() => createTfjsBackend({ engine: "wasm" }), { shared });
