import {
  abortable,
  BackendError,
  bindFeeds,
  checkOutputs,
  type DeviceTensor,
  type DeviceTensors,
  type DimBindings,
  disposeAll,
  type Executable,
  type OpKind,
  type OpNode,
  type PreparedGraph,
  type RunOptions,
  type Signature,
  type Tensor,
  type Value,
} from "@masklet/core/backend";
import type { Tensor as TfTensor } from "@tensorflow/tfjs-core";
import type { Engine } from "./engine.ts";
import { messageOf, tfDtype } from "./errors.ts";
import { type Call, kernels } from "./kernels.ts";
import { arrange, layoutOf } from "./layout.ts";
import { emptinessOf, planRun, type Step } from "./plan.ts";
import { TfjsTensor, uploadTensor } from "./tensor.ts";
import { type DeviceWeights, groupsOf } from "./weights.ts";

/** What was compiled. */
interface Compiled {
  readonly graph: PreparedGraph;
  readonly staticDims: DimBindings;
  readonly weights: DeviceWeights;
}

/** What an executable needs of its backend. */
interface Owner {
  readonly engine: Engine;
  /** Lets the host's other events have a turn. */
  readonly pause: () => Promise<void>;
  readonly tensors: DeviceTensors<TfjsTensor>;
  readonly forget: (executable: CompiledGraph) => void;
}

/** Milliseconds of a run before others get a turn: an abort, a page's next frame. */
const TURN = 30;

/** Plans of as many combinations of sizes and outputs are kept. */
const PLANS = 16;

export class CompiledGraph implements Executable {
  readonly signature: Signature;
  readonly #compiled: Compiled;
  readonly #owner: Owner;
  readonly #plans = new Map<string, readonly Step[]>();
  #disposed: Promise<void> | undefined;

  constructor(compiled: Compiled, owner: Owner) {
    this.signature = compiled.graph.signature;
    this.#compiled = compiled;
    this.#owner = owner;
  }

