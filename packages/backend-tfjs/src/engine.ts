import { BackendError, byteSize, elementCount, formatDims, Queue, type ValueDType } from "@masklet/core/backend";
import type { Tensor } from "@tensorflow/tfjs-core";
import { deviceLost, messageOf, tfDtype } from "./errors.ts";
import type { TfjsEngine } from "./public.ts";
import type { Tensorflow, TfOps } from "./runtime.ts";
import { type GpuDevice, type Traits, traitsOf, webgpuDevice } from "./traits.ts";
import { type OwnKernels, ownKernels } from "./wasm-kernels.ts";

/** TensorFlow.js has one current engine for everybody: those who share a runtime take turns. */
const locks = new WeakMap<Tensorflow, Queue>();

/** The lock of all that compute with a runtime. */
export function lockOf(tf: Tensorflow): Queue {
  const lock = locks.get(tf) ?? new Queue();
  locks.set(tf, lock);
  return lock;
}

type KernelBackend = ReturnType<Tensorflow["engine"]>["backend"];

/** The part of the WebGPU engine that collects commands and pools buffers. */
interface GpuQueue {
  readonly commandEncoder: unknown;
  readonly bufferManager: {
    readonly freeBuffers: Map<string, { readonly size: number; destroy(): void }[]>;
    numFreeBuffers: number;
    numBytesAllocated: number;
    readonly numBytesUsed: number;
  };
  endComputePassEncoder(): void;
  submitQueue(): void;
}

/** Bytes of freed GPU memory that are kept for later tensors of the same size. */
const POOL = 2 ** 30;

/** Submits what was collected, and lets go of the pool when it has grown: by itself it keeps a buffer of every size. */
function flush(queue: GpuQueue): void {
  queue.endComputePassEncoder();
  if (queue.commandEncoder) queue.submitQueue();
  const pool = queue.bufferManager;
  if (pool.numBytesAllocated - pool.numBytesUsed <= POOL) return;
  for (const buffers of pool.freeBuffers.values()) {
    for (const buffer of buffers.splice(0)) {
      buffer.destroy();
      pool.numFreeBuffers--;
      pool.numBytesAllocated -= buffer.size;
    }
  }
}

/** WebGL's flags for graphs whose shapes vary, where nobody else has set them. */
function keepTidy(tf: Tensorflow): void {
  const env = tf.env();
  // By default freed textures are kept for ever, and every shape has a shader of its own.
  if (env.getNumber("WEBGL_DELETE_TEXTURE_THRESHOLD") === -1) env.set("WEBGL_DELETE_TEXTURE_THRESHOLD", POOL);
  env.set("WEBGL_USE_SHAPES_UNIFORMS", true);
}

/** The part of the WebGL engine that runs shaders. */
interface ShaderRunner {
  runWebGLProgram(
    program: { userCode: string },
    inputs: readonly { readonly shape: readonly number[] }[],
    ...rest: unknown[]
  ): unknown;
}

const mended = new WeakSet<ShaderRunner>();

/**
 * Gives inputs that are longer than a texture shaders of their own. A shader is kept for all shapes of a rank, and reads
 * a matrix row by row where its texture has the matrix's shape; whether it has is part of the key that it is found by for
 * inputs of two dimensions, and is forgotten for those of three or four that are matrices but for dimensions of one. One
 * made for [1, 4096, 64] then reads other elements of [1, 66002, 64] than it was asked for.
 */
function apartByLength(runner: ShaderRunner, side: number): void {
  if (mended.has(runner)) return;
  mended.add(runner);
  const run = runner.runWebGLProgram.bind(runner);
  runner.runWebGLProgram = (program, inputs, ...rest) => {
    // In textures' sides; packed tensors have room for two.
    const lengths = inputs.map(({ shape }) => Math.max(...shape) / side);
    if (lengths.some((length) => length > 1)) {
      program.userCode += `\n// ${lengths.map((length) => Math.min(Math.ceil(length), 3))}`;
    }
    return run(program, inputs, ...rest);
  };
}

/** A started engine of TensorFlow.js. */
export class Engine {
  readonly tf: Tensorflow;
  readonly engine: TfjsEngine;
  readonly traits: Traits;
  /** What kernels are made of: TensorFlow.js, with our own operations for the engine in their places. */
  readonly ops: TfOps;
  readonly own: OwnKernels | undefined;
  readonly lock: Queue;
  readonly #name: string;
  readonly #backend: KernelBackend;
  readonly #device: GpuDevice | undefined;
  #lost: string | undefined;

