import { expect, test } from "vitest";
import type { Backend, Executable } from "../backend/backend.ts";
import { createReferenceBackend } from "../backend/reference.ts";
import type { DeviceTensor, HostTensor } from "../tensor/tensor.ts";
import { conformanceCases, testBackend } from "./conformance.ts";

/** The reference backend with its executables or uploads replaced. */
function broken({
  executable,
  upload,
  dispose,
}: {
  readonly executable?: (real: Executable) => Partial<Executable>;
  readonly upload?: (backend: Backend, tensor: HostTensor) => DeviceTensor;
  readonly dispose?: () => Promise<void>;
}): Backend {
  const real = createReferenceBackend();
  return {
    name: "broken",
    contract: 1,
    capabilities: real.capabilities,
    compile: async (...args) => {
      const compiled = await real.compile(...args);
      const own: Executable = {
        signature: compiled.signature,
        run: (...call) => compiled.run(...call),
        dispose: () => compiled.dispose(),
      };
      return { ...own, ...executable?.(compiled) };
    },
    upload: (tensor) => upload?.(real, tensor) ?? real.upload(tensor),
    dispose: dispose ?? (() => real.dispose()),
  };
}

const faults: readonly { readonly fault: string; readonly caughtBy: string; readonly make: () => Backend }[] = [
  {
    fault: "gives slightly wrong numbers",
    caughtBy: "gelu: by hand",
    make: () =>
      broken({
        executable: (real) => ({
          run: async (...call) => {
            const outputs = await real.run(...call);
            const wrap = (tensor: DeviceTensor): DeviceTensor => ({
              dtype: tensor.dtype,
              dims: tensor.dims,
              read: async () => {
                const host = await tensor.read();
                return { ...host, data: Float32Array.from(host.data as Float32Array, (x) => x * 1.001) };
              },
              dispose: () => tensor.dispose(),
              [Symbol.dispose]: () => tensor.dispose(),
            });
            return Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, wrap(tensor)]));
          },
        }),
      }),
  },
  {
    fault: "ignores aborts",
    caughtBy: "abort: during a run rejects at once, and the next run works",
    make: () => broken({ executable: (real) => ({ run: (feeds) => real.run(feeds) }) }),
  },
  {
    fault: "ignores the subset of outputs",
    caughtBy: "outputs: a subset",
    make: () => broken({ executable: (real) => ({ run: (feeds) => real.run(feeds) }) }),
  },
  {
    fault: "runs after dispose",
    caughtBy: "dispose: an executable, twice, then a run",
    make: () => broken({ executable: () => ({ dispose: async () => {} }) }),
  },
  {
    fault: "does not free its tensors",
    caughtBy: "dispose: a backend frees all that it made",
    make: () => broken({ dispose: async () => {} }),
  },
  {
    fault: "keeps the uploaded array",
    caughtBy: "tensors: upload copies",
    make: () =>
      broken({
        upload: (_, tensor) => ({
          dtype: tensor.dtype,
          dims: tensor.dims,
          read: async () => tensor,
          dispose: () => {},
          [Symbol.dispose]: () => {},
        }),
      }),
  },
];

test.each(faults)("a backend that $fault fails", async ({ caughtBy, make }) => {
  const found = conformanceCases().find(({ name }) => name === caughtBy);
  if (found === undefined) throw new Error(`no case ${caughtBy}`);
  await expect(found.run(make())).rejects.toMatchObject({ name: "ConformanceError" });
});

test("names are unique", () => {
  const names = conformanceCases().map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});

test("cases are skipped by capabilities alone, and visibly", async () => {
  const skipped: string[] = [];
  const bodies: (() => Promise<void>)[] = [];
  const small = (): Backend => {
    const real = createReferenceBackend();
    const capabilities = { ...real.capabilities, maxTensorBytes: 1 << 20 };
    return { ...broken({}), capabilities };
  };
  testBackend(small, {
    test: (name, body) => bodies.push(() => body({ skip: (reason) => skipped.push(`${name}: ${reason}`) })),
  });
  for (const body of bodies) await body();
  expect(skipped).toEqual(["runs: more than 65,535 rows at a time: takes tensors of 4 MiB, the device 1048576 bytes"]);
});
