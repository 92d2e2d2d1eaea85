/** Changes the document: results are made, made again and taken back. Nothing here awaits. */
import { pathBox, pathData } from "./curves.ts";
import {
  type Affine,
  type Box,
  boxUnder,
  cropOf,
  identity,
  imageToLayer,
  intersect,
  invert,
  multiply,
  type Size,
  translation,
} from "./geometry.ts";
import {
  frameOf,
  indexOf,
  insert,
  isAutoLayout,
  type Layout,
  lastIndexOf,
  layoutKeys,
  layoutOf,
  pageOf,
  same,
  sameSize,
  setLayout,
  sizeOf,
} from "./layers.ts";
import {
  type Curves,
  type Failure,
  type Job,
  type Output,
  PluginError,
  type ResultObject,
  type StoredImage,
} from "./protocol.ts";
import { type MadeRecord, type Role, readRecord, readRole, writeRecord, writeRole } from "./record.ts";
import type { BaseNode, Figma, ImagePaint, Paint, PaintedNode, ParentNode, SceneNode } from "./sandbox.ts";
import {
  geometryOf,
  instanceAround,
  isPainted,
  isPicture,
  type Made,
  madeOf,
  type Picture,
  paintsOf,
  resolve,
  stampOf,
} from "./selection.ts";
import { Steps } from "./steps.ts";

type Field = "fills" | "strokes";
type Shape = ReturnType<Figma["createRectangle"]> | ReturnType<Figma["createVector"]>;

/** A job with its layer and the size of the image before. */
export interface ReadyJob extends Job {
  readonly layer: BaseNode | null;
  readonly image: Size;
}

/** Space between a layer and a copy beside it. */
const gap = 24;

/** Everything in one step of undo; a job that fails leaves no trace and does not hinder the others. */
export function applyJobs(
  figma: Figma,
  jobs: readonly ReadyJob[],
): { made: readonly string[]; failed: readonly Failure[] } {
  const made: SceneNode[] = [];
  const failed: Failure[] = [];
  figma.commitUndo();
  for (const job of jobs) {
    const steps = new Steps(figma);
    try {
      const node = apply(figma, steps, job);
      steps.commit();
      made.push(node);
    } catch (error) {
      steps.rollBack();
      failed.push({ node: job.node, ...asFailure(error) });
    }
  }
  select(figma, made);
  figma.commitUndo();
  return { made: made.map(({ id }) => id), failed };
}

/** Takes results back in one step of undo; what fails stays as it is. */
export function restoreAll(figma: Figma, all: readonly Made[]): { restored: number; failed: readonly Failure[] } {
  const restored: SceneNode[] = [];
  const failed: Failure[] = [];
  figma.commitUndo();
  for (const made of all) {
    const steps = new Steps(figma);
    try {
      restore(steps, made);
      steps.commit();
      restored.push(made.content);
    } catch (error) {
      steps.rollBack();
      failed.push({ node: made.home.id, ...asFailure(error) });
    }
  }
  select(figma, restored);
  figma.commitUndo();
  return { restored: restored.length, failed };
}

/** Selects layers of the page that is open. */
export function select(figma: Figma, nodes: readonly SceneNode[]): void {
  const here = nodes.filter((node) => !node.removed && pageOf(node) === figma.currentPage.id);
  if (here.length > 0) figma.currentPage.selection = here;
}

export function asFailure(error: unknown): { code: Failure["code"]; message: string } {
  if (error instanceof PluginError) return { code: error.code, message: error.message };
  return {
    code: "write-refused",
    message: `Figma refused the change: ${error instanceof Error ? error.message : error}`,
  };
}

