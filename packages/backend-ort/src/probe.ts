import type { InferenceSession } from "onnxruntime-common";
import { opsets } from "./onnx/lower.ts";
import { writeModel } from "./onnx/writer.ts";
import type { OrtRuntime } from "./runtime.ts";

/** The smallest model: tells whether a device works at all. */
export function probeModel(): Uint8Array {
  const value = (name: string) => ({ name, dtype: "float32", dims: [1] }) as const;
  return writeModel({
    irVersion: 10,
    opsets,
    producer: "masklet",
    graph: {
      name: "probe",
      nodes: [{ op: "Relu", domain: "", name: "relu", inputs: ["x"], outputs: ["y"], attributes: {} }],
      initializers: [],
      inputs: [value("x")],
      outputs: [value("y")],
    },
  });
}

/**
 * Whether products of unsigned and signed bytes overflow: x86 processors before VNNI add pairs of them in 16 bits.
 * Products of unsigned bytes alone are right everywhere, and slower where this is not so.
 */
export async function saturates(
  { InferenceSession, Tensor }: OrtRuntime,
  options: InferenceSession.SessionOptions,
): Promise<boolean> {
  const inner = 64;
  const [x, y] = [
    { name: "x", dtype: "uint8", dims: [1, inner] },
    { name: "y", dtype: "int32", dims: [1, 1] },
  ] as const;
  const model = writeModel({
    irVersion: 10,
    opsets,
    producer: "masklet",
    graph: {
      name: "probe",
      nodes: [{ op: "MatMulInteger", domain: "", name: "product", inputs: ["x", "w"], outputs: ["y"], attributes: {} }],
      initializers: [{ name: "w", dtype: "int8", dims: [inner, 1], data: new Uint8Array(inner).fill(127) }],
      inputs: [x],
      outputs: [y],
    },
  });
  const session = await InferenceSession.create(model, options);
  try {
    const result = await session.run({ x: new Tensor("uint8", new Uint8Array(inner).fill(255), x.dims) });
    return Number((await result["y"]?.getData())?.[0]) !== 255 * 127 * inner;
  } finally {
    await session.release();
  }
}
