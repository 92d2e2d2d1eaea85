import type { OnnxNode } from "./schema.ts";

/**
 * The nodes in an order that ONNX Runtime turns into the given one, in which each is run when its results are about to
 * be needed, so that they need not be held.
 *
 * Its default order (`Graph::ReverseDFSFrom`) follows the graph from its ends back to its inputs, at each node first to
 * the input that stands last in the file: what hangs on the graph's inputs alone, as the keys of every layer of memory
 * attention do, would come before the first layer. Doing the same to the order that is wanted undoes it.
 */
export function orderForRuntime(nodes: readonly OnnxNode[]): readonly OnnxNode[] {
  const makers = new Map(nodes.flatMap((node, i) => node.outputs.map((output) => [output, i])));
  const ordered = new Set<OnnxNode>();
  const visit = (node: OnnxNode): void => {
    if (ordered.has(node)) return;
    const made = node.inputs.flatMap((input) => makers.get(input) ?? []);
    for (const i of made.sort((a, b) => b - a)) visit(nodes[i] as OnnxNode);
    ordered.add(node);
  };
  for (const node of nodes.toReversed()) visit(node);
  return [...ordered];
}
