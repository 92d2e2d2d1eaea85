import type { HostTensor } from "../tensor/tensor.ts";
import { formatDims } from "./dim.ts";
import type { Graph, Value } from "./graph.ts";

/**
 * A graph as text, one line a value, numbered in the order of appearance:
 *
 *     graph head
 *     %0 = input "x" float32[prompts,4]
 *     %1 = weight "fc.weight" float32[2,4]
 *     %2 = linear(%0, %1) float32[prompts,2] # fc
 *     output "y" = %2
 */
export function printGraph({ name, inputs, outputs, values }: Graph): string {
  const lines = [`graph ${name}`];
  const numbers = new Map<Value, string>();
  const line = (value: Value, text: string, comment = ""): string => {
    const number = `%${numbers.size}`;
    numbers.set(value, number);
    lines.push(`${number} = ${text} ${value.dtype}${formatDims(value.dims)}${comment}`);
    return number;
  };
  const refer = (value: Value): string => numbers.get(value) ?? line(value, describe(value));
  for (const input of Object.values(inputs)) refer(input);
  for (const value of values) {
    const { kind, inputs: operands, attributes, scope } = value.source.node;
    const args = (operands as readonly Value[]).map(refer);
    const settings = Object.entries(attributes).map(([key, setting]) => `${key}: ${literal(setting)}`);
    line(value, `${kind}(${[...args, ...settings].join(", ")})`, scope === "" ? "" : ` # ${scope}`);
  }
  const results = Object.entries(outputs).map(([key, value]) => `output "${key}" = ${refer(value)}`);
  return [...lines, ...results].join("\n");
}

function describe({ source }: Value): string {
  switch (source.from) {
    case "input":
      return `input "${source.name}"`;
    case "constant":
      return `constant ${contents(source.tensor)}`;
    case "weight":
      return `weight "${source.key}"${source.offset === 0 ? "" : ` from ${source.offset}`}`;
    case "op":
      return `${source.node.kind} that is not in the graph`;
  }
}

/** The first few elements, to six digits. */
function contents({ data }: HostTensor): string {
  const shown = [...data.subarray(0, 4)].map((x) => String(Number(Number(x).toPrecision(6))));
  return `{${shown.join(", ")}${data.length > shown.length ? ", ..." : ""}}`;
}

const literal = (setting: unknown): string => (Array.isArray(setting) ? `[${setting.join(",")}]` : String(setting));
