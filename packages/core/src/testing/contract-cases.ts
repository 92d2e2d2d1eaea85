import type { Backend, Executable } from "../backend/backend.ts";
import type { WeightStore } from "../checkpoint/weight-store.ts";
import { GraphBuilder } from "../graph/builder.ts";
import { signatureOf } from "../graph/feeds.ts";
import type { Graph } from "../graph/graph.ts";
import type { DeviceTensor, HostTensor, Tensor } from "../tensor/tensor.ts";
import { assertClose, ConformanceError } from "./compare.ts";
import { type Check, type ContractCase, expectError, readAll } from "./contract.ts";
import { bools, floats, ints, memoryWeights, RandomTensors, TestAbort } from "./fixtures.ts";
import { toyDecoderGraph, toyEncoderGraph, toyWeights } from "./toy-model.ts";

const none: WeightStore = memoryWeights({});

function graphOf(name: string, build: (g: GraphBuilder) => void): Graph {
  const g = new GraphBuilder(name);
  build(g);
  return g.build();
}

/** y = 2 x + w, for any number of rows. */
const affine = (): Graph =>
  graphOf("affine", (g) => {
    const x = g.input("x", ["n", 2]);
    g.output("y", g.add(g.mul(x, g.scalar(2)), g.weight("w", [2])));
  });
const affineWeights = (): WeightStore => memoryWeights({ w: floats([2], 10, 20) });
const compileAffine = (backend: Backend): Promise<Executable> => backend.compile(affine(), affineWeights());

async function expectAffine(executable: Executable, what: string): Promise<void> {
  const outputs = await readAll(await executable.run({ x: floats([2, 2], 1, 2, 3, 4) }));
  assertClose(outputs["y"] as HostTensor, floats([2, 2], 12, 24, 16, 28), what);
}

/** Enough work that it cannot be over before the caller's next line. */
const slow = (): Graph =>
  graphOf("slow", (g) => {
    let x = g.input("x", ["n", 64, 64]);
    for (let i = 0; i < 24; i++) x = g.sin(g.matmul(x, x));
    g.output("y", x);
  });
const slowFeeds = (): Record<string, HostTensor> => ({ x: new RandomTensors(5).floats([2, 64, 64]) });

function must(condition: boolean, problem: string): void {
  if (!condition) throw new ConformanceError("broken-contract", problem);
}

async function readOne(tensor: DeviceTensor | undefined): Promise<HostTensor> {
  if (tensor === undefined) throw new ConformanceError("broken-contract", "an output is missing");
  return tensor.read();
}

