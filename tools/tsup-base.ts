import { copyFile } from "node:fs/promises";
import type { Options } from "tsup";

/**
 * How every package is built: ES modules for the lowest Node and the browsers of its time, with types and source maps.
 *
 * Entries of one package share chunks, so that a class is the same class from whichever entry it was imported.
 */
export function library(options: Options): Options {
  return {
    format: "esm",
    target: "es2022",
    platform: "neutral",
    splitting: true,
    sourcemap: true,
    clean: true,
    removeNodeProtocol: false,
    // tsup leaves dependencies and peer dependencies out by itself, but not optional ones.
    external: [/^node:/, /^onnxruntime-/],
    // Types are made against the built packages, as a user gets them.
    dts: { compilerOptions: { customConditions: [] } },
    // The licence asks for the notice in every copy; npm adds the licence itself.
    onSuccess: () => copyFile("../../NOTICE", "dist/NOTICE"),
    ...options,
  };
}
