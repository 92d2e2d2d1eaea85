import { evaluateNode } from "../backend/reference-kernels.ts";
import type { WeightStore } from "../checkpoint/weight-store.ts";
import { bindFeeds, signatureOf } from "../graph/feeds.ts";
import type { Graph, Value } from "../graph/graph.ts";
import { elementCount, float32, type HostTensor } from "../tensor/tensor.ts";

/** What a graph's outputs must be: every operation on the reference kernels, one after another, nothing prepared. */
export async function evaluateGraph(
  graph: Graph,
  weights: WeightStore,
  feeds: Readonly<Record<string, HostTensor>>,
): Promise<Record<string, HostTensor>> {
  const bindings = bindFeeds(signatureOf(graph), feeds);
  const known = new Map<Value, HostTensor>();
  const find = async (value: Value): Promise<HostTensor> => {
    const { source, dims } = value;
    switch (source.from) {
      case "input":
        return feeds[source.name] as HostTensor;
      case "constant":
        return source.tensor;
      case "weight": {
        const { data } = await weights.read(source.key);
        const sizes = dims as readonly number[];
        return float32(sizes, data.subarray(source.offset, source.offset + elementCount(sizes)));
      }
      case "op":
        return known.get(value) as HostTensor;
    }
  };
  for (const value of graph.values) {
    const inputs: HostTensor[] = [];
    for (const input of value.source.node.inputs as readonly Value[]) inputs.push(await find(input));
    known.set(value, evaluateNode(value.source.node, inputs, bindings));
  }
  const outputs: Record<string, HostTensor> = {};
  for (const [name, value] of Object.entries(graph.outputs)) outputs[name] = await find(value);
  return outputs;
}
