import {
  type AbortSignalLike,
  abortable,
  BackendError,
  checkHostTensor,
  type HostTensor,
  RuntimeTensor,
  type TensorData,
  type ValueDType,
} from "@masklet/core/backend";
import type { Tensor } from "onnxruntime-common";
import { messageOf } from "./errors.ts";
import type { OrtHost } from "./runtime.ts";

/** A tensor that ONNX Runtime holds. */
export class OrtTensor extends RuntimeTensor {
  readonly dtype: ValueDType;
  readonly dims: readonly number[];
  readonly tensor: Tensor;
  readonly #lost: AbortSignalLike | undefined;
  readonly #owned: boolean;
  #download: Promise<TensorData> | undefined;

  /** `owned`: nobody else has its memory. */
  constructor(tensor: Tensor, lost: AbortSignalLike | undefined, owned = false) {
    super();
    this.#owned = owned;
    this.dtype = tensor.type as ValueDType; // graphs have no others
    this.dims = tensor.dims;
    this.tensor = tensor;
    this.#lost = lost;
  }

  async read(): Promise<TensorData> {
    const lost = this.#lost;
    try {
      lost?.throwIfAborted();
      // It refuses to be downloaded twice at a time.
      this.#download ??= (this.tensor.getData() as Promise<TensorData>).finally(() => {
        this.#download = undefined;
      });
      return (await abortable(this.#download, lost)).slice();
    } catch (cause) {
      lost?.throwIfAborted();
      throw new BackendError("run-failed", `read: ONNX Runtime failed: ${messageOf(cause)}`, { cause });
    }
  }

  protected free(): void {
    const memory = this.#owned && this.tensor.location === "cpu" ? (this.tensor.data as TensorData).buffer : undefined;
    this.tensor.dispose();
    // At once: megabytes of a frame's tensors would wait for a collection of garbage, and frames do not.
    (memory as { transfer?(bytes: number): unknown } | undefined)?.transfer?.(0);
  }
}

/** A host tensor as one of the runtime's, around the same memory: `owned` where nobody else has that. */
export function hostTensor(
  { ort, lost }: Pick<OrtHost, "ort" | "lost">,
  tensor: HostTensor,
  what: string,
  owned = false,
): OrtTensor {
  checkHostTensor(tensor, what);
  return new OrtTensor(new ort.Tensor(tensor.dtype, tensor.data, tensor.dims), lost, owned);
}
