import type { BackendError } from "@masklet/core/backend";
import { runtimeMissing } from "./errors.ts";

/** What `onnxruntime-node` has binaries for. */
const builds = ["darwin arm64", "linux arm64", "linux x64", "win32 arm64", "win32 x64"];

/**
 * The error for an `onnxruntime-node` that cannot be imported, with an installation that works.
 *
 * On Linux x64 its install script fetches CUDA from NuGet. Where it cannot, npm fails, or leaves out an optional
 * dependency without a word, though the CPU needs nothing of it.
 */
export function nodeRuntimeMissing(
  cause: unknown,
  { platform, arch }: { readonly platform: string; readonly arch: string } = process,
): BackendError {
  const name = "onnxruntime-node";
  const host = `${platform} ${arch}`;
  const install = host === "linux x64" ? "ONNXRUNTIME_NODE_INSTALL=skip npm install" : "npm install";
  if (isAbsent(cause)) return runtimeMissing(cause, { name, install, problem: "is not installed" });
  const elsewhere = "take @masklet/backend-tfjs, which needs no binary";
  if (builds.includes(host)) return runtimeMissing(cause, { name, install, instead: elsewhere });
  return runtimeMissing(cause, { name, install: false, problem: `has no build for ${host}`, instead: elsewhere });
}

/** The package is not there, rather than a part of it. */
function isAbsent(cause: unknown): boolean {
  return (
    cause instanceof Error &&
    "code" in cause &&
    cause.code === "ERR_MODULE_NOT_FOUND" &&
    cause.message.includes("'onnxruntime-node'")
  );
}
