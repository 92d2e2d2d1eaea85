import {
  BackendError,
  CheckpointError,
  DetectorError,
  DownloadError,
  FrameError,
  FrameForgottenError,
  GraphError,
  ImageError,
  MaskError,
  MaskletError,
  PromptError,
  RemoteError,
  StateError,
  VideoError,
} from "../errors.ts";

/** Something thrown, as a structured clone takes it on every platform: an error with its causes, or another value. */
export type WireError =
  | {
      readonly kind: "error";
      /** The nearest class that both sides know. */
      readonly class: string;
      readonly name: string;
      readonly message: string;
      readonly stack?: string;
      readonly code?: string;
      readonly details?: Readonly<Record<string, unknown>>;
      readonly cause?: WireError;
    }
  | { readonly kind: "value"; readonly value: unknown };

/** Subclasses come before what they extend. */
const leaves = {
  BackendError,
  CheckpointError,
  DetectorError,
  DownloadError,
  FrameForgottenError,
  FrameError,
  GraphError,
  ImageError,
  MaskError,
  PromptError,
  RemoteError,
  StateError,
  VideoError,
  MaskletError,
};
const builtins = { EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };

/** Causes further down, and details deeper inside, are left out: neither may be endless. */
const DEPTH = 8;

export function toWire(thrown: unknown, depth: number = DEPTH): WireError {
  if (!isError(thrown)) return { kind: "value", value: plain(thrown) };
  const { message, stack, cause, name } = thrown;
  const known = Object.entries(leaves).find(([, leaf]) => thrown instanceof leaf);
  return {
    kind: "error",
    class: known?.[0] ?? name,
    name,
    message,
    ...(typeof stack === "string" && { stack }),
    ...(thrown instanceof MaskletError && {
      code: thrown.code,
      details: plain(thrown.details) as Readonly<Record<string, unknown>>,
    }),
    ...(cause !== undefined && depth > 0 && { cause: toWire(cause, depth - 1) }),
  };
}

/**
 * The error again: of the same class if it is Masklet's or the language's own, with the other side's stack. What is no
 * `WireError` gives a `RemoteError` "bad-message".
 */
export function fromWire(wire: unknown, depth: number = DEPTH): unknown {
  if (!isWireError(wire)) return new RemoteError("bad-message", "the other side sent an error that is none");
  if (wire.kind === "value") return wire.value;
  const { message, details, name, stack } = wire;
  const cause = wire.cause && depth > 0 ? fromWire(wire.cause, depth - 1) : undefined;
  const error =
    wire.code === undefined
      ? new (lookUp(builtins, wire.class) ?? Error)(message, cause === undefined ? undefined : { cause })
      : // What the other side threw had one of its class's codes.
        new (lookUp(leaves, wire.class) ?? MaskletError)(wire.code as never, message, {
          cause,
          ...(details && { details }),
        });
  const kept = { ...(name !== error.name && { name }), ...(stack !== undefined && { stack }) };
  for (const [key, value] of Object.entries(kept)) {
    Object.defineProperty(error, key, { value, configurable: true, writable: true });
  }
  return error;
}

function isWireError(wire: unknown): wire is WireError {
  if (typeof wire !== "object" || wire === null) return false;
  const { kind, class: leaf, name, message, code, details } = wire as Readonly<Record<string, unknown>>;
  if (kind === "value") return true;
  const isText = [leaf, name, message, code ?? ""].every((field) => typeof field === "string");
  return kind === "error" && isText && (details === undefined || (typeof details === "object" && details !== null));
}

const lookUp = <T>(table: Readonly<Record<string, T>>, name: string): T | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined;

/** Also of another realm, and a `DOMException`. */
const isError = (value: unknown): value is Error =>
  value instanceof Error ||
  (typeof value === "object" &&
    value !== null &&
    "message" in value &&
    typeof value.message === "string" &&
    "name" in value &&
    typeof value.name === "string");

/** What can be sent of a value: plain objects, lists, binary data and primitives; the rest by its kind. */
function plain(value: unknown, depth: number = DEPTH): unknown {
  if (typeof value !== "object" || value === null) {
    return typeof value === "function" || typeof value === "symbol" ? kindOf(value) : value;
  }
  if (ArrayBuffer.isView(value)) return value;
  const isPlain = [Object.prototype, null].includes(Object.getPrototypeOf(value));
  if (depth === 0 || !(isPlain || Array.isArray(value))) return isError(value) ? value.message : kindOf(value);
  if (Array.isArray(value)) return value.map((item) => plain(item, depth - 1));
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, plain(field, depth - 1)]));
}

const kindOf = (value: unknown): string => Object.prototype.toString.call(value);
