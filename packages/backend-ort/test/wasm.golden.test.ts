/** onnxruntime-web's wasm, which Node runs as a page does. */
import { testFullSize } from "@masklet/core/test/goldens/full-size";
import { shared } from "@masklet/core/test/goldens/shared.node";
import { createOrtBackend } from "../src/web-backend.ts";

testFullSize(() => createOrtBackend({ device: "wasm" }), {
  shared,
  variants: ["sam2.1-hiera-tiny"],
  graphs: ["imageEncoder", "maskDecoder", "memoryEncoder", "memoryAttention"],
});