const weightCases = (check: Check): readonly ContractCase[] => {
  const random = new RandomTensors(3);
  const x = random.floats([2, 4]);
  const table = random.floats([6, 4]);
  const views = (): Graph =>
    graphOf("views", (g) => {
      const input = g.input("x", ["n", 4]);
      const whole = g.weight("table", [6, 4]);
      for (const i of [0, 1, 2]) g.output(`third${i}`, g.linear(input, g.slice(whole, [2 * i, 0], [2, 4])));
      g.output("reshaped", g.add(input, g.reshape(g.slice(whole, [1, 0], [2, 4]), [2, 1, 4])));
      g.output("whole", g.linear(input, whole));
    });
  // 1, -2, 0.5, 65504 and the smallest normal and subnormal halves
  const halves: HostTensor = {
    dtype: "float16",
    dims: [2, 3],
    data: Uint16Array.of(0x3c00, 0xc000, 0x3800, 0x7bff, 0x0400, 0x0001),
  };
  const brains: HostTensor = { dtype: "bfloat16", dims: [2], data: Uint16Array.of(0x3f80, 0xc040) };
  return [
    {
      name: "weights: views of one tensor",
      run: (backend) => check(backend, { graph: views(), weights: memoryWeights({ table }), runs: [{ x }] }),
    },
    {
      name: "weights: unaligned bytes",
      run: (backend) => check(backend, { graph: views(), weights: memoryWeights({ table }, 1), runs: [{ x }] }),
    },
    {
      name: "weights: stored as float16 and bfloat16, whole and as views",
      run: (backend) =>
        check(backend, {
          graph: graphOf("halves", (g) => {
            const half = g.weight("half", [2, 3]);
            g.output("y", g.mul(g.input("x", [1]), half));
            g.output("row", g.mul(g.input("z", [1]), g.slice(half, [1, 0], [1, 3])));
            g.output("brain", g.mul(g.input("u", [1]), g.weight("brain", [2])));
          }),
          weights: memoryWeights({ half: halves, brain: brains }),
          runs: [{ x: floats([1], 1), z: floats([1], 2), u: floats([1], 1) }],
          expected: [
            {
              y: floats([2, 3], 1, -2, 0.5, 65504, 2 ** -14, 2 ** -24),
              row: floats([1, 3], 131008, 2 ** -13, 2 ** -23),
              brain: floats([2], 1, -3),
            },
          ],
        }),
    },
    {
      name: "weights: derived ones are computed, also where a run uses their parts",
      run: (backend) =>
        check(backend, {
          graph: graphOf("derived", (g) => {
            const weight = g.weight("table", [6, 4]);
            const product = g.matmul(weight, g.transpose(weight, [1, 0])); // [6, 6]
            const input = g.input("x", ["n", 6]);
            g.output("y", g.add(g.linear(input, product), g.gelu(g.slice(product, [0, 0], [1, 6]))));
            g.output("plain", g.matmul(input, weight));
          }),
          weights: memoryWeights({ table }),
          runs: [{ x: random.floats([3, 6]) }, { x: random.floats([1, 6]) }],
        }),
    },
    {
      name: "weights: spread over a named dimension",
      run: (backend) =>
        check(backend, {
          graph: graphOf("spread", (g) => {
            const rows = g.expand(g.weight("table", [6, 4]), ["n", 6, 4]);
            g.output("y", g.add(rows, g.reshape(g.input("x", ["n"]), ["n", 1, 1])));
          }),
          weights: memoryWeights({ table }),
          runs: [{ x: floats([2], 1, 2) }, { x: floats([1], 3) }],
        }),
    },
    {
      name: "weights: missing and misshapen ones are named",
      run: async (backend) => {
        await expectError("a missing weight", () => backend.compile(affine(), none), {
          name: "CheckpointError",
          says: "w",
        });
        const other = memoryWeights({ w: floats([3], 1, 2, 3) });
        await expectError("a misshapen weight", () => backend.compile(affine(), other), {
          name: "CheckpointError",
          says: "[3]",
        });
      },
    },
  ];
};

const outputCases = (check: Check): readonly ContractCase[] => [
  {
    name: "outputs: an input, a constant, a weight, a derived weight, the same value twice",
    run: (backend) =>
      check(backend, {
        graph: graphOf("outputs", (g) => {
          const x = g.input("x", ["n", 2]);
          const doubled = g.add(x, x);
          g.output("input", x);
          g.output("constant", g.constant(ints([2], 7, 8)));
          g.output("weight", g.weight("w", [2]));
          g.output("derived", g.mul(g.weight("w", [2]), g.scalar(3)));
          g.output("first", doubled);
          g.output("second", doubled);
          g.output("also used", g.relu(doubled));
          g.output("flag", g.greater(x, g.scalar(0)));
        }),
        weights: affineWeights(),
        runs: [{ x: floats([2, 2], 1, -2, 3, -4) }, { x: floats([1, 2], 0.5, 0) }],
      }),
  },
  {
    name: "outputs: a graph without operations, and an input that nothing uses",
    run: (backend) =>
      check(backend, {
        graph: graphOf("bare", (g) => {
          g.input("unused", ["n"]);
          g.output("flags", g.input("b", ["n"], "bool"));
          g.output("ints", g.input("i", ["n", 2], "int32"));
        }),
        weights: none,
        runs: [{ b: bools([2], true, false), i: ints([2, 2], 1, -2, 3, 4), unused: floats([2], 0, 0) }],
      }),
  },
  {
    name: "outputs: a subset",
    run: async (backend) => {
      const graph = graphOf("several", (g) => {
        const x = g.input("x", [2]);
        g.output("a", g.relu(x));
        g.output("b", g.sin(x));
        g.output("c", g.cos(x));
      });
      const executable = await backend.compile(graph, none);
      const outputs = await executable.run({ x: floats([2], 1, -1) }, { outputs: ["c", "a"] });
      must(Object.keys(outputs).sort().join() === "a,c", `asked for a and c, got ${Object.keys(outputs)}`);
      assertClose(await readOne(outputs["a"]), floats([2], 1, 0), "a");
      assertClose(await readOne(outputs["c"]), floats([2], Math.cos(1), Math.cos(1)), "c");
      await expectError("an unknown output", () => executable.run({ x: floats([2], 1, -1) }, { outputs: ["d"] }), {
        name: "BackendError",
        code: "bad-feeds",
      });
    },
  },
  {
    name: "outputs: they stand alone",
    run: async (backend) => {
      const graph = graphOf("alone", (g) => {
        const x = g.input("x", [2]);
        g.output("same", x);
        g.output("again", x);
        g.output("weight", g.weight("w", [2]));
      });
      const executable = await backend.compile(graph, affineWeights());
      const expected = floats([2], 1, 2);
      const fed = backend.upload(expected);
      const outputs = await executable.run({ x: fed });
      outputs["same"]?.dispose();
      assertClose(await fed.read(), expected, "the feed, after an output that equals it was disposed of");
      fed.dispose();
      const read = await readOne(outputs["again"]);
      assertClose(read, expected, "an output, after its feed and its twin were disposed of");
      read.data.fill(0 as never);
      assertClose(await readOne(outputs["again"]), expected, "an output, after what was read from it was written to");
      (await readOne(outputs["weight"])).data.fill(0 as never);
      outputs["weight"]?.dispose();
      const next = await executable.run({ x: expected });
      assertClose(await readOne(next["weight"]), floats([2], 10, 20), "a weight, after a copy was written to");
      await executable.dispose();
      assertClose(await readOne(next["again"]), expected, "an output, after its executable was disposed of");
    },
  },
  {
    name: "signature: names, dtypes and shapes of the graph",
    run: async (backend) => {
      const graph = toyDecoderGraph();
      const executable = await backend.compile(graph, toyWeights());
      const sorted = (entries: object): string =>
        JSON.stringify(Object.entries(entries).sort(([a], [b]) => (a < b ? -1 : 1)));
      const expected = signatureOf(graph);
      must(sorted(executable.signature.inputs) === sorted(expected.inputs), "signature.inputs differ from the graph's");
      must(
        sorted(executable.signature.outputs) === sorted(expected.outputs),
        "signature.outputs differ from the graph's",
      );
    },
  },
];

