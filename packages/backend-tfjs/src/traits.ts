import type { Tensorflow } from "./runtime.ts";

/** What kernels are chosen by: the limits and habits of an engine. */
export interface Traits {
  /** Largest tensor in bytes, where there is a limit. */
  readonly maxTensorBytes?: number;
  /** Bytes of attention scores at a time. */
  readonly scoreBytes: number;
  /** Rows that one softmax takes. */
  readonly softmaxRows: number;
  /** Whether sin and cos are as exact as float32; otherwise they are computed from a polynomial. */
  readonly exactTrigonometry: boolean;
  /** Whether `batchNorm` takes a mean and a variance for each row. */
  readonly rowwiseBatchNorm: boolean;
  /** Bytes that all tensors of the engine may take together, where it fails silently beyond. */
  readonly heapBytes?: number;
}

const MiB = 2 ** 20;

const host: Traits = {
  // More gains nothing, less spends its time between the blocks.
  scoreBytes: 16 * MiB,
  softmaxRows: Number.POSITIVE_INFINITY,
  exactTrigonometry: true,
  rowwiseBatchNorm: false,
};

/** The traits of a started engine; `name` is the one that TensorFlow.js knows it by. */
export function traitsOf(tf: Tensorflow, name: string): Traits {
  switch (name) {
    case "wasm":
      // The heap ends at 4 GiB, where writes go to address 0. XNNPACK's packed matrices are not among the tensors.
      return { ...host, heapBytes: 3072 * MiB };
    case "webgl": {
      const side = tf.env().getNumber("WEBGL_MAX_TEXTURE_SIZE");
      return {
        // Unless it is packed, each element takes a texel.
        maxTensorBytes: side * side * 4,
        scoreBytes: Math.min(64 * MiB, side * side * 4),
        softmaxRows: Number.POSITIVE_INFINITY,
        exactTrigonometry: false,
        rowwiseBatchNorm: true,
      };
    }
    case "webgpu": {
      const limit = webgpuDevice(tf)?.limits.maxStorageBufferBindingSize ?? 128 * MiB;
      return {
        maxTensorBytes: limit,
        scoreBytes: Math.min(128 * MiB, limit),
        // Where rows are more and their count is no square, softmax spoils the last element.
        softmaxRows: 65_535,
        exactTrigonometry: false,
        rowwiseBatchNorm: true,
      };
    }
    case "tensorflow":
      return { ...host, scoreBytes: 256 * MiB };
    default:
      return host;
  }
}

/** The part of WebGPU's device that is needed here. */
export interface GpuDevice {
  readonly limits: { readonly maxStorageBufferBindingSize: number };
  readonly lost: Promise<{ readonly reason: string; readonly message: string }>;
  pushErrorScope(filter: "validation" | "out-of-memory" | "internal"): void;
  popErrorScope(): Promise<{ readonly message: string } | null>;
}

/** WebGPU's device, where that is the engine. */
export function webgpuDevice(tf: Tensorflow): GpuDevice | undefined {
  return (tf.engine().registry["webgpu"] as { readonly device?: GpuDevice } | undefined)?.device;
}
