import type { Backend } from "../backend/backend.ts";
import { GraphBuilder } from "../graph/builder.ts";
import type { OpKind } from "../graph/ops.ts";
import { checkKeys, type Keys } from "../options.ts";
import type { HostTensor } from "../tensor/tensor.ts";
import { assertClose, defaultTolerance, type Tolerance } from "./compare.ts";
import { type Check, type Instruments, type Requires, readAll } from "./contract.ts";
import { contractCases } from "./contract-cases.ts";
import { evaluateGraph } from "./evaluate-graph.ts";
import { memoryWeights } from "./fixtures.ts";
import { type OpCase, opCases } from "./op-cases.ts";

/** One thing that every backend must do. */
export interface ConformanceCase {
  /** Unique, `matmul: by hand`. */
  readonly name: string;
  /** Why a backend with these capabilities may skip it; `undefined` if it may not. */
  readonly requires?: Requires;
  /** Rejects with what is wrong. Leaves the backend disposed of, or with things in it: each case wants one of its own. */
  readonly run: (backend: Backend) => Promise<void>;
}

export interface ConformanceOptions extends Instruments {
  /** For devices whose arithmetic is coarser than a CPU's. */
  readonly tolerance?: Tolerance;
}

const conformanceKeys: Keys<ConformanceOptions> = { tolerance: true, held: true };

/** Every case of the suite; whoever runs them needs no test framework. */
export function conformanceCases(options: ConformanceOptions = {}): readonly ConformanceCase[] {
  checkKeys("conformanceCases", options, conformanceKeys);
  const { tolerance = defaultTolerance, held } = options;
  const check: Check = async (backend, { graph, weights, runs, expected }) => {
    const executable = await backend.compile(graph, weights);
    for (const [i, feeds] of runs.entries()) {
      const outputs = await readAll(await executable.run(feeds));
      const wanted = expected?.[i] ?? (await evaluateGraph(graph, weights, feeds));
      for (const [name, tensor] of Object.entries(wanted)) {
        assertClose(outputs[name] ?? missing, tensor, `run ${i}, output "${name}"`, tolerance);
      }
    }
    await executable.dispose();
  };
  const ofOperations = (Object.entries(opCases) as [OpKind, readonly OpCase[]][]).flatMap(([kind, cases]) =>
    cases.map(
      ({ name, graph, runs, expected, requires }): ConformanceCase => ({
        name: `${kind}: ${name}`,
        ...(requires && { requires }),
        run: (backend) => {
          const g = new GraphBuilder(kind);
          for (const [output, value] of Object.entries(graph(g))) g.output(output, value);
          return check(backend, { graph: g.build(), weights: memoryWeights({}), runs, ...(expected && { expected }) });
        },
      }),
    ),
  );
  const ofContract = contractCases(check).map(
    ({ run, ...rest }): ConformanceCase => ({ ...rest, run: (backend) => run(backend, { held }) }),
  );
  return [...ofOperations, ...ofContract];
}

const missing: HostTensor = { dtype: "float32", dims: [0], data: new Float32Array() };

export interface TestBackendOptions extends ConformanceOptions {
  /** The test framework's function for one test: `test` of vitest or `node:test`. */
  readonly test: (name: string, body: (context?: TestContext) => Promise<void>) => unknown;
}

/** What a test framework may hand to a test. */
export interface TestContext {
  readonly skip?: (reason: string) => unknown;
}

/** Declares a test for every case of the suite. Each makes a backend of its own and disposes of it. */
export function testBackend(
  createBackend: () => Backend | Promise<Backend>,
  { test, ...options }: TestBackendOptions,
): void {
  for (const { name, requires, run } of conformanceCases(options)) {
    test(name, async (context) => {
      const backend = await createBackend();
      try {
        const reason = requires?.(backend.capabilities);
        if (reason === undefined) await run(backend);
        else context?.skip?.(reason);
      } finally {
        await backend.dispose();
      }
    });
  }
}
