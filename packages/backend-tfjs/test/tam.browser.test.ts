import { shared } from "@masklet/core/test/goldens/shared.web";
import { testTam } from "@masklet/core/test/goldens/tam";
import { inject } from "vitest";
import { createTfjsBackend } from "../src/web.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Whether tests that take minutes run. */
    slow: boolean;
  }
}

/** Where the test's server has the engine's files. */
const wasmPaths = "/packages/backend-tfjs/node_modules/@tensorflow/tfjs-backend-wasm/dist/";

const create = () => createTfjsBackend({ engine: "wasm", wasmPaths, threads: 2 });

// Images of 1024 pixels take minutes.
const slow = inject("slow");
testTam(create, {
  shared,
  slow,
  variants: slow ? ["edgetam", "efficienttam-s", "efficienttam-s-512"] : ["efficienttam-s-512"],
});
