/**
 * How a client and a host talk: the client calls methods of the host by name, each call with an id of its own; the host
 * answers every call once, with a result or an error, after any number of events. What has to stay with the host (a
 * model, an iterator) is called by a handle, a number. For a video's frames the host calls the client, in the same way
 * on the same port. All of it is plain data for structured clone.
 *
 * Every message carries the protocol's version as `masklet`, so that two releases that do not fit say so. That field,
 * `type`, `id` and the shape of an "error" stay the same in all versions. Other messages on the port are left alone.
 */
import { RemoteError } from "../errors.ts";
import type { WireError } from "./wire-error.ts";

/** Goes up with every change that an older side would not understand. */
export const protocolVersion = 3;

export type ToHost =
  | { readonly type: "call"; readonly id: number; readonly method: string; readonly params: unknown }
  | { readonly type: "abort"; readonly id: number; readonly reason: WireError };

/** The id is that of a call, as it came. */
export type ToClient =
  | { readonly type: "event"; readonly id: unknown; readonly value: unknown }
  | { readonly type: "result"; readonly id: unknown; readonly value: unknown }
  | { readonly type: "error"; readonly id: unknown; readonly error: WireError }
  /** The host has ended: no call will be answered any more. */
  | { readonly type: "lost"; readonly error: WireError };

export const message = <T extends ToHost | ToClient>(content: T): T & { readonly masklet: number } => ({
  masklet: protocolVersion,
  ...content,
});

/** The version of a message of this protocol; undefined for any other. */
export function versionOf(data: unknown): number | undefined {
  if (typeof data !== "object" || data === null || !("masklet" in data)) return undefined;
  return typeof data.masklet === "number" ? data.masklet : undefined;
}

/** `whose` has the other version: "host" or "client". */
export function versionMismatch(whose: string, theirs: number): RemoteError {
  return new RemoteError(
    "protocol-version",
    `the ${whose} speaks version ${theirs} of the protocol, this side version ${protocolVersion}: take both from one release`,
    { details: { expected: protocolVersion, got: theirs } },
  );
}

/** For what came over the port and cannot be understood. */
export function badMessage(problem: string, details: Readonly<Record<string, unknown>>): RemoteError {
  return new RemoteError("bad-message", problem, { details });
}
