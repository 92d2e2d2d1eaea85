import {
  DATA_TYPE,
  type OnnxAttribute,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValueInfo,
} from "./schema.ts";

/** A protobuf field: a number is a varint, a list of fields a message; a repeated field is several. */
type Field = readonly [id: number, value: number | string | Uint8Array | { readonly float: number } | readonly Field[]];

const VARINT = 0;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

/** `AttributeProto.AttributeType` */
const FLOAT = 1;
const INT = 2;
const STRING = 3;
const INTS = 7;

/** `TensorProto.DataLocation` */
const EXTERNAL = 1;

const utf8 = new TextEncoder();

/** The model in ONNX's wire format. */
export function writeModel({ irVersion, opsets, producer, metadata = {}, graph }: OnnxModel): Uint8Array<ArrayBuffer> {
  const message: readonly Field[] = [
    [1, irVersion],
    [2, producer],
    [
      7,
      [
        ...graph.nodes.map((node): Field => [1, nodeFields(node)]),
        [2, graph.name],
        ...graph.initializers.map((tensor): Field => [5, tensorFields(tensor)]),
        ...graph.inputs.map((info): Field => [11, valueInfoFields(info)]),
        ...graph.outputs.map((info): Field => [12, valueInfoFields(info)]),
      ],
    ],
    ...Object.entries(opsets).map(
      ([domain, version]): Field => [
        8,
        [
          [1, domain],
          [2, version],
        ],
      ],
    ),
    ...Object.entries(metadata).map(
      ([key, value]): Field => [
        14,
        [
          [1, key],
          [2, value],
        ],
      ],
    ),
  ];
  const chunks: Uint8Array[] = [];
  const length = encode(message, chunks);
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}

function nodeFields({ op, domain, name, inputs, outputs, attributes }: OnnxNode): readonly Field[] {
  return [
    ...inputs.map((input): Field => [1, input]),
    ...outputs.map((output): Field => [2, output]),
    [3, name],
    [4, op],
    ...Object.entries(attributes).map(([key, value]): Field => [5, [[1, key], ...attributeFields(value)]]),
    [7, domain],
  ];
}

function attributeFields(value: OnnxAttribute): readonly Field[] {
  if (typeof value === "number") {
    return [
      [3, value],
      [20, INT],
    ];
  }
  if (typeof value === "string") {
    return [
      [4, value],
      [20, STRING],
    ];
  }
  if ("float" in value) {
    return [
      [2, value],
      [20, FLOAT],
    ];
  }
  return [...value.map((item): Field => [8, item]), [20, INTS]];
}

function tensorFields({ name, dtype, dims, data }: OnnxTensor): readonly Field[] {
  const entry = (key: string, value: string | number): Field => [
    13,
    [
      [1, key],
      [2, String(value)],
    ],
  ];
  const bytes: readonly Field[] =
    data instanceof Uint8Array
      ? [[9, data]]
      : [entry("location", data.location), entry("offset", data.offset), entry("length", data.length), [14, EXTERNAL]];
  return [...dims.map((dim): Field => [1, dim]), [2, DATA_TYPE[dtype]], [8, name], ...bytes];
}

function valueInfoFields({ name, dtype, dims }: OnnxValueInfo): readonly Field[] {
  const shape = dims.map((dim): Field => [1, [[typeof dim === "number" ? 1 : 2, dim]]]);
  const tensorType: readonly Field[] = [
    [1, DATA_TYPE[dtype]],
    [2, shape],
  ];
  return [
    [1, name],
    [2, [[1, tensorType]]],
  ];
}

/** Appends a message's bytes to `chunks`; returns their number. */
function encode(fields: readonly Field[], chunks: Uint8Array[]): number {
  let total = 0;
  const push = (chunk: Uint8Array): void => {
    chunks.push(chunk);
    total += chunk.byteLength;
  };
  const delimited = (id: number, length: number): void => push(varint((id << 3) | LENGTH_DELIMITED, length));
  for (const [id, value] of fields) {
    if (typeof value === "number") {
      push(varint((id << 3) | VARINT, value));
    } else if (typeof value === "string" || value instanceof Uint8Array) {
      const bytes = typeof value === "string" ? utf8.encode(value) : value;
      delimited(id, bytes.byteLength);
      push(bytes);
    } else if ("float" in value) {
      const bytes = new Uint8Array(5);
      bytes[0] = (id << 3) | FIXED32;
      new DataView(bytes.buffer).setFloat32(1, value.float, true);
      push(bytes);
    } else {
      const inner: Uint8Array[] = [];
      const length = encode(value, inner);
      delimited(id, length);
      for (const chunk of inner) push(chunk);
    }
  }
  return total;
}

/** Whole numbers one after another, seven bits a byte; a negative one as its 64-bit two's complement. */
function varint(...values: readonly number[]): Uint8Array {
  const bytes: number[] = [];
  for (const value of values) {
    if (value >= 0 && value < 0x80) {
      bytes.push(value); // nearly all, and big integers are slow
      continue;
    }
    let rest = BigInt.asUintN(64, BigInt(value));
    while (rest >= 0x80n) {
      bytes.push(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    bytes.push(Number(rest));
  }
  return Uint8Array.from(bytes);
}
