import { copyFile } from "node:fs/promises";
import { defineConfig } from "tsup";

/** The command in a few files; what it depends on stays outside. */
export default defineConfig({
  entry: { main: "src/main.ts" },
  format: "esm",
  target: "es2022",
  platform: "node",
  splitting: true,
  sourcemap: true,
  clean: true,
  removeNodeProtocol: false,
  external: [/^node:/],
  // The licence asks for the notice in every copy; npm adds the licence itself.
  onSuccess: () => copyFile("../../NOTICE", "dist/NOTICE"),
});