const tensorCases = (): readonly ContractCase[] => [
  {
    name: "tensors: upload and read back, every dtype, also none and one element",
    run: async (backend) => {
      const tensors = [
        floats([2, 2], 1.5, -0, 3e38, 1e-30),
        ints([3], -(2 ** 31), 0, 2 ** 31 - 1),
        bools([2], true, false),
        floats([0, 3]),
        floats([], 4),
      ];
      for (const tensor of tensors) {
        const device = backend.upload(tensor);
        assertClose(await device.read(), tensor, `${tensor.dtype}[${tensor.dims}]`, { absolute: 0, relative: 0 });
        must(
          device.dtype === tensor.dtype && device.dims.join() === tensor.dims.join(),
          "dtype or dims of a device tensor",
        );
        device.dispose();
      }
    },
  },
  {
    name: "tensors: upload copies",
    run: async (backend) => {
      const data = Float32Array.of(1, 2);
      const device = backend.upload({ dtype: "float32", dims: [1, 2], data });
      data.fill(9);
      assertClose(await device.read(), floats([1, 2], 1, 2), "read after the host array was changed");
      const executable = await compileAffine(backend);
      const outputs = await executable.run({ x: device });
      assertClose(await readOne(outputs["y"]), floats([1, 2], 12, 24), "a run after the host array was changed");
    },
  },
  {
    name: "tensors: feeds are left as they were",
    run: async (backend) => {
      const executable = await compileAffine(backend);
      const host = floats([1, 2], 1, 2);
      const device = backend.upload(host);
      for (const feed of [host, device, device] as readonly Tensor[]) {
        const outputs = await executable.run({ x: feed });
        assertClose(await readOne(outputs["y"]), floats([1, 2], 12, 24), "y");
      }
      assertClose(host, floats([1, 2], 1, 2), "the host feed");
      assertClose(await device.read(), floats([1, 2], 1, 2), "the device feed");
    },
  },
  {
    name: "tensors: dispose, twice, with `using`, then read",
    run: async (backend) => {
      const device = backend.upload(floats([1], 1));
      device.dispose();
      device.dispose();
      await expectError("read after dispose", () => device.read(), { name: "StateError" });
      let kept: DeviceTensor;
      {
        using scoped = backend.upload(floats([1], 1));
        kept = scoped;
        await scoped.read();
      }
      await expectError("read after `using`", () => kept.read(), { name: "StateError" });
      const executable = await compileAffine(backend);
      const feed = backend.upload(floats([1, 2], 1, 2));
      feed.dispose();
      await expectError("a feed that is disposed of", () => executable.run({ x: feed }), {
        name: "BackendError",
        code: "bad-feeds",
        says: "x",
      });
      await expectAffine(executable, "the run after that");
    },
  },
  {
    name: "tensors: outputs of one graph feed another on the device",
    run: async (backend) => {
      const weights = toyWeights();
      const encoder = await backend.compile(toyEncoderGraph(), weights);
      const decoder = await backend.compile(toyDecoderGraph(), weights);
      const image = new RandomTensors(2).floats([1, 14, 14, 3]);
      const encoded = await encoder.run({ image });
      const features = encoded["features"] as DeviceTensor;
      const rest = {
        labels: ints([3, 2], 0, 1, 2, 2, 1, 0),
        maskInput: floats([1, 49], ...new Array<number>(49).fill(0)),
        hasMask: bools([1], false),
      };
      const chained = await readAll(await decoder.run({ features, ...rest }));
      const apart = await readAll(await decoder.run({ features: await features.read(), ...rest }));
      for (const [name, tensor] of Object.entries(apart)) assertClose(chained[name] as HostTensor, tensor, name);
    },
  },
];

