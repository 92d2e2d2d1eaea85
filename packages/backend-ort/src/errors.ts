import { BackendError } from "@masklet/core/backend";
import { ortVersion } from "./ort-version.ts";

/** The error for a device that is not there; says what is. */
export function deviceUnavailable(
  device: string,
  available: readonly string[],
  { reason, cause }: { readonly reason?: string; readonly cause?: unknown } = {},
): BackendError {
  const why = reason === undefined ? "" : ` (${reason})`;
  const offered = available.length === 0 ? "nothing that ONNX Runtime can use" : available.join(", ");
  return new BackendError(
    "device-unavailable",
    `ONNX Runtime: device "${device}" is not available here${why}; this machine offers ${offered}`,
    { cause, details: { device, available } },
  );
}

/** A runtime that cannot be imported, in words. */
export interface Missing {
  readonly name: "onnxruntime-node" | "onnxruntime-web";
  /** What is wrong with it. By default what `cause` says. */
  readonly problem?: string;
  /** The shell command that the package's name and version follow; `false` where it would not help. */
  readonly install?: string | false;
  /** What else helps. */
  readonly instead?: string;
}

/** The error for a runtime package that cannot be imported. */
export function runtimeMissing(
  cause: unknown,
  { name, problem = `cannot be loaded: ${messageOf(cause)}`, install = "npm install", instead }: Missing,
): BackendError {
  const command = install === false ? undefined : `${install} ${name}@${ortVersion}`;
  const remedies = [command && `install it (${command})`, instead, "hand over a runtime as `ort`"].filter(Boolean);
  return new BackendError("runtime-missing", `${name} ${problem}; ${remedies.join(", or ")}`, {
    cause,
    details: { package: name, problem, install: command },
  });
}

/** The error for a runtime that does not find its own files in the browser. */
export function wasmMissing(paths: unknown, cause: unknown): BackendError {
  const places = typeof paths === "object" && paths !== null ? Object.values(paths).map(String).join(", ") : paths;
  const where = places === undefined ? "beside the bundled script" : `at ${String(places)}`;
  return new BackendError(
    "runtime-missing",
    `onnxruntime-web does not find its .wasm and .mjs ${where}: ${messageOf(cause)}. Copy them from ` +
      "node_modules/onnxruntime-web/dist to where the page can fetch them, and name the place with `wasmPaths` (see the docs on workers and bundlers); reload the page before the next try",
    { cause, details: { package: "onnxruntime-web", wasmPaths: paths } },
  );
}

/** The error for a GPU that went away: everything on it is lost, and a new backend must be made. */
export function deviceLost(reason: string): BackendError {
  return new BackendError(
    "device-lost",
    `ONNX Runtime: the GPU device was lost (${reason}); make a new backend and load the model again`,
    { details: { reason } },
  );
}

/** What an error says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
