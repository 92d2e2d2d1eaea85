/** In a page of its own: a runtime that failed to start cannot be started again. */
import { expect, test } from "vitest";
import { createOrtBackend } from "../src/web.ts";

test("wasm that is not where it is looked for is told when the backend is made, with what to do", async () => {
  const failed = await createOrtBackend({ device: "wasm", wasmPaths: "/nowhere/" }).catch((error: unknown) => error);
  expect(failed).toMatchObject({ name: "BackendError", code: "runtime-missing" });
  expect((failed as Error).message).toMatch(/at http.*\/nowhere\/.*`wasmPaths`/);
});
