/** The program that does what was clicked: in Node, in a page, on the command line. */
import { boxOf, isAmbiguous, type ShownObject, type Work } from "./work.ts";

export const hosts = ["node", "browser", "cli"] as const;
export type Host = (typeof hosts)[number];

export function programFor(host: Host, work: Work): string {
  if (work.count !== undefined) return host === "cli" ? trackCommand(work) : trackProgram(host, work);
  return host === "cli" ? commands(work) : program(host, work);
}

/** Without its ending, and safe to write files by. */
const stem = (file: string): string => file.replace(/\.[^.]*$/, "").replaceAll(/[/\\]/g, "-") || "picture";

const json = (value: unknown): string => JSON.stringify(value);

/** Coordinates to a hundredth of a pixel, so that the program can be read. */
const rounded = (value: number): number => Math.round(value * 100) / 100;
const numbers = (values: readonly number[]): string => `[${values.map(rounded).join(", ")}]`;

/** Said of what the program leaves out. */
function leftOut({ byHand }: Work): readonly string[] {
  if (byHand.length === 0) return [];
  const [objects, masks] = byHand.length === 1 ? ["object", "its mask is"] : ["objects", "their masks are"];
  return [`Not here: ${objects} ${byHand.join(", ")}, painted or edited by hand; ${masks} in the exports.`];
}

function program(host: "node" | "browser", work: Work): string {
  const { file, model, objects, everything } = work;
  const isNode = host === "node";
  const isNano = model === "nano";
  const hasLasso = objects.some(({ lasso }) => lasso !== null);
  const cleans = objects.some(({ decontaminate }) => decontaminate > 0);
  const names = [
    ...(everything === undefined ? [] : ["AutomaticMaskGenerator", "decodeRle"]),
    "cutout",
    ...(cleans ? ["decontaminate"] : []),
    isNode ? "encodePng" : "encodeBlob",
    ...(objects.length > 0 ? ["ImagePredictor"] : []),
    ...(isNode ? [] : ["imageFrom"]),
    "loadSam2",
    ...(hasLasso ? ["maskPrompt"] : []),
    ...(!isNode && isNano ? ["parseConfig"] : []),
    ...(hasLasso ? ["rasterise"] : []),
    ...(isNode ? ["readImage"] : []),
  ];
  const entry = isNode ? "node" : "web";
  const lines = [
    ...(isNode ? ['import { writeFile } from "node:fs/promises";'] : []),
    `import { createOrtBackend } from "@masklet/backend-ort/${entry}";`,
    `import { ${names.join(", ")} } from "@masklet/core/${entry}";`,
    ...(isNano ? ['import { nanoModel } from "@masklet/model-nano";'] : []),
    "",
    ...leftOut(work).map((line) => `// ${line}`),
    "const backend = await createOrtBackend();",
    ...loadLines(host, model),
    ...(isNode
      ? [`const image = await readImage(${json(file)});`]
      : [
          "/** The first picture of the page: or a file, an address, a canvas. */",
          'const image = await imageFrom(document.querySelector("img"));',
        ]),
    ...(objects.length > 0 ? ["const predictor = new ImagePredictor(model);", "await predictor.setImage(image);"] : []),
    "",
    ...objects.flatMap((object) => objectLines(object, work)),
    ...(everything === undefined ? [] : everythingLines(work)),
    ...(isNode
      ? [
          "async function save(name, picture) {",
          "  await writeFile(name, await encodePng(picture));",
          "  console.log(name);",
          "}",
        ]
      : [
          "async function save(name, picture) {",
          '  const link = document.body.appendChild(document.createElement("a"));',
          "  link.href = URL.createObjectURL(await encodeBlob(picture));",
          "  link.download = link.textContent = name;",
          "}",
        ]),
  ];
  return `${lines.join("\n")}\n`;
}

function loadLines(host: "node" | "browser", model: string): readonly string[] {
  if (model !== "nano") return [`const model = await loadSam2(${json(model)}, { backend }); // fetched once, and kept`];
  if (host === "node") return ["const model = await loadSam2(nanoModel.checkpoint, { backend });"];
  return [
    "const config = parseConfig(await (await fetch(nanoModel.config)).json());",
    "const checkpoint = await (await fetch(nanoModel.checkpoint)).blob();",
    "const model = await loadSam2(checkpoint, { backend, config });",
  ];
}

/** Folders of images have no ending. */
const isFolder = (file: string): boolean => !file.includes(".");

