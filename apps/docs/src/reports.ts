/** The page of what `pnpm bench --reports` measured: numbers come from apps/docs/reports.json, words from here. */

/** What tools/bench/reports.ts writes. */
export interface Reports {
  readonly date: string;
  readonly version: string;
  readonly machine: { readonly cpu: string; readonly instructions: readonly string[]; readonly threads: number };
  readonly node: string;
  /** One-minute load when it began: above the number of threads others were at work, and times are long. */
  readonly load: number;
  readonly accuracy: readonly {
    readonly backend: string;
    readonly cases: number;
    readonly meanIou: number;
    readonly leastIou: number;
    readonly iouError: number;
  }[];
  readonly speed: readonly {
    readonly backend: string;
    readonly load: number;
    readonly encode: number;
    readonly click: number;
    readonly rounds: number;
  }[];
  readonly firstMask: {
    readonly browser: string;
    readonly rounds: number;
    readonly rows: readonly {
      readonly runtime: string;
      readonly speed: string;
      readonly bytes: number;
      readonly started: number;
      readonly loaded: number;
      readonly encoded: number;
      readonly mask: number;
      readonly click: number;
    }[];
  } | null;
  readonly sizes: {
    readonly installed: Readonly<Record<string, { readonly MiB: number }>>;
    readonly bundles: Readonly<Record<string, { readonly gzip: number }>>;
  };
  readonly support: readonly {
    readonly backend: string;
    readonly host: string;
    readonly device: string;
    readonly dtypes: readonly string[];
    readonly state: string;
  }[];
}

const ms = (value: number): string => (value < 100 ? value.toFixed(1) : Math.round(value).toLocaleString("en"));
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");

export function reportsPage(data: Reports): string {
  const { machine, firstMask } = data;
  const busy =
    data.load > machine.threads
      ? `. Others were at work there, a load of ${data.load.toFixed(0)}: read times as ratios`
      : "";
  return `# Reports

Written by \`pnpm bench --reports\` on ${data.date}, version ${data.version}: ${machine.cpu}, ${machine.threads} threads
(${machine.instructions.join(", ")}), Node ${data.node}${busy}. Nothing on this page was typed in.

## Accuracy

Nano on each backend against Meta's own PyTorch code, on the recorded cases of \`examples/scene.png\`: mean and least IoU of
masks, and the largest error of a predicted IoU.

${table(
  ["backend", "masks", "mean IoU", "least IoU", "error of predicted IoU"],
  data.accuracy.map((row) => [
    row.backend,
    String(row.cases),
    row.meanIou.toFixed(5),
    row.leastIou.toFixed(5),
    row.iouError.toExponential(1),
  ]),
)}

## Speed

Nano in Node: loading it, encoding a picture of 640x640 pixels, and a click; medians, in milliseconds.

${table(
  ["backend", "load", "encode", "click", "rounds"],
  data.speed.map((row) => [row.backend, ms(row.load), ms(row.encode), ms(row.click), String(row.rounds)]),
)}

## The first mask in a page

${
  firstMask === null
    ? "Not measured: there was no Chromium."
    : `Milliseconds from opening a page with nothing in its cache, in turns, one thread, ${firstMask.browser}, medians of
${firstMask.rounds} rounds; MB as they were sent, compressed where that helps.

${table(
  ["runtime", "connection", "MB", "model is loaded", "first mask", "a click then"],
  firstMask.rows.map((row) => [
    row.runtime === "ort" ? "ONNX Runtime" : "TensorFlow.js",
    row.speed,
    (row.bytes / 1e6).toFixed(1),
    ...[row.loaded, row.mask, row.click].map(ms),
  ]),
)}`
}

## Sizes

Of \`tools/size-budget.json\`, which every build is held to: bundles after minifying and gzip, installed packages with all that
they depend on.

${table(
  ["bundle", "kB"],
  Object.entries(data.sizes.bundles).map(([name, { gzip }]) => [name, (gzip / 1000).toFixed(1)]),
)}

${table(
  ["installed", "MiB"],
  Object.entries(data.sizes.installed).map(([name, { MiB }]) => [name, String(MiB)]),
)}

## What runs here

Devices by asking each backend for each on this machine, in Node and in a page; precisions as a backend that started says them.

${table(
  ["backend", "where", "device", "", "precisions"],
  data.support.map((row) => [row.backend, row.host, row.device, row.state, row.dtypes.join(", ") || "–"]),
)}
`;
}
