import type { Backend, Capabilities } from "../backend/backend.ts";
import type { WeightStore } from "../checkpoint/weight-store.ts";
import type { Graph } from "../graph/graph.ts";
import type { DeviceTensor, HostTensor } from "../tensor/tensor.ts";
import { ConformanceError } from "./compare.ts";

/** What a test of a backend may be told about it. */
export interface Instruments {
  /** Tensors (or bytes) that the backend holds for its callers, for the checks that nothing leaks. */
  readonly held?: ((backend: Backend) => number) | undefined;
}

/** Says why a backend with these capabilities may skip a case; `undefined` if it may not. */
export type Requires = (capabilities: Capabilities) => string | undefined;

export interface ContractCase {
  readonly name: string;
  readonly requires?: Requires;
  /** The case may dispose of the backend: each wants one of its own. */
  readonly run: (backend: Backend, instruments: Instruments) => Promise<void>;
}

/** A graph, its weights, what to feed it, and what must come out: by default what the reference kernels say. */
export interface Example {
  readonly graph: Graph;
  readonly weights: WeightStore;
  readonly runs: readonly Readonly<Record<string, HostTensor>>[];
  readonly expected?: readonly Readonly<Record<string, HostTensor>>[];
}

/** Compiles an example once, runs it on all its feeds, and throws for the first output that is not as expected. */
export type Check = (backend: Backend, example: Example) => Promise<void>;

/** Reads and disposes of a run's outputs. */
export async function readAll(outputs: Readonly<Record<string, DeviceTensor>>): Promise<Record<string, HostTensor>> {
  const read = Object.entries(outputs).map(async ([name, tensor]): Promise<[string, HostTensor]> => {
    const host = await tensor.read();
    tensor.dispose();
    return [name, host];
  });
  return Object.fromEntries(await Promise.all(read));
}

interface Expected {
  /** The class's name: a backend may carry its own copy of core's classes. */
  readonly name?: string;
  readonly code?: string;
  /** What the message must mention. */
  readonly says?: string;
  /** The very object that must be thrown. */
  readonly is?: unknown;
}

/** Throws unless `action` does, in the expected way. */
export async function expectError(what: string, action: () => Promise<unknown>, expected: Expected): Promise<void> {
  let thrown: unknown;
  try {
    await action();
  } catch (error) {
    thrown = error;
  }
  if (thrown === undefined) throw new ConformanceError("broken-contract", `${what}: expected an error, got none`);
  const { name, code, says, is } = expected;
  const got = thrown instanceof Error ? thrown : new Error(String(thrown));
  const gotCode = "code" in got ? got.code : undefined;
  const matches =
    (name === undefined || got.name === name) &&
    (code === undefined || gotCode === code) &&
    (says === undefined || got.message.includes(says)) &&
    (is === undefined || thrown === is);
  if (matches) return;
  const wanted = is === undefined ? [name, code, says && `"${says}"`].filter(Boolean).join(" ") : `${is}`;
  throw new ConformanceError("broken-contract", `${what}: expected ${wanted}, got ${gotCode ?? ""} ${got}`, {
    cause: thrown,
  });
}
