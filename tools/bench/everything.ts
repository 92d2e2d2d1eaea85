/**
 * Times `AutomaticMaskGenerator` on one image under some thresholds, in a process of its own, as JSON: an `EverythingRow`. What each part takes is
 * a sampling profile's: a part is the time inside its functions, whatever they call.
 */
import { Session } from "node:inspector/promises";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createOrtBackend } from "@masklet/backend-ort/node";
import { AutomaticMaskGenerator, type GraphName, type Sam2 } from "@masklet/core";
import { loadSam2, readImage } from "@masklet/core/node";
import { modelFiles } from "./model-files.ts";
import { type EverythingRow, everythingSettings } from "./report.ts";

const { values: options, positionals } = parseArgs({
  options: { threads: { type: "string", default: "1" }, points: { type: "string", default: "32" } },
  allowPositionals: true,
});
const [name = "tiny", setting = "usual"] = positionals as [string?, EverythingRow["setting"]?];
const thresholds = everythingSettings[setting];
const pointsPerSide = Number(options.points);

/** Functions of core, by the part that they do. */
const parts = {
  filter: ["upsampledArea", "removeSmallRegions"],
  upsample: ["upsampleMask", "encodeRleAt", "maskBox", "rleArea"],
  nms: ["suppressBoxes"],
} as const;

const backend = await createOrtBackend({ threads: Number(options.threads) });
const model = await loadSam2(modelFiles(name).checkpoint, { backend });
const image = await readImage(fileURLToPath(new URL("../../examples/scene.png", import.meta.url)));

/** Milliseconds in runs of each graph, with the reading of what they put out. */
const graphs: Partial<Record<GraphName, number>> = {};
const timed = new Proxy(model, {
  get: (target, key) => {
    if (key !== "executable") {
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    }
    return async (graph: GraphName) => {
      const executable = await target.executable(graph);
      return {
        signature: executable.signature,
        run: async (...args: Parameters<typeof executable.run>) => {
          const started = performance.now();
          const outputs = await executable.run(...args);
          graphs[graph] = (graphs[graph] ?? 0) + performance.now() - started;
          return outputs;
        },
      };
    };
  },
}) as Sam2;

const warm = new AutomaticMaskGenerator(timed, { ...thresholds, pointsPerSide: 4 });
await warm.generate(image); // compiles both graphs
for (const graph of Object.keys(graphs) as GraphName[]) graphs[graph] = 0;

const session = new Session();
session.connect();
await session.post("Profiler.enable");
await session.post("Profiler.start");
const generator = new AutomaticMaskGenerator(timed, { ...thresholds, pointsPerSide });
const started = performance.now();
const masks = await generator.generate(image);
const milliseconds = performance.now() - started;
const { profile } = await session.post("Profiler.stop");

const parents = new Map(
  profile.nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)),
);
const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame.functionName]));
const spent = { filter: 0, upsample: 0, nms: 0 };
for (const [i, sample] of (profile.samples ?? []).entries()) {
  // The outermost of the named functions: what it calls is its own.
  let part: keyof typeof spent | undefined;
  for (let id: number | undefined = sample; id !== undefined; id = parents.get(id)) {
    const here = names.get(id);
    part = (Object.keys(parts) as (keyof typeof parts)[]).find((one) => parts[one].some((f) => f === here)) ?? part;
  }
  if (part !== undefined) spent[part] += (profile.timeDeltas?.[i] ?? 0) / 1000;
}
const row: EverythingRow = {
  setting,
  points: pointsPerSide ** 2,
  masks: masks.length,
  milliseconds,
  encode: graphs.imageEncoder ?? 0,
  decode: (graphs.maskScorer ?? 0) + (graphs.maskUpscaler ?? 0),
  ...spent,
};
console.log(JSON.stringify(row));
await model.dispose();
await backend.dispose();
process.exit();