function apply(figma: Figma, steps: Steps, { layer, field, hash, stamp, image, output }: ReadyJob): SceneNode {
  const gone = (what: string): PluginError =>
    new PluginError("layer-changed", `${what}, so nothing was changed. Try again.`);
  if (layer === null || layer.removed || !isPainted(layer)) throw gone("The layer was deleted meanwhile");
  const paint = (paintsOf(layer, field) ?? [])
    .filter(isPicture)
    .filter((one) => stampOf(layer, field, one) === stamp)[0];
  if (paint === undefined || paint.imageHash !== hash) throw gone("The layer or its image was changed meanwhile");
  // Locked or hidden meanwhile, or moved to where less is allowed.
  const target = resolve([layer]).targets.filter((one) => one.field === field && one.hash === hash)[0];
  if (target === undefined) throw gone("The layer was locked or hidden meanwhile");
  if (target.outputs.indexOf(output.kind) < 0) {
    throw new PluginError("not-allowed", `This layer allows ${target.outputs.join(", ")}; asked was ${output.kind}.`);
  }
  const made = madeOf(layer);
  const task: Task = { figma, steps, layer, field, paint, image, output, made };
  switch (output.kind) {
    case "mask-group":
      return unmoved(task, makeMaskGroup);
    case "objects":
    case "shape":
      return unmoved(task, makeLayers);
    case "fill":
      takeBack(task);
      return makeFill(task, layer);
    case "copy":
      return makeCopy(task);
    case "trimmed":
      return makeTrimmed(task);
  }
}

interface Task {
  readonly figma: Figma;
  readonly steps: Steps;
  readonly layer: PaintedNode;
  readonly field: Field;
  readonly paint: Picture;
  /** The size of the image before. */
  readonly image: Size;
  readonly output: Output;
  readonly made: Made | undefined;
}

function takeBack({ steps, made }: Task): void {
  if (made !== undefined) restore(steps, made);
}

function firstObject({ objects }: Output): ResultObject {
  return objects[0] as ResultObject;
}

function storedImage({ image, name }: ResultObject): StoredImage {
  if (image === null) throw new PluginError("bad-message", `apply: ${name} has no image`);
  return image;
}

function curvesOf({ curves, name }: ResultObject): Curves {
  if (curves === null || curves.length === 0) throw new PluginError("bad-message", `apply: ${name} has no curves`);
  return curves;
}

/** The paint with another image in its place; tiles keep their size where the new image is smaller. */
function repainted(paint: ImagePaint, stored: StoredImage, image: Size): ImagePaint {
  const { scalingFactor = 1 } = paint;
  return {
    ...paint,
    imageHash: stored.hash,
    ...(paint.scaleMode === "TILE" && { scalingFactor: (scalingFactor * image.width) / stored.width }),
  };
}

function setPaints(steps: Steps, node: PaintedNode, field: Field, paints: readonly Paint[]): void {
  if (paints.some(({ type }) => type === "PATTERN")) {
    throw new PluginError("not-allowed", "A layer with a pattern fill can have a mask group only.");
  }
  const target = node as unknown as Record<Field, readonly Paint[]>;
  const before = target[field];
  steps.run(
    () => {
      target[field] = paints;
    },
    () => {
      target[field] = before;
    },
  );
}

function keep(steps: Steps, node: SceneNode, record: MadeRecord | undefined): void {
  const before = readRecord(node);
  const buttons = node.getRelaunchData();
  steps.run(
    () => writeRecord(node, record),
    () => writeRecord(node, before),
  );
  steps.run(
    () => node.setRelaunchData(record === undefined ? {} : { refine: "", restore: "" }),
    () => node.setRelaunchData(buttons),
  );
}

function setRole(steps: Steps, node: SceneNode, role: Role | undefined): void {
  const before = readRole(node);
  steps.run(
    () => writeRole(node, role),
    () => writeRole(node, before),
  );
}

function setVisible(steps: Steps, node: SceneNode, visible: boolean): void {
  const before = node.visible;
  steps.run(
    () => {
      node.visible = visible;
    },
    () => {
      node.visible = before;
    },
  );
}

function changeLayout(steps: Steps, node: SceneNode, layout: Layout): void {
  const before = layoutOf(node);
  if (before === undefined) return;
  for (const key of layoutKeys) {
    if (before[key] === layout[key]) continue;
    steps.run(
      () => setLayout(node, { [key]: layout[key] }),
      () => setLayout(node, { [key]: before[key] }),
    );
  }
}

function recordOf(
  { field, paint, output }: Task,
  { effects = false, background = false }: Partial<Pick<MadeRecord, "effects" | "background">> = {},
): MadeRecord {
  const results = output.objects.flatMap(({ image }) => (image === null ? [] : [image.hash]));
  const { kind, edit } = output;
  return { version: 1, kind, field, original: paint.imageHash, results, effects, background, edit };
}

// Groups: the layer stays as it is, with ours beside it.