const feedsGraph = (): Graph =>
  graphOf("feeds", (g) => {
    const x = g.input("x", ["n", 2]);
    const sum = g.add(x, g.input("offset", ["n?", 2]));
    g.output("y", g.where(g.input("flags", ["n", 1], "bool"), sum, g.scalar(0)));
  });

const feedCases = (): readonly ContractCase[] => {
  const x = floats([2, 2], 1, 2, 3, 4);
  const offset = floats([1, 2], 10, 20);
  const flags = bools([2, 1], true, false);
  const bad: readonly { readonly what: string; readonly feeds: Record<string, Tensor>; readonly says: string }[] = [
    { what: "a missing input", feeds: { x, flags }, says: "offset" },
    { what: "an unknown input", feeds: { x, offset, flags, extra: x }, says: "extra" },
    { what: "another dtype", feeds: { x: ints([2, 2], 1, 2, 3, 4), offset, flags }, says: "int32" },
    { what: "another rank", feeds: { x: floats([2], 1, 2), offset, flags }, says: "x" },
    { what: "another fixed size", feeds: { x: floats([1, 3], 1, 2, 3), offset, flags }, says: "[1,3]" },
    {
      what: "sizes of one name that differ",
      feeds: { x, offset, flags: bools([3, 1], true, true, true) },
      says: "flags",
    },
    {
      what: "an optional size that is neither 1 nor n",
      feeds: { x, offset: floats([3, 2], 1, 2, 3, 4, 5, 6), flags },
      says: "offset",
    },
    {
      what: "fewer elements than its shape says",
      feeds: { x: { dtype: "float32", dims: [2, 2], data: Float32Array.of(1) }, offset, flags },
      says: "x",
    },
  ];
  return [
    ...bad.map(
      ({ what, feeds, says }): ContractCase => ({
        name: `feeds: ${what} is refused`,
        run: async (backend) => {
          const executable = await backend.compile(feedsGraph(), none);
          await expectError(what, () => executable.run(feeds), { name: "BackendError", code: "bad-feeds", says });
          const outputs = await executable.run({ x, offset, flags });
          assertClose(await readOne(outputs["y"]), floats([2, 2], 11, 22, 0, 0), "the run after that");
        },
      }),
    ),
    {
      name: "feeds: sizes fixed at compilation",
      run: async (backend) => {
        const executable = await backend.compile(affine(), affineWeights(), { staticDims: { n: 2 } });
        await expectAffine(executable, "the fixed size");
        await expectError("another size", () => executable.run({ x: floats([1, 2], 1, 2) }), {
          name: "BackendError",
          code: "bad-feeds",
        });
      },
    },
  ];
};

