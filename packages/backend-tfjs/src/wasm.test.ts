import { afterEach, expect, test, vi } from "vitest";
import type { Tensorflow } from "./runtime.ts";
import { setUpWasm } from "./wasm.ts";

afterEach(() => vi.unstubAllGlobals());

// Eight workers are started by the build with threads, however few of them work.
test.each([
  { cores: 1, threads: undefined, hasThreads: false },
  { cores: 2, threads: undefined, hasThreads: false },
  { cores: 3, threads: undefined, hasThreads: false },
  { cores: 4, threads: undefined, hasThreads: true },
  { cores: 16, threads: undefined, hasThreads: true },
  { cores: 2, threads: 2, hasThreads: true },
  { cores: 16, threads: 1, hasThreads: false },
])("$cores cores, threads: $threads: the build with threads may be taken: $hasThreads", async (given) => {
  vi.stubGlobal("navigator", { hardwareConcurrency: given.cores });
  const flags = new Map<string, unknown>();
  const tf = {
    engine: () => ({ registry: {} }),
    env: () => ({ set: (name: string, value: unknown) => flags.set(name, value) }),
  };
  const wasm = { setThreadsCount: vi.fn(), setWasmPaths: vi.fn() };
  await setUpWasm(tf as unknown as Tensorflow, wasm, given.threads === undefined ? {} : { threads: given.threads });
  expect(flags.get("WASM_HAS_MULTITHREAD_SUPPORT") !== false).toBe(given.hasThreads);
});