/** Makes a group that moves nothing in auto layout: one that holds more than the layer's own box takes more room. */
function unmoved(task: Task, makeGroup: (task: Task) => SceneNode): SceneNode {
  const { layer, made } = task;
  const { parent } = made?.home.type === "GROUP" ? made.home : layer;
  if (parent === null || !isAutoLayout(parent)) return makeGroup(task);
  const place = layer.absoluteTransform;
  const [own, around] = [sizeOf(layer), sizeOf(parent)];
  const group = makeGroup(task);
  const isSame =
    same(place, layer.absoluteTransform) && sameSize(own, sizeOf(layer)) && sameSize(around, sizeOf(parent));
  if (!isSame)
    throw new PluginError("layout", "A group would move what is around in this auto layout. Use a new fill.");
  return group;
}

/** A group around the layer in its place, or the one that is there already. */
function groupAround(task: Task): { group: SceneNode & ParentNode; isNew: boolean } {
  const { figma, steps, layer, made } = task;
  if (made !== undefined && made.home.type === "GROUP") {
    const group = made.home;
    steps.removeAtLast(group.children.filter((child) => ["content", undefined].indexOf(readRole(child)) < 0));
    return { group, isNew: false };
  }
  takeBack(task);
  const parent = layer.parent as ParentNode;
  const index = indexOf(layer);
  const own = layoutOf(layer);
  const group = steps.run(
    () => figma.group([layer], parent, index),
    () => {
      insert(parent, index, layer);
      if (own !== undefined) setLayout(layer, own);
    },
  );
  group.name = layer.name;
  if (isAutoLayout(parent) && own !== undefined) setLayout(group, own);
  setRole(steps, layer, "content");
  return { group, isNew: true };
}

function makeMaskGroup(task: Task): SceneNode {
  const { steps, layer, paint, image, output, made } = task;
  const object = firstObject(output);
  const map = imageToLayer(geometryOf(paint), layer, image);
  const { group, isNew } = groupAround(task);
  if (!layer.visible) setVisible(steps, layer, true);
  let at = 0;
  const add = (node: Shape, role: Role, name: string): void => {
    node.name = name;
    writeRole(node, role);
    group.insertChild(at++, node);
  };
  if (output.outline !== null) {
    const { colour, weight } = output.outline;
    const line = newVector(task);
    add(line, "outline", "Outline");
    setPaths(line, pathData(curvesOf(object), map), layer.relativeTransform);
    line.fills = [{ type: "SOLID", color: colour }];
    line.strokes = [{ type: "SOLID", color: colour }];
    // Half of a centred line lies under the object.
    line.strokeWeight = 2 * weight;
    line.strokeJoin = "ROUND";
  }
  if (output.background !== null) {
    const rectangle = newRectangle(task, layer);
    add(rectangle, "background", "Background");
    rectangle.relativeTransform = layer.relativeTransform;
    rectangle.fills = [{ type: "SOLID", color: output.background }];
  }
  let mask: Shape;
  if (object.image === null) {
    mask = newVector(task);
    add(mask, "mask", "Mask");
    setPaths(mask, pathData(curvesOf(object), map), layer.relativeTransform);
    mask.fills = [{ type: "SOLID", color: { r: 0, g: 0, b: 0 } }];
    mask.strokes = [];
  } else {
    mask = newRectangle(task, layer);
    add(mask, "mask", "Mask");
    mask.relativeTransform = layer.relativeTransform;
    mask.fills = [repainted({ type: "IMAGE", imageHash: null, ...geometryOf(paint) }, object.image, image)];
  }
  mask.isMask = true;
  mask.maskType = "ALPHA";
  const effects = isNew ? moveEffects(steps, layer, group) : (made?.record.effects ?? false);
  keep(steps, group, recordOf(task, { effects, background: output.background !== null }));
  return group;
}

