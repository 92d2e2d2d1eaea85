import type {
  Backend,
  Capabilities,
  CompileOptions,
  Executable,
  RunOptions,
  Signature,
} from "../src/backend/backend.ts";
import { createReferenceBackend } from "../src/backend/reference.ts";
import type { WeightStore } from "../src/checkpoint/weight-store.ts";
import { bindDim } from "../src/graph/dim.ts";
import { bindFeeds, signatureOf } from "../src/graph/feeds.ts";
import type { Graph } from "../src/graph/graph.ts";
import { type DeviceTensor, elementCount, float32, type HostTensor, type Tensor } from "../src/tensor/tensor.ts";

/** A step of the backend: "compile imageEncoder", "run maskDecoder", "read lowResMasks". */
export type Step = `${"compile" | "run" | "read"} ${string}`;

export interface ObservedBackendOptions {
  /** `false` gives zeros without computing anything, for tests of what happens around a run. Default true. */
  readonly compute?: boolean;
}

/**
 * The reference backend, watched: it counts what is alive, and `intervene` may fail, delay or abort any step. Like a
 * native runtime it does not stop for a signal by itself.
 */
export class ObservedBackend implements Backend {
  readonly name = "observed";
  readonly contract = 1;
  readonly capabilities: Capabilities;
  /** Awaited before each step. */
  intervene: (step: Step) => Promise<void> = async () => {};
  /** Every step so far. */
  readonly steps: Step[] = [];
  readonly #inner = createReferenceBackend();
  readonly #tensors = new Set<DeviceTensor>();
  readonly #executables = new Set<Executable>();

  readonly #compute: boolean;

  constructor({ compute = true }: ObservedBackendOptions = {}) {
    this.capabilities = this.#inner.capabilities;
    this.#compute = compute;
  }

  /** Device tensors that nobody has disposed of. */
  get tensors(): number {
    return this.#tensors.size;
  }

  /** Executables that nobody has disposed of. */
  get executables(): number {
    return this.#executables.size;
  }

  async compile(graph: Graph, weights: WeightStore, { onProgress }: CompileOptions = {}): Promise<Executable> {
    await this.#step(`compile ${graph.name}`);
    const inner = this.#compute
      ? await this.#inner.compile(graph, weights, onProgress && { onProgress })
      : this.#blank(signatureOf(graph));
    const executable: Executable = {
      signature: inner.signature,
      run: (feeds, options) => this.#run(graph.name, inner, feeds, options),
      dispose: async () => {
        this.#executables.delete(executable);
        await inner.dispose();
      },
    };
    this.#executables.add(executable);
    return executable;
  }

  upload(tensor: HostTensor): DeviceTensor {
    return this.#hold("upload", this.#inner.upload(tensor));
  }

  dispose(): Promise<void> {
    return this.#inner.dispose();
  }

  async #run(
    name: string,
    inner: Executable,
    feeds: Readonly<Record<string, Tensor>>,
    { outputs }: RunOptions = {},
  ): Promise<Record<string, DeviceTensor>> {
    await this.#step(`run ${name}`);
    const unwrapped = Object.fromEntries(
      Object.entries(feeds).map(([key, feed]) => [key, feed instanceof Observed ? feed.inner : feed]),
    );
    const results = await inner.run(unwrapped, outputs && { outputs });
    return Object.fromEntries(Object.entries(results).map(([key, tensor]) => [key, this.#hold(key, tensor)]));
  }

  #blank(signature: Signature): Executable {
    return {
      signature,
      run: async (feeds, { outputs = Object.keys(signature.outputs) } = {}) => {
        const bindings = bindFeeds(signature, feeds);
        return Object.fromEntries(
          outputs.map((output) => {
            const dims = signature.outputs[output]?.dims.map((dim) => bindDim(dim, bindings)) ?? [];
            return [output, this.#inner.upload(float32(dims, new Float32Array(elementCount(dims))))];
          }),
        );
      },
      dispose: async () => {},
    };
  }

  #hold(name: string, inner: DeviceTensor): DeviceTensor {
    const tensor: DeviceTensor = new Observed(inner, {
      beforeRead: () => this.#step(`read ${name}`),
      onDispose: () => this.#tensors.delete(tensor),
    });
    this.#tensors.add(tensor);
    return tensor;
  }

  async #step(step: Step): Promise<void> {
    this.steps.push(step);
    await this.intervene(step);
  }
}

interface Hooks {
  readonly beforeRead: () => Promise<void>;
  readonly onDispose: () => void;
}

class Observed implements DeviceTensor {
  readonly inner: DeviceTensor;
  readonly #hooks: Hooks;

  constructor(inner: DeviceTensor, hooks: Hooks) {
    this.inner = inner;
    this.#hooks = hooks;
  }

  get dtype(): DeviceTensor["dtype"] {
    return this.inner.dtype;
  }

  get dims(): readonly number[] {
    return this.inner.dims;
  }

  async read(): Promise<HostTensor> {
    await this.#hooks.beforeRead();
    return this.inner.read();
  }

  dispose(): void {
    this.#hooks.onDispose();
    this.inner.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