  async run(
    feeds: Readonly<Record<string, Tensor>>,
    { signal, outputs = Object.keys(this.signature.outputs) }: RunOptions = {},
  ): Promise<Record<string, DeviceTensor>> {
    const { name } = this.#compiled.graph;
    if (this.#disposed !== undefined) throw new BackendError("disposed", `${name}: run after dispose`);
    signal?.throwIfAborted();
    checkOutputs(name, this.signature, outputs);
    const steps = this.#plan(feeds, outputs);
    const { engine, tensors } = this.#owner;
    const taken = tensors.take(feeds, (tensor, what) => uploadTensor(engine, tensor, what));
    const inputs = new Map(Object.entries(this.#compiled.graph.inputs).map(([input, value]) => [value, taken[input]]));
    const turn = engine.lock.run(async () => {
      try {
        return await this.#compute(steps, inputs, outputs, signal);
      } finally {
        for (const tensor of Object.values(taken)) tensor.release();
      }
    });
    return abortable(turn, signal, disposeAll);
  }

  dispose(): Promise<void> {
    this.#disposed ??= this.#owner.engine.lock.run(async () => {
      this.#owner.forget(this);
      this.#compiled.weights.dispose();
    });
    return this.#disposed;
  }

  /** The steps for feeds of these shapes. */
  #plan(feeds: Readonly<Record<string, Tensor>>, outputs: readonly string[]): readonly Step[] {
    const { graph, staticDims, weights } = this.#compiled;
    const bindings = bindFeeds(this.signature, feeds, staticDims);
    const inputs = Object.entries(graph.inputs).map(([input, value]): [Value, readonly number[]] => [
      value,
      (feeds[input] as Tensor).dims,
    ]);
    const key = JSON.stringify([inputs.map(([, dims]) => dims), outputs]);
    let steps = this.#plans.get(key);
    if (steps === undefined) {
      const dims = new Map(inputs);
      steps = planRun(graph, {
        outputs: outputs.map((output) => graph.outputs[output] as Value),
        bindings,
        dimsOf: (value) => dims.get(value) ?? weights.dims(value) ?? [],
      });
    }
    this.#plans.delete(key);
    this.#plans.set(key, steps); // the latest last
    for (const oldest of [...this.#plans.keys()].slice(0, -PLANS)) this.#plans.delete(oldest);
    return steps;
  }

  async #compute(
    steps: readonly Step[],
    feeds: ReadonlyMap<Value, TfjsTensor | undefined>,
    outputs: readonly string[],
    signal: RunOptions["signal"],
  ): Promise<Record<string, DeviceTensor>> {
    const { engine, pause, tensors } = this.#owner;
    const { graph, weights } = this.#compiled;
    const live = new Map<Value, TfTensor>();
    const results = new Map<Value, TfjsTensor>();
    try {
      for (let next = 0; next < steps.length; ) {
        if (next > 0) await pause();
        signal?.throwIfAborted();
        await engine.activate();
        const until = performance.now() + TURN;
        await engine.submit(() => {
          do this.#step(steps[next++] as Step, live, feeds);
          while (next < steps.length && performance.now() < until);
        });
      }
      signal?.throwIfAborted();
      await engine.activate();
      for (const output of outputs) {
        const value = graph.outputs[output] as Value;
        if (results.has(value)) continue;
        // What the run did not make stays its owner's: the result is another handle on the same data.
        const other = feeds.get(value)?.tensor ?? weights.find(value, undefined);
        const tensor = live.get(value) ?? engine.tf.clone(other as TfTensor);
        live.delete(value);
        results.set(value, new TfjsTensor(engine, tensor));
      }
    } catch (error) {
      if (error instanceof BackendError || (signal?.aborted === true && error === signal.reason)) throw error;
      throw this.#failure("", error);
    } finally {
      for (const tensor of live.values()) tensor.dispose();
    }
    return Object.fromEntries(
      outputs.map((output) => [output, tensors.hold(results.get(graph.outputs[output] as Value) as TfjsTensor)]),
    );
  }

  #step(step: Step, live: Map<Value, TfTensor>, feeds: ReadonlyMap<Value, TfjsTensor | undefined>): void {
    const { engine } = this.#owner;
    const { node, dims, dtype } = step;
    const where = node.scope === "" ? node.kind : `${node.scope}: ${node.kind}`;
    // The result, and about as much again on the way.
    engine.requireRoom(`${this.#compiled.graph.name}: ${where}`, dims, dtype, 3);
    try {
      live.set(
        step.value,
        engine.tf.tidy(() => this.#evaluate(step, (value) => live.get(value) ?? feeds.get(value)?.tensor)),
      );
    } catch (error) {
      throw error instanceof BackendError ? error : this.#failure(`${where}: `, error);
    }
    for (const value of step.done) {
      live.get(value)?.dispose();
      live.delete(value);
    }
  }

  #evaluate(step: Step, find: (value: Value) => TfTensor | undefined): TfTensor {
    const { engine } = this.#owner;
    const { ops: tf, own, traits } = engine;
    const { weights } = this.#compiled;
    const { attributes, dims, dtype, relu } = step;
    const node = step.node as OpNode;
    const inputs = (node.inputs as readonly Value[]).map((value, i): TfTensor => {
      const layout = layoutOf(node, i, engine);
      const weight = weights.find(value, layout);
      if (weight !== undefined) return weight;
      const tensor = find(value) as TfTensor;
      return layout === undefined ? tensor : arrange(tf, tensor, layout, groupsOf(node));
    });
    switch (
      emptinessOf(
        step,
        inputs.map(({ shape }) => shape),
      )
    ) {
      case "empty":
        return engine.make(new Float32Array(), dims, dtype);
      case "zeros":
        return tf.zeros([...dims], tfDtype(dtype));
      case "bias": {
        const sum = tf.add(tf.zeros([...dims], tfDtype(dtype)), inputs[2] as TfTensor);
        return relu ? tf.relu(sum) : sum;
      }
      case "concat":
        return tf.concat(
          inputs.filter(({ size }) => size > 0),
          (attributes as OpNode<"concat">["attributes"]).axis,
        );
      case "compute": {
        const kernel = kernels[node.kind] as (call: Call<OpKind>) => TfTensor;
        const constant: Call<OpKind>["constant"] = (key, make) => weights.constant(key, make);
        return kernel({ tf, own, traits, constant, inputs, attributes, dims, relu } as unknown as Call<OpKind>);
      }
    }
  }

  #failure(where: string, cause: unknown): BackendError {
    const { name } = this.#compiled.graph;
    return new BackendError("run-failed", `${name}: ${where}TensorFlow.js failed: ${messageOf(cause)}`, {
      cause,
      details: { graph: name },
    });
  }
}