/** Layers of their own in the place of the hidden one. */
function makeLayers(task: Task): SceneNode {
  const { steps, layer, paint, image, output, made } = task;
  const map = imageToLayer(geometryOf(paint), layer, image);
  const objects = output.objects.map((object) => ({ object, stored: storedImage(object) }));
  const { group, isNew } = groupAround(task);
  const above = (node: SceneNode, name: string): void => {
    node.name = name;
    writeRole(node, "object");
    group.insertChild(indexOf(layer) + 1, node);
  };
  for (const { object, stored } of objects.reverse()) {
    if (output.kind === "objects") {
      const copy = steps.run(
        () => layer.clone() as PaintedNode,
        (node) => node.remove(),
      );
      writeRecord(copy, undefined);
      above(copy, object.name);
      copy.visible = true;
      (copy as { relativeTransform: Affine }).relativeTransform = layer.relativeTransform;
      (copy as { fills: readonly Paint[] }).fills = replaced(copy, task, stored);
      continue;
    }
    const vector = newVector(task);
    above(vector, object.name);
    const box = setPaths(vector, pathData(curvesOf(object), map), layer.relativeTransform);
    const whole = { x: 0, y: 0, ...image };
    const imageTransform = cropOf(map, whole, box);
    const { imageTransform: _, rotation: __, scalingFactor: ___, ...look } = paint;
    vector.fills = [{ ...look, visible: true, scaleMode: "CROP", imageHash: stored.hash, imageTransform }];
    vector.strokes = [];
  }
  setVisible(steps, layer, false);
  const effects = isNew ? moveEffects(steps, layer, group) : (made?.record.effects ?? false);
  keep(steps, group, recordOf(task, { effects }));
  return group;
}

/** Shadows and blurs of a layer go to its group: they shall follow the cutout, not be cut by it. */
function moveEffects(steps: Steps, layer: PaintedNode, group: SceneNode): boolean {
  if (!("effects" in layer) || !("effects" in group) || layer.effects.length === 0 || layer.effectStyleId !== "")
    return false;
  const { effects } = layer;
  group.effects = effects;
  steps.run(
    () => {
      layer.effects = [];
    },
    () => {
      layer.effects = effects;
    },
  );
  return true;
}

// Paints.

/** The layer's paints with the result in the image's place. */
function replaced(node: PaintedNode, { field, paint, image }: Task, stored: StoredImage): readonly Paint[] {
  return (paintsOf(node, field) ?? []).map((one) =>
    isPicture(one) && one.imageHash === paint.imageHash ? repainted(one, stored, image) : one,
  );
}

function makeFill(task: Task, node: PaintedNode): SceneNode {
  const { steps, field, image, output } = task;
  const stored = storedImage(firstObject(output));
  const paints = paintsOf(node, field) ?? [];
  const at = lastIndexOf(paints, (one) => isPicture(one) && one.imageHash === task.paint.imageHash);
  const old = paints[at] as Picture;
  const background: readonly Paint[] = output.background === null ? [] : [{ type: "SOLID", color: output.background }];
  setPaints(steps, node, field, [
    ...paints.slice(0, at),
    { ...old, visible: false },
    ...background,
    repainted({ ...old, visible: true }, stored, image),
    ...paints.slice(at + 1),
  ]);
  keep(steps, node, recordOf(task, { background: output.background !== null }));
  return node;
}

/** The paints as they were before ours. */
function originalPaints(paints: readonly Paint[], record: MadeRecord): readonly Paint[] {
  const at = lastIndexOf(paints, (one) => isPicture(one) && record.results.indexOf(one.imageHash) >= 0);
  const added = record.background && at > 0 && paints[at - 1]?.type === "SOLID" ? 2 : 1;
  const below = at < 0 ? paints : paints.slice(0, at + 1 - added);
  const hidden = lastIndexOf(below, (one) => isPicture(one) && one.imageHash === record.original);
  const shown = below.map((one, i) => (i === hidden ? { ...one, visible: true } : one));
  return at < 0 ? shown : [...shown, ...paints.slice(at + 1)];
}

// Copies.

function makeCopy(task: Task): SceneNode {
  const { steps, layer } = task;
  const copy = steps.run(
    () => layer.clone() as PaintedNode,
    (node) => node.remove(),
  );
  if (task.made?.home.id === layer.id) {
    const { record } = task.made;
    (copy as unknown as Record<Field, readonly Paint[]>)[record.field] = originalPaints(
      paintsOf(copy, record.field) ?? [],
      record,
    );
  }
  writeRole(copy, undefined);
  copy.visible = true;
  putBeside(task, copy, layer.relativeTransform, layer);
  return makeFill({ ...task, made: undefined }, copy);
}

