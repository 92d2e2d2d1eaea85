import { BackendError, type ValueDType } from "@masklet/core/backend";

/** The error for an engine that does not start; says which do. */
export function engineUnavailable(
  engine: string,
  available: readonly string[],
  { reason, cause }: { readonly reason?: string; readonly cause?: unknown } = {},
): BackendError {
  const why = reason === undefined ? "" : ` (${reason})`;
  const offered = available.length === 0 ? "none that starts" : available.join(", ");
  return new BackendError(
    "device-unavailable",
    `TensorFlow.js: engine "${engine}" is not available here${why}; there is ${offered}`,
    { cause, details: { engine, available } },
  );
}

/** The error for a package that cannot be imported. */
export function runtimeMissing(name: string, cause: unknown): BackendError {
  const problem = messageOf(cause);
  return new BackendError(
    "runtime-missing",
    `${name} cannot be loaded: ${problem}. Install it (npm install ${name}), or hand over a runtime as \`tf\``,
    { cause, details: { package: name } },
  );
}

/** The error for a device that went away: everything on it is lost, and a new backend must be made. */
export function deviceLost(engine: string, reason: string): BackendError {
  return new BackendError(
    "device-lost",
    `TensorFlow.js: the ${engine} device was lost (${reason}); make a new backend and load the model again`,
    { details: { engine, reason } },
  );
}

/** The error for a graph with rounded weights: multiplied as floats they would gain nothing. */
export function noRoundedWeights(): BackendError {
  return new BackendError("unsupported", "TensorFlow.js multiplies float32 alone: it has no quantizedLinear");
}

/** The dtype as TensorFlow.js has it. Throws a `BackendError` ("unsupported") for float16, which it has not. */
export function tfDtype(dtype: ValueDType): Exclude<ValueDType, "float16"> {
  if (dtype !== "float16") return dtype;
  throw new BackendError("unsupported", "TensorFlow.js has no tensors of float16");
}

/** What an error says. TensorFlow.js also throws plain objects with a message. */
export function messageOf(error: unknown): string {
  if (typeof error === "object" && error !== null && "message" in error) return String(error.message);
  return String(error);
}