function trackProgram(host: "node" | "browser", work: Work): string {
  const { file, model, objects } = work;
  const isNode = host === "node";
  const opener = isFolder(file) ? (isNode ? "framesFromFolder" : "framesFromFiles") : "openVideo";
  const names = [
    "encodeLabelPng",
    opener,
    "labelMap",
    "loadSam2",
    ...(!isNode && model === "nano" ? ["parseConfig"] : []),
    ...(objects.some(({ lasso }) => lasso !== null) ? ["rasterise"] : []),
    "VideoPredictor",
  ];
  const entry = isNode ? "node" : "web";
  const lines = [
    ...(isNode ? ['import { writeFile } from "node:fs/promises";'] : []),
    `import { createOrtBackend } from "@masklet/backend-ort/${entry}";`,
    `import { ${names.join(", ")} } from "@masklet/core/${entry}";`,
    ...(model === "nano" ? ['import { nanoModel } from "@masklet/model-nano";'] : []),
    "",
    ...leftOut(work).map((line) => `// ${line}`),
    "const backend = await createOrtBackend();",
    ...loadLines(host, model),
    ...(isNode
      ? [`const video = await ${opener}(${json(file)});`]
      : [
          '// The files of the first <input type="file"> of the page.',
          `const video = await ${opener}(document.querySelector("input").files${isFolder(file) ? "" : "[0]"});`,
        ]),
    "const session = new VideoPredictor(model).start(video);",
    ...objects.flatMap((object) => promptLines(object, work)),
    "for await (const found of session.propagate()) {",
    `  await save(${json(`${stem(file)}.`)} + found.frame + ".png", await encodeLabelPng(labelMap(found, video.size)));`,
    "}",
    "",
    "/** A label map: each pixel is the number of its object, 0 is none. */",
    ...(isNode
      ? ["async function save(name, png) {", "  await writeFile(name, png);", "  console.log(name);", "}"]
      : [
          "async function save(name, png) {",
          '  const link = document.body.appendChild(document.createElement("a"));',
          '  link.href = URL.createObjectURL(new Blob([png], { type: "image/png" }));',
          "  link.download = link.textContent = name;",
          "}",
        ]),
  ];
  return `${lines.join("\n")}\n`;
}

function promptLines(object: ShownObject, { width, height }: Work): readonly string[] {
  const { id, frame, points, labels, box, lasso } = object;
  const where = `frame: ${frame}, object: ${id}`;
  const isMore = points.length > 0 || box !== null;
  return [
    ...(lasso === null
      ? []
      : [
          `await session.addMask({ ${where}, mask: rasterise([${numbers(lasso)}], { width: ${width}, height: ${height} }) });`,
        ]),
    ...(lasso === null || isMore
      ? [`await session.addPrompt({ ${[where, ...pointFields(points, labels), ...boxFields(box)].join(", ")} });`]
      : [`await session.addPrompt({ ${[where, ...boxFields(boxOf(object))].join(", ")} });`]),
  ];
}

const pointFields = (points: ShownObject["points"], labels: ShownObject["labels"]): readonly string[] => [
  ...(points.length > 0 ? [`points: [${points.map(numbers).join(", ")}]`] : []),
  ...(labels.includes(0) ? [`labels: ${json(labels).replaceAll(",", ", ")}`] : []),
];
const boxFields = (box: ShownObject["box"]): readonly string[] => (box === null ? [] : [`box: ${numbers(box)}`]);

function trackCommand(work: Work): string {
  const { file, model, objects } = work;
  const lassos = objects.filter(({ lasso }) => lasso !== null).map(({ id }) => id);
  const notes = [
    ...leftOut(work),
    ...(lassos.length > 0 ? [`A lasso is no option: see Node's program for ${lassos.join(", ")}.`] : []),
  ];
  const options = objects
    .filter(({ lasso }) => lasso === null)
    .flatMap(({ frame, ...object }) => promptOptions(object, frame === 0 ? "" : `@${frame}`));
  const command = ["masklet track", word(file), ...options, `--model ${word(model)} --format mask -o out`].join(" ");
  return `${[...notes.map((note) => `# ${note}`), command].join("\n")}\n`;
}

