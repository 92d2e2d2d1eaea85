/**
 * What the plugin's window and the hosted engine, a page of the docs site in a frame of it, say to each other. Models are
 * driven over a port by the protocol of `@masklet/core/remote`; this is about the connection, and what is kept there.
 */

/** Goes up when a message changes its meaning; it is in the page's address too, so that old plugins find their page. */
export const engineVersion = 1;

/** A published model that the engine fetches when it is first used. */
export interface EngineModel {
  /** As `loadSam2` takes it. */
  readonly name: string;
  /** Of the download. */
  readonly bytes: number;
  /** Whether it is on this machine. */
  readonly cached: boolean;
}

/** A file that a person has given, kept in the engine's storage. */
export interface KeptFile {
  readonly name: string;
  readonly bytes: number;
}

/** What the engine says when it has started, and after each change. */
export interface EngineState {
  readonly device: "webgpu" | "wasm";
  readonly models: readonly EngineModel[];
  readonly kept: readonly KeptFile[];
}

export type ToPlugin = { readonly maskletEngine: number } & (
  | { readonly state: EngineState }
  | { readonly id: number; readonly error?: string }
);

/** Requests, which the engine answers when it has done them; "connect" comes with a port for `RemoteClient`. */
export type EngineRequest =
  | { readonly method: "connect" }
  /** A file goes as what names it, and is not copied through memory. */
  | { readonly method: "keep"; readonly name: string; readonly file: Blob }
  /** Of a kept file or a fetched model. */
  | { readonly method: "forget"; readonly name: string };

export type ToEngine = { readonly maskletEngine: number; readonly id: number } & EngineRequest;

/** The cache of given files, and the address that one has in it. */
export const keptCache = "masklet-kept";
export function keptAddress(name: string): string {
  // Whole, because a worker from a blob has no address that others could be relative to.
  return `${self.origin}/kept/${encodeURIComponent(name)}`;
}

/** The name of the config that is kept beside a checkpoint which does not show its own. */
export function configOf(checkpoint: string): string {
  return `${checkpoint}.json`;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;

/** A message of the engine, or undefined for what is none of this version. */
export function readToPlugin(data: unknown): ToPlugin | undefined {
  if (!isObject(data) || data["maskletEngine"] !== engineVersion) return undefined;
  const { state, id, error } = data;
  if (state !== undefined) return isState(state) ? { maskletEngine: engineVersion, state } : undefined;
  if (typeof id !== "number" || (error !== undefined && typeof error !== "string")) return undefined;
  return { maskletEngine: engineVersion, id, ...(error !== undefined && { error }) };
}

function isState(state: unknown): state is EngineState {
  if (!isObject(state) || (state["device"] !== "webgpu" && state["device"] !== "wasm")) return false;
  const isFile = (file: unknown): boolean =>
    isObject(file) && typeof file["name"] === "string" && typeof file["bytes"] === "number";
  return [state["models"], state["kept"]].every((list) => Array.isArray(list) && list.every(isFile));
}

/** A request of the plugin, or undefined for what is none of this version. */
export function readToEngine(data: unknown): ToEngine | undefined {
  if (!isObject(data) || data["maskletEngine"] !== engineVersion || typeof data["id"] !== "number") return undefined;
  const { id, method, name, file } = data;
  const common = { maskletEngine: engineVersion, id };
  if (method === "connect") return { ...common, method };
  if (typeof name !== "string" || name === "") return undefined;
  if (method === "forget") return { ...common, method, name };
  return method === "keep" && file instanceof Blob ? { ...common, method, name, file } : undefined;
}
