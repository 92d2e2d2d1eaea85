import { testFullSize } from "@masklet/core/test/goldens/full-size";
import { shared } from "@masklet/core/test/goldens/shared.node";
import { createTfjsBackend } from "../src/node.ts";

testFullSize(() => createTfjsBackend({ engine: "wasm" }), { shared, variants: ["sam2.1-hiera-tiny"] });
