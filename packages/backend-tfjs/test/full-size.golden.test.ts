import { testFullSize } from "../../core/test/goldens/full-size.ts";
import { shared } from "../../core/test/goldens/shared.node.ts";
import { createTfjsBackend } from "../src/node.ts";

testFullSize(() => createTfjsBackend({ engine: "wasm" }), { shared, variants: ["sam2.1-hiera-tiny"] });
