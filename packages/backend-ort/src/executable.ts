import {
  abortable,
  BackendError,
  bindDim,
  bindFeeds,
  checkOutputs,
  type DeviceTensor,
  type DeviceTensors,
  type DimBindings,
  disposeAll,
  isOptional,
  type RunOptions,
  type Signature,
  type SignatureEntry,
  type Tensor,
} from "@masklet/core/backend";
import type { InferenceSession } from "onnxruntime-common";
import { messageOf } from "./errors.ts";
import type { Profile, Profiling } from "./profile.ts";
import type { Room } from "./room.ts";
import type { OrtExecutable, OrtHost } from "./runtime.ts";
import { hostTensor, OrtTensor } from "./tensor.ts";

/** What was compiled. */
interface Compiled {
  readonly name: string;
  readonly signature: Signature;
  readonly staticDims: DimBindings;
  /** The session's tensor for each of the graph's outputs. */
  readonly outputNames: Readonly<Record<string, string>>;
  readonly session: InferenceSession;
  readonly profiling?: Profiling;
  /** Where the device has a limit. */
  readonly room?: Room;
}

/** What an executable needs of its backend. */
interface Owner {
  readonly host: Pick<OrtHost, "ort" | "lock" | "lost" | "sessionOptions">;
  readonly tensors: DeviceTensors<OrtTensor>;
  readonly forget: (executable: CompiledGraph) => void;
}

export class CompiledGraph implements OrtExecutable {
  readonly signature: Signature;
  readonly #compiled: Compiled;
  readonly #owner: Owner;
  #disposed: Promise<void> | undefined;
  #profiling: Profiling | undefined;
  #broken = false;

  constructor(compiled: Compiled, owner: Owner) {
    this.signature = compiled.signature;
    this.#compiled = compiled;
    this.#owner = owner;
    this.#profiling = compiled.profiling;
  }

  async run(
    feeds: Readonly<Record<string, Tensor>>,
    { signal, outputs = Object.keys(this.signature.outputs) }: RunOptions = {},
  ): Promise<Record<string, DeviceTensor>> {
    const { name, staticDims, room } = this.#compiled;
    const { host, tensors } = this.#owner;
    const { lock, lost } = host;
    if (this.#disposed !== undefined) throw new BackendError("disposed", `${name}: run after dispose`);
    signal?.throwIfAborted();
    lost?.throwIfAborted();
    checkOutputs(name, this.signature, outputs);
    const sizes = withOptional(bindFeeds(this.signature, feeds, staticDims), this.signature, feeds);
    room?.check(sizes);
    const taken = tensors.take(feeds, (tensor, what) => hostTensor(host, tensor, what));
    const turn = lock.run(async () => {
      try {
        signal?.throwIfAborted();
        lost?.throwIfAborted();
        return await this.#compute(taken, outputs, sizes);
      } finally {
        for (const tensor of Object.values(taken)) tensor.release();
      }
    });
    return abortable(turn, signal, disposeAll);
  }

  get broken(): boolean {
    return this.#broken;
  }

  dispose(): Promise<void> {
    this.#disposed ??= this.#owner.host.lock.run(async () => {
      this.#owner.forget(this);
      await this.#compiled.session.release();
      await this.#profiling?.discard();
    });
    return this.#disposed;
  }

  async endProfile(): Promise<Profile> {
    const { name, session } = this.#compiled;
    const profiling = this.#profiling;
    if (profiling === undefined || this.#disposed !== undefined) {
      const problem = "there is no profile: ask for it with `profile: true`, and once, before dispose";
      throw new BackendError("unsupported", `${name}: ${problem}`);
    }
    this.#profiling = undefined;
    return await this.#owner.host.lock.run(async () => {
      session.endProfiling();
      return await profiling.collect();
    });
  }

  async #compute(
    feeds: Readonly<Record<string, OrtTensor>>,
    outputs: readonly string[],
    sizes: DimBindings,
  ): Promise<Record<string, DeviceTensor>> {
    const { name, session, outputNames } = this.#compiled;
    const {
      host: { ort, lost, sessionOptions },
      tensors: held,
    } = this.#owner;
    const expected = outputs.map((output) => {
      const { dtype, dims } = this.signature.outputs[output] as SignatureEntry;
      return { output, dtype, dims: dims.map((dim) => bindDim(dim, sizes)) };
    });
    // WebGPU's kernels fail where there is nothing to compute.
    if (expected.every(({ dims }) => dims.includes(0))) {
      return Object.fromEntries(
        expected.map(({ output, dtype, dims }) => [
          output,
          held.hold(new OrtTensor(new ort.Tensor(dtype, [], dims), lost)),
        ]),
      );
    }
    const wanted = outputs.map((output): [string, string] => [output, outputNames[output] as string]);
    const tensors = Object.fromEntries(Object.entries(feeds).map(([input, { tensor }]) => [input, tensor]));
    if (this.#broken) {
      const problem = "an earlier run failed, and ONNX Runtime would repeat its inputs: compile the graph again";
      throw new BackendError("run-failed", `${name}: ${problem}`, { details: { graph: name } });
    }
    let results: InferenceSession.ReturnType;
    try {
      const run = session.run(tensors, [...new Set(wanted.map(([, tensor]) => tensor))]);
      results = await abortable(run, lost);
    } catch (cause) {
      lost?.throwIfAborted();
      // Inputs that are bound, as they are where outputs stay on the device, are let go of by a run that succeeds alone.
      this.#broken = sessionOptions.preferredOutputLocation !== undefined;
      throw new BackendError("run-failed", `${name}: ONNX Runtime failed: ${messageOf(cause)}`, {
        cause,
        details: { graph: name },
      });
    }
    const made = new Map(
      Object.entries(results).map(([tensor, result]) => [tensor, new OrtTensor(result, lost, true)]),
    );
    return Object.fromEntries(wanted.map(([output, tensor]) => [output, held.hold(made.get(tensor) as OrtTensor)]));
  }
}

/** Sizes of the names, and of the optional dimensions of what was fed. */
function withOptional(
  bindings: DimBindings,
  { inputs }: Signature,
  feeds: Readonly<Record<string, Tensor>>,
): DimBindings {
  const optional = Object.entries(inputs).flatMap(([name, { dims }]) =>
    dims.flatMap((dim, axis) => (isOptional(dim) ? [[dim, feeds[name]?.dims[axis] ?? 1] as const] : [])),
  );
  return { ...bindings, ...Object.fromEntries(optional) };
}
