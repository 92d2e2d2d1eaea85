import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { expect, test } from "vitest";
import * as errors from "./errors.ts";

test("each class keeps its name in a minified bundle", async () => {
  const entryPoints = [fileURLToPath(new URL("errors.ts", import.meta.url))];
  const { outputFiles } = await build({ entryPoints, bundle: true, minify: true, format: "esm", write: false });
  const bundle: typeof errors = await import(`data:text/javascript,${encodeURIComponent(outputFiles[0]?.text ?? "")}`);
  expect(bundle.CheckpointError.name).not.toBe("CheckpointError"); // it is minified
  const names = Object.entries(bundle).map(([name, ErrorClass]) => [
    name,
    new (ErrorClass as typeof errors.MaskletError)("code", "message").name,
  ]);
  expect(Object.fromEntries(names)).toEqual(Object.fromEntries(Object.keys(errors).map((name) => [name, name])));
});
