import {
  checkHostTensor,
  type HostTensor,
  RuntimeTensor,
  type TensorData,
  type ValueDType,
} from "@masklet/core/backend";
import type { Tensor } from "@tensorflow/tfjs-core";
import type { Engine } from "./engine.ts";

const arrays = { float32: Float32Array, int32: Int32Array, bool: Uint8Array } as const;

/** A tensor that TensorFlow.js holds. */
export class TfjsTensor extends RuntimeTensor {
  readonly dtype: Exclude<ValueDType, "float16">;
  readonly dims: readonly number[];
  readonly tensor: Tensor;
  readonly #engine: Engine;

  constructor(engine: Engine, tensor: Tensor) {
    super();
    this.dtype = tensor.dtype as Exclude<ValueDType, "float16">; // graphs have no others
    this.dims = tensor.shape;
    this.tensor = tensor;
    this.#engine = engine;
    // A `tf.tidy` of the caller's must not take it.
    engine.tf.engine().keep(tensor);
  }

  async read(): Promise<TensorData> {
    // Some engines hand out the array that they hold.
    return arrays[this.dtype].from(await this.#engine.read(this.tensor));
  }

  protected free(): void {
    this.tensor.dispose();
  }
}

/** A host tensor on the device, from a copy of its data. */
export function uploadTensor(engine: Engine, tensor: HostTensor, what: string): TfjsTensor {
  checkHostTensor(tensor, what);
  const { dtype, dims, data } = tensor;
  engine.requireDevice();
  engine.requireRoom(what, dims, dtype);
  // Some engines keep the array that they are given.
  return new TfjsTensor(engine, engine.make(data.slice() as Float32Array | Int32Array | Uint8Array, dims, dtype));
}
