import { opsets } from "./onnx/lower.ts";
import { writeModel } from "./onnx/writer.ts";

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
