/** onnxruntime-web's wasm, which Node runs as a page does. */
import { testFullSize } from "../../core/test/goldens/full-size.ts";
import { shared } from "../../core/test/goldens/shared.node.ts";
import { createOrtBackend } from "../src/web.ts";

testFullSize(() => createOrtBackend({ device: "wasm" }), {
  shared,
  variants: ["sam2.1-hiera-tiny"],
  graphs: ["imageEncoder", "maskDecoder", "memoryEncoder", "memoryAttention"],
});
