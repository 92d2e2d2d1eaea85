/** ONNX files for tests: somebody else's models in a few lines. */
import { opsets } from "../src/onnx/lower.ts";
import type { OnnxAttribute, OnnxDType, OnnxExternalData } from "../src/onnx/schema.ts";
import { writeModel } from "../src/onnx/writer.ts";

interface TestValue {
  readonly name: string;
  /** Default "float32". */
  readonly dtype?: OnnxDType;
  readonly dims: readonly (number | string)[];
}

interface TestModel {
  readonly nodes: readonly {
    readonly op: string;
    readonly inputs: readonly string[];
    readonly outputs: readonly string[];
    readonly attributes?: Readonly<Record<string, OnnxAttribute>>;
  }[];
  readonly initializers?: readonly {
    readonly name: string;
    readonly dims: readonly number[];
    /** External data is of float32. */
    readonly data: Float32Array | BigInt64Array | OnnxExternalData;
  }[];
  readonly inputs: readonly TestValue[];
  readonly outputs: readonly TestValue[];
  readonly metadata?: Readonly<Record<string, string>>;
}

/** The file of a model. */
export function onnxFile({ nodes, initializers = [], inputs, outputs, metadata = {} }: TestModel): Uint8Array {
  const value = ({ name, dtype = "float32", dims }: TestValue) => ({ name, dtype, dims });
  return writeModel({
    irVersion: 10,
    opsets,
    producer: "test",
    metadata,
    graph: {
      name: "test",
      nodes: nodes.map(({ attributes = {}, ...node }, i) => ({ domain: "", name: `node${i}`, attributes, ...node })),
      initializers: initializers.map(({ name, dims, data }) => ({
        name,
        dtype: data instanceof BigInt64Array ? "int64" : "float32",
        dims,
        data: ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : data,
      })),
      inputs: inputs.map(value),
      outputs: outputs.map(value),
    },
  });
}