function objectLines(object: ShownObject, { file, width, height }: Work): readonly string[] {
  const { id, points, labels, lasso, candidate, feather, decontaminate } = object;
  const box = boxOf(object);
  const ring = `rasterise([${lasso === null ? "" : numbers(lasso)}], { width: ${width}, height: ${height} })`;
  const prompt = [
    ...pointFields(points, labels),
    ...boxFields(box),
    ...(lasso === null ? [] : [`maskInput: maskPrompt(${ring}, model.config.imageSize)`]),
  ].join(", ");
  const options = `{ multimaskOutput: ${isAmbiguous(object)} }`;
  const [chosen, value] =
    candidate === null ? [`best: mask${id}`, `mask${id}`] : [`masks: masks${id}`, `masks${id}[${candidate}]`];
  const edge = feather > 0 ? `, { feather: ${feather} }` : "";
  const pixels =
    decontaminate > 0 ? `decontaminate(image, ${value}, { inwards: ${decontaminate}, feather: ${feather} })` : "image";
  return [
    `const { ${chosen} } = await predictor.predict({ ${prompt} }, ${options});`,
    `await save(${json(`${stem(file)}.${id}.cutout.png`)}, cutout(${pixels}, ${value}${edge}));`,
    "",
  ];
}

function everythingLines({ file, everything }: Work): readonly string[] {
  const options = Object.entries(everything ?? {}).map(([name, value]) => `${name}: ${value}`);
  return [
    `const generator = new AutomaticMaskGenerator(model, { ${options.join(", ")} });`,
    "for (const [i, { rle }] of (await generator.generate(image)).entries()) {",
    `  await save(${json(`${stem(file)}.everything.`)} + (i + 1) + ".png", cutout(image, decodeRle(rle)));`,
    "}",
    "",
  ];
}

/** One word for a POSIX shell. */
const word = (text: string): string => (/^[\w./%+:=@,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

function commands(work: Work): string {
  const { file, model, objects, everything } = work;
  const notes = [...leftOut(work)];
  const lassos = objects.filter(({ lasso }) => lasso !== null).map(({ id }) => id);
  if (lassos.length > 0) notes.push(`A lasso is no option: see Node's program for ${lassos.join(", ")}.`);
  const cleaned = objects.filter(({ decontaminate }) => decontaminate > 0).map(({ id }) => id);
  if (cleaned.length > 0)
    notes.push(`Edges are as they come: see Node's program for the colours of ${cleaned.join(", ")}.`);
  const usable = objects.filter(({ lasso }) => lasso === null);
  const lines: string[] = [];
  // What a command has in common: whether three masks are asked for, and the edge.
  const groups = new Map<string, ShownObject[]>();
  for (const object of usable) {
    const key = `${isAmbiguous(object)} ${object.feather}`;
    groups.set(key, [...(groups.get(key) ?? []), object]);
  }
  for (const group of groups.values()) {
    const [{ feather } = { feather: 0 }] = group;
    const isMulti = group.some(isAmbiguous);
    if (isMulti) {
      const chosen = group.map(({ id, candidate }) => `${stem(file)}.${id}.${(candidate ?? 0) + 1}.cutout.png`);
      lines.push(`# Three masks of each click; chosen: ${chosen.join(", ")}`);
    }
    lines.push(
      [
        `masklet segment ${word(file)}`,
        ...group.flatMap((object) => promptOptions(object, "")),
        ...(isMulti ? ["--multimask"] : []),
        ...(feather > 0 ? [`--feather ${feather}`] : []),
        `--model ${word(model)} --format cutout -o out`,
      ].join(" "),
    );
  }
  if (everything !== undefined) {
    const { pointsPerSide, predIouThreshold, stabilityScoreThreshold } = everything;
    lines.push(
      [
        `masklet segment ${word(file)} --everything --points-per-side ${pointsPerSide}`,
        `--pred-iou-thresh ${predIouThreshold} --stability-score-thresh ${stabilityScoreThreshold}`,
        `--model ${word(model)} --format cutout,overlay,json -o out`,
      ].join(" "),
    );
  }
  return `${[...notes.map((note) => `# ${note}`), ...lines].join("\n")}\n`;
}

type Shown = Pick<ShownObject, "id" | "points" | "labels" | "box">;

function promptOptions({ id, points, labels, box }: Shown, at: string): readonly string[] {
  return [
    ...(box === null ? [] : [`--box ${box.map(rounded).join(",")}${at}#${id}`]),
    ...points.map((point, i) => `--point ${point.map(rounded).join(",")}${labels[i] === 0 ? ",-" : ""}${at}#${id}`),
  ];
}