  /** `engine` must be current in `tf`. `limits` replace what is known of it. */
  constructor(tf: Tensorflow, engine: TfjsEngine, limits: Partial<Traits> = {}) {
    this.tf = tf;
    this.engine = engine;
    this.#name = tf.getBackend();
    this.traits = { ...traitsOf(tf, this.#name), ...limits };
    this.lock = lockOf(tf);
    this.own = this.#name === "wasm" ? ownKernels(tf) : undefined;
    const { slice } = this.own ?? {};
    this.ops = slice === undefined ? tf : { ...tf, slice: slice as TfOps["slice"] };
    this.#backend = tf.engine().backend;
    // In Node the cpu engine would advertise another package on stderr.
    if ("firstUse" in this.#backend) this.#backend.firstUse = false;
    if (this.#name === "webgl") {
      keepTidy(tf);
      apartByLength(this.#backend as unknown as ShaderRunner, tf.env().getNumber("WEBGL_MAX_TEXTURE_SIZE"));
    }
    if (this.#name !== "webgpu") return;
    this.#device = webgpuDevice(tf);
    this.#device?.lost.then(({ reason, message }) => {
      this.#lost = message || reason;
    });
  }

  /** Makes it the current engine; holds until the next `await`. */
  async activate(): Promise<void> {
    this.requireDevice();
    // Another user of the runtime may have chosen another engine while this one waited for its turn.
    while (this.tf.getBackend() !== this.#name) {
      if (!(await this.tf.setBackend(this.#name))) {
        throw new BackendError("run-failed", `TensorFlow.js: engine "${this.#name}" cannot be made the current one`);
      }
    }
  }

  /** Throws a `BackendError` ("device-lost") if the device is gone. */
  requireDevice(): void {
    const gl = (this.#backend as { readonly gpgpu?: { readonly gl?: { isContextLost(): boolean } } }).gpgpu?.gl;
    if (gl?.isContextLost()) this.#lost ??= "its WebGL context is gone";
    if (this.#lost !== undefined) throw deviceLost(this.engine, this.#lost);
  }

  /**
   * Runs synchronous work with the current engine. Resolves once the device has accepted it: WebGPU reports what it
   * refuses (a buffer too large, no memory) later and to those alone who ask, and computes zeros.
   */
  async submit(work: () => void): Promise<void> {
    const device = this.#device;
    if (device === undefined) return work();
    device.pushErrorScope("out-of-memory");
    device.pushErrorScope("validation");
    let scopes: readonly Promise<{ readonly message: string } | null>[];
    try {
      work();
      flush(this.#backend as unknown as GpuQueue);
    } finally {
      scopes = [device.popErrorScope(), device.popErrorScope()];
      for (const scope of scopes) scope.catch(() => {});
    }
    // They reject only where the device is lost.
    const errors = await Promise.all(scopes).catch(() => []);
    this.requireDevice();
    for (const error of errors) if (error !== null) throw new Error(error.message);
  }

  /** A tensor around `data`, on this engine, whichever is current. */
  make(data: Float32Array | Int32Array | Uint8Array, dims: readonly number[], dtype: ValueDType): Tensor {
    return this.tf.engine().makeTensor(data, [...dims], tfDtype(dtype), this.#backend);
  }

  async read(tensor: Tensor): Promise<ArrayLike<number>> {
    this.requireDevice();
    try {
      return (await tensor.data()) as ArrayLike<number>;
    } catch (cause) {
      this.requireDevice();
      throw new BackendError("run-failed", `read: TensorFlow.js failed: ${messageOf(cause)}`, { cause });
    }
  }

  /**
   * Throws a `BackendError` for a tensor that the engine has no room for: larger than its buffers or textures
   * ("unsupported"), or more than is left of its heap ("out-of-memory"). Left to itself it would compute nonsense.
   */
  requireRoom(what: string, dims: readonly number[], dtype: ValueDType, copies = 1): void {
    const { maxTensorBytes = Number.POSITIVE_INFINITY, heapBytes = Number.POSITIVE_INFINITY } = this.traits;
    const bytes = elementCount(dims) * byteSize[dtype];
    const tensor = `${what}: ${dtype}${formatDims(dims)} takes ${bytes} bytes`;
    if (bytes > maxTensorBytes) {
      throw new BackendError("unsupported", `${tensor}, ${this.engine} has room for ${maxTensorBytes} in one tensor`, {
        details: { bytes, maxTensorBytes },
      });
    }
    const { numBytes } = this.tf.memory();
    if (numBytes + copies * bytes > heapBytes) {
      throw new BackendError("out-of-memory", `${tensor}, ${heapBytes - numBytes} are left of ${this.engine}'s heap`, {
        details: { bytes, free: heapBytes - numBytes, heapBytes },
      });
    }
  }
}