function makeTrimmed(task: Task): SceneNode {
  const { layer, paint, image, output } = task;
  const object = firstObject(output);
  const stored = storedImage(object);
  const region = object.region ?? { x: 0, y: 0, ...image };
  const map = imageToLayer(geometryOf(paint), layer, image);
  const box = intersect(boxUnder(map, region), { x: 0, y: 0, width: layer.width, height: layer.height });
  if (box.width === 0 || box.height === 0) {
    throw new PluginError("not-allowed", "The object lies outside of the part of the image that the layer shows.");
  }
  const rectangle = newRectangle(task, box);
  rectangle.name = object.name;
  const { imageTransform: _, rotation: __, scalingFactor: ___, ...look } = paint;
  rectangle.fills = [
    { ...look, visible: true, scaleMode: "CROP", imageHash: stored.hash, imageTransform: cropOf(map, region, box) },
  ];
  putBeside(task, rectangle, multiply(layer.relativeTransform, translation(box.x, box.y)), layer);
  return rectangle;
}

/** Puts a new layer where `transform` says, moved past the old one's right edge; out of instances, which take no layers. */
function putBeside({ made }: Task, node: SceneNode, transform: Affine, layer: PaintedNode): void {
  const group = made?.home.type === "GROUP" ? made.home : undefined;
  const anchor = group ?? instanceAround(layer) ?? layer;
  const parent = anchor.parent as ParentNode;
  const toParent = multiply(invert(frameOf(parent)), frameOf(layer.parent as ParentNode));
  const { width } = boxUnder(multiply(toParent, layer.relativeTransform), { x: 0, y: 0, ...(sizeOf(layer) as Size) });
  insert(parent, indexOf(anchor) + 1, node);
  const shift = isAutoLayout(parent) ? identity : translation(width + gap, 0);
  (node as { relativeTransform: Affine }).relativeTransform = multiply(shift, toParent, transform);
}

// Taking back.

function restore(steps: Steps, { home, content, record }: Made): void {
  if (home.type !== "GROUP") {
    setPaints(steps, content, record.field, originalPaints(paintsOf(content, record.field) ?? [], record));
    keep(steps, home, undefined);
    return;
  }
  const parent = home.parent as ParentNode;
  const index = indexOf(home);
  if (home.children.length === 1) {
    // Somebody has removed the rest. The group would vanish with its last layer, and could not be made again.
    const copy = steps.run(
      () => content.clone(),
      (node) => node.remove(),
    );
    insert(home, 0, copy);
  }
  const inGroup = indexOf(content);
  const layout = isAutoLayout(parent) ? layoutOf(home) : undefined;
  // Auto layout would move the rest of the group away from the layer beside it.
  if (layout !== undefined) changeLayout(steps, home, { ...layout, layoutPositioning: "ABSOLUTE" });
  steps.run(
    () => insert(parent, index, content),
    () => insert(home, inGroup, content),
  );
  if (layout !== undefined) changeLayout(steps, content, layout);
  if (!content.visible) setVisible(steps, content, true);
  if (record.effects && "effects" in home && "effects" in content) {
    const before = content.effects;
    steps.run(
      () => {
        content.effects = home.effects;
      },
      () => {
        content.effects = before;
      },
    );
  }
  setRole(steps, content, undefined);
  const ours = home.children.filter((child) => readRole(child) !== undefined);
  const isAll = ours.length === home.children.length;
  // What somebody else put into the group stays in it.
  if (!isAll) {
    keep(steps, home, undefined);
    if (layout !== undefined) changeLayout(steps, home, layout);
  }
  steps.removeAtLast(isAll ? [home] : ours);
}

// Layers.

function newRectangle({ figma, steps }: Task, { width, height }: Size): ReturnType<Figma["createRectangle"]> {
  const node = steps.run(
    () => figma.createRectangle(),
    (made) => made.remove(),
  );
  node.resize(width, height);
  return node;
}

function newVector({ figma, steps }: Task): ReturnType<Figma["createVector"]> {
  return steps.run(
    () => figma.createVector(),
    (made) => made.remove(),
  );
}

/**
 * Gives a vector its paths, meant in the space that `transform` brings to its parent's, and says which box of that space
 * it covers. Figma may move the origin of the paths to their corner: what it made of them is read back.
 */
function setPaths(vector: ReturnType<Figma["createVector"]>, data: string, transform: Affine): Box {
  vector.vectorPaths = [{ windingRule: "EVENODD", data }];
  const meant = pathBox(data);
  const got = pathBox(vector.vectorPaths.map((path) => path.data).join(" "));
  const x = meant.x - got.x;
  const y = meant.y - got.y;
  vector.relativeTransform = multiply(transform, translation(x, y));
  return { x, y, width: vector.width, height: vector.height };
}