const runCases = (check: Check): readonly ContractCase[] => [
  {
    name: "runs: overlapping ones each get their own result",
    run: async (backend) => {
      const [first, second] = await Promise.all([compileAffine(backend), compileAffine(backend)]);
      const inputs = [1, 2, 3, 4, 5, 6];
      const results = await Promise.all(
        inputs.map((n) => (n % 2 === 0 ? first : second).run({ x: floats([1, 2], n, -n) }).then(readAll)),
      );
      inputs.forEach((n, i) => {
        assertClose(results[i]?.["y"] as HostTensor, floats([1, 2], 2 * n + 10, 20 - 2 * n), `run ${i}`);
      });
    },
  },
  {
    name: "runs: the same twice, bit for bit",
    run: async (backend) => {
      const executable = await backend.compile(toyEncoderGraph(), toyWeights());
      const image = new RandomTensors(8).floats([2, 14, 14, 3]);
      const [a, b] = [await readAll(await executable.run({ image })), await readAll(await executable.run({ image }))];
      assertClose(a["features"] as HostTensor, b["features"] as HostTensor, "features", { absolute: 0, relative: 0 });
    },
  },
  {
    name: "runs: a miniature of the model at several sizes",
    run: async (backend) => {
      const random = new RandomTensors(4);
      const weights = toyWeights();
      const images = [1, 2].map((n) => ({ image: random.floats([n, 14, 14, 3]) }));
      await check(backend, { graph: toyEncoderGraph(), weights, runs: images });
      // prompts, points, batch of the features, batch of the mask
      const sizes = [
        [1, 1, 1, 1],
        [3, 2, 1, 3],
        [3, 0, 3, 1],
        [2, 5, 1, 1],
        [2, 1, 2, 2],
      ] as const;
      const prompts = sizes.map(([prompts, points, batch, masks]) => ({
        features: random.floats([batch, 49, 12]),
        labels: random.ints([prompts, points], 0, 3),
        maskInput: random.floats([masks, 49]),
        hasMask: random.bools([masks]),
      }));
      await check(backend, { graph: toyDecoderGraph(), weights, runs: prompts });
    },
  },
  {
    name: "runs: more than 65,535 rows at a time",
    requires: ({ maxTensorBytes = Number.POSITIVE_INFINITY }) =>
      maxTensorBytes < 4 << 20 ? `takes tensors of 4 MiB, the device ${maxTensorBytes} bytes` : undefined,
    run: (backend) => {
      const random = new RandomTensors(6);
      const width = 8;
      return check(backend, {
        graph: graphOf("rows", (g) => {
          const x = g.input("x", ["n", "rows", width]);
          const keys = g.input("keys", [1, 5, width]);
          const ones = g.constant(floats([width], ...new Array<number>(width).fill(1)));
          g.output("attention", g.attention(x, keys, keys, { heads: 1, scale: 1 }));
          g.output("linear", g.linear(x, g.weight("w", [2, width])));
          g.output("norm", g.layerNormalization(x, ones, ones, { epsilon: 1e-5 }));
        }),
        weights: memoryWeights({ w: random.floats([2, width]) }),
        // What was made for few rows must not be used for many.
        runs: [100, 33_001].map((n) => ({ x: random.floats([2, n, width]), keys: random.floats([1, 5, width]) })),
      });
    },
  },
  {
    name: "runs: progress of a compilation ends at its total",
    run: async (backend) => {
      const seen: { readonly loaded: number; readonly total: number }[] = [];
      await backend.compile(toyEncoderGraph(), toyWeights(), { onProgress: (progress) => seen.push(progress) });
      const last = seen.at(-1);
      must(
        last !== undefined && last.loaded === last.total && last.total > 0,
        `progress ended at ${JSON.stringify(last)}`,
      );
      must(
        seen.every(({ loaded, total }, i) => loaded >= (seen[i - 1]?.loaded ?? 0) && loaded <= total),
        "progress must rise, and not above its total",
      );
    },
  },
];

/** Whether `promise` has been rejected after a few turns of the microtask queue: long before any real work is over. */
async function rejectsAtOnce(promise: Promise<unknown>): Promise<boolean> {
  let rejected = false;
  promise.catch(() => {
    rejected = true;
  });
  for (let turn = 0; turn < 50; turn++) await undefined;
  return rejected;
}

const abortCases = (): readonly ContractCase[] => [
  {
    name: "abort: before a compilation or a run",
    run: async (backend) => {
      const abort = new TestAbort();
      abort.abort();
      const { signal, reason } = abort;
      await expectError("compile", () => backend.compile(affine(), affineWeights(), { signal }), { is: reason });
      const executable = await compileAffine(backend);
      await expectError("run", () => executable.run({ x: floats([1, 2], 1, 2) }, { signal }), { is: reason });
      await expectAffine(executable, "the run after that");
    },
  },
  {
    name: "abort: during a run rejects at once, and the next run works",
    run: async (backend, { held }) => {
      const executable = await backend.compile(slow(), none);
      const feeds = slowFeeds();
      const expected = await readAll(await executable.run(feeds));
      const before = held?.(backend);
      const abort = new TestAbort();
      const aborted = executable.run(feeds, { signal: abort.signal });
      const next = executable.run(feeds);
      abort.abort();
      must(await rejectsAtOnce(aborted), "an aborted run must reject at once");
      await expectError("the aborted run", () => aborted, { is: abort.reason });
      const outputs = await next;
      assertClose(await readOne(outputs["y"]), expected["y"] as HostTensor, "the run queued behind it");
      for (const output of Object.values(outputs)) output.dispose();
      if (held !== undefined) must(held(backend) === before, `held ${before} before and ${held(backend)} after`);
      must(abort.listeners === 0, "the run left a listener on its signal");
    },
  },
  {
    name: "abort: of a run that waits does not disturb the one under way",
    run: async (backend) => {
      const executable = await backend.compile(slow(), none);
      const feeds = slowFeeds();
      const abort = new TestAbort();
      const first = executable.run(feeds);
      const second = executable.run(feeds, { signal: abort.signal });
      abort.abort();
      await expectError("the waiting run", () => second, { is: abort.reason });
      const [a, b] = [await readAll(await first), await readAll(await executable.run(feeds))];
      assertClose(a["y"] as HostTensor, b["y"] as HostTensor, "the run under way");
    },
  },
  {
    name: "abort: after a run leaves no listener behind",
    run: async (backend) => {
      const executable = await compileAffine(backend);
      const abort = new TestAbort();
      const outputs = await executable.run({ x: floats([1, 2], 1, 2) }, { signal: abort.signal });
      must(abort.listeners === 0, "the run left a listener on its signal");
      abort.abort();
      assertClose(await readOne(outputs["y"]), floats([1, 2], 12, 24), "outputs from before the abort");
    },
  },
];

const disposeCases = (): readonly ContractCase[] => [
  {
    name: "dispose: an executable, twice, then a run",
    run: async (backend) => {
      const executable = await compileAffine(backend);
      await expectAffine(executable, "before");
      await executable.dispose();
      await executable.dispose();
      await expectError("run after dispose", () => executable.run({ x: floats([1, 2], 1, 2) }), {
        name: "BackendError",
        code: "disposed",
      });
      await expectAffine(await compileAffine(backend), "the next executable");
    },
  },
  {
    name: "dispose: an executable lets the runs under way finish",
    run: async (backend) => {
      const executable = await compileAffine(backend);
      const runs = [1, 2, 3].map((n) => executable.run({ x: floats([1, 2], n, n) }));
      await executable.dispose();
      for (const [i, run] of runs.entries()) {
        const outputs = await readAll(await run);
        assertClose(outputs["y"] as HostTensor, floats([1, 2], 12 + 2 * i, 22 + 2 * i), `run ${i}`);
      }
    },
  },
  {
    name: "dispose: a backend frees all that it made",
    run: async (backend, { held }) => {
      const executable = await compileAffine(backend);
      const { y } = await executable.run({ x: floats([1, 2], 1, 2) });
      const uploaded = backend.upload(floats([1], 1));
      await backend.dispose();
      await backend.dispose();
      const gone = { name: "BackendError", code: "disposed" };
      await expectError("compile after dispose", () => compileAffine(backend), gone);
      await expectError("run after dispose", () => executable.run({ x: floats([1, 2], 1, 2) }), gone);
      await expectError("upload after dispose", async () => backend.upload(floats([1], 1)), gone);
      await expectError("read of an output", () => readOne(y), { name: "StateError" });
      await expectError("read of an upload", () => uploaded.read(), { name: "StateError" });
      uploaded.dispose();
      await executable.dispose();
      if (held !== undefined) must(held(backend) === 0, `still holds ${held(backend)} after dispose`);
    },
  },
];

/** What the contract promises beside right numbers. */
export function contractCases(check: Check): readonly ContractCase[] {
  return [
    ...weightCases(check),
    ...outputCases(check),
    ...tensorCases(),
    ...feedCases(),
    ...runCases(check),
    ...abortCases(),
    ...disposeCases(),
  ];
}
