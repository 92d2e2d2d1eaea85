/** Which images a selection holds, and what may become of each. */
import type { ImageGeometry } from "./geometry.ts";
import type { Caution, OutputKind, Refusal, Refused, Selection, Target } from "./protocol.ts";
import { type MadeRecord, readRecord, readRole } from "./record.ts";
import type { BaseNode, ImagePaint, Paint, PaintedNode, ParentNode, SceneNode } from "./sandbox.ts";

/** An image paint whose image there is. */
export type Picture = ImagePaint & { readonly imageHash: string };

export function isPicture(paint: Paint): paint is Picture {
  return paint.type === "IMAGE" && paint.imageHash !== null;
}

export function isPainted(node: BaseNode): node is PaintedNode {
  return "fills" in node && "fillStyleId" in node;
}

export function isParent(node: BaseNode): node is ParentNode {
  return "insertChild" in node;
}

/** What of the paint says where its pixels lie, and nothing else: no filters, opacity or blending. */
export function geometryOf(paint: ImagePaint): ImageGeometry {
  const { scaleMode, imageTransform, rotation, scalingFactor } = paint;
  return {
    scaleMode,
    ...(scaleMode === "CROP" && imageTransform !== undefined && { imageTransform }),
    ...(scaleMode !== "CROP" && rotation !== undefined && { rotation }),
    ...(scaleMode === "TILE" && scalingFactor !== undefined && { scalingFactor }),
  };
}

export function stampOf(node: PaintedNode, field: "fills" | "strokes", paint: Picture): string {
  return JSON.stringify([field, paint.imageHash, node.width, node.height, geometryOf(paint)]);
}

/** The paints of a field, or undefined for text in several colours and for what has none. */
export function paintsOf(node: PaintedNode, field: "fills" | "strokes"): readonly Paint[] | undefined {
  const paints: unknown = field in node ? (node as { fills: unknown; strokes: unknown })[field] : [];
  return Array.isArray(paints) ? paints : undefined;
}

/** The result that a layer belongs to: the group around it where there is one, else the layer itself. */
export interface Made {
  readonly home: SceneNode;
  readonly content: PaintedNode;
  readonly record: MadeRecord;
}

export function madeOf(node: SceneNode): Made | undefined {
  const { parent } = node;
  const home = readRole(node) !== undefined && parent !== null && parent.type === "GROUP" ? parent : node;
  const record = readRecord(home);
  if (record === undefined) return undefined;
  if (home.type !== "GROUP") return isPainted(home) ? { home, content: home, record } : undefined;
  const content = home.children.filter((child) => readRole(child) === "content")[0];
  return content !== undefined && isPainted(content) ? { home, content, record } : undefined;
}

/** The outermost instance around a layer, itself not counted. */
export function instanceAround(node: BaseNode): SceneNode | undefined {
  let found: SceneNode | undefined;
  for (let at: BaseNode | null = node.parent; at !== null; at = at.parent) if (at.type === "INSTANCE") found = at;
  return found;
}

/** Shapes that a group may hold beside a mask without changing more than the image. */
const groupable = ["RECTANGLE", "ELLIPSE", "POLYGON", "STAR", "VECTOR", "BOOLEAN_OPERATION", "FRAME", "INSTANCE"];

function outputsOf(node: PaintedNode, field: "fills" | "strokes"): readonly OutputKind[] {
  const { parent } = node;
  const noCopy = ["SECTION", "SLIDE", "COMPONENT", "COMPONENT_SET"].indexOf(node.type) >= 0;
  const inPlace: readonly OutputKind[] = noCopy ? ["fill"] : ["fill", "copy"];
  if (field === "strokes" || noCopy || node.type === "TEXT") return inPlace;
  const copies: readonly OutputKind[] = ["fill", "copy", "trimmed"];
  const grouped =
    groupable.indexOf(node.type) >= 0 &&
    (node.type === "BOOLEAN_OPERATION" || !isParent(node) || node.children.length === 0) &&
    !("isMask" in node && node.isMask) &&
    parent !== null &&
    ["BOOLEAN_OPERATION", "COMPONENT_SET"].indexOf(parent.type) < 0 &&
    instanceAround(node) === undefined;
  if (!grouped) return copies;
  return ["mask-group", ...copies, "objects", "shape"];
}

function cautionsOf(node: PaintedNode, field: "fills" | "strokes", paint: Picture): readonly Caution[] {
  const style = field === "fills" ? node.fillStyleId : "strokeStyleId" in node ? node.strokeStyleId : "";
  let component = false;
  for (let at: BaseNode | null = node; at !== null; at = at.parent) component = component || at.type === "COMPONENT";
  const stroked = field === "fills" && "strokes" in node && node.strokes.length > 0;
  const all: readonly (readonly [Caution, boolean])[] = [
    ["style", typeof style === "string" && style !== ""],
    ["stroke", stroked],
    ["tile", paint.scaleMode === "TILE"],
    ["component", component],
    ["text", node.type === "TEXT"],
  ];
  return all.filter(([, holds]) => holds).map(([caution]) => caution);
}

/** The images of one layer, the topmost first. */
function targetsOf(node: PaintedNode, made: Made | undefined): readonly Target[] {
  const fields = ["fills", "strokes"] as const;
  return fields.flatMap((field) => {
    const paints = paintsOf(node, field) ?? [];
    const before = made !== undefined && made.record.field === field ? made.record : undefined;
    // A picture of ours stands for the one it was made of.
    const pictures = paints
      .filter(isPicture)
      .filter((paint) => before === undefined || before.results.indexOf(paint.imageHash) < 0)
      .filter((paint) => paint.visible !== false || paint.imageHash === before?.original);
    return pictures.reverse().map((paint) => ({
      node: node.id,
      name: made === undefined ? node.name : made.home.name,
      field,
      hash: paint.imageHash,
      geometry: geometryOf(paint),
      width: node.width,
      height: node.height,
      outputs: outputsOf(node, field),
      cautions: cautionsOf(node, field, paint),
      stamp: stampOf(node, field, paint),
      made:
        before !== undefined && paint.imageHash === before.original
          ? { kind: before.kind, edit: before.edit, results: before.results }
          : null,
    }));
  });
}

const refusals: readonly (readonly [Paint["type"], Refusal])[] = [
  ["VIDEO", "video"],
  ["PATTERN", "pattern"],
  ["SHADER", "shader"],
  ["GRADIENT_LINEAR", "gradient"],
  ["GRADIENT_RADIAL", "gradient"],
  ["GRADIENT_ANGULAR", "gradient"],
  ["GRADIENT_DIAMOND", "gradient"],
];

/** Why nothing of a layer can be cut out; `asked`: whether somebody waits for a reason that it has no image. */
function refusalOf(node: SceneNode, layer: SceneNode, made: Made | undefined, asked: boolean): Refusal | undefined {
  if (node.locked) return "locked";
  if (!node.visible && made === undefined) return "hidden";
  const holds = isParent(layer) && layer.children.length > 0;
  if (!isPainted(layer)) return asked && !holds ? "unsupported" : undefined;
  if (layer.width === 0 || layer.height === 0) return "empty";
  const paints = paintsOf(layer, "fills");
  if (paints === undefined) return "mixed-fills";
  if (!asked || holds) return undefined;
  const types = paints.filter(({ visible }) => visible !== false).map(({ type }) => type);
  return refusals.filter(([type]) => types.indexOf(type) >= 0)[0]?.[1] ?? "no-image";
}

function lockedAbove(node: BaseNode): boolean {
  for (let at: BaseNode | null = node; at !== null; at = at.parent) if ("locked" in at && at.locked) return true;
  return false;
}

/**
 * The images in layers and in what they hold, in the order of the layers list's roots; of a layer with several the
 * topmost comes first. A layer that was asked for itself and has no image is among the refused with its reason; of what
 * lies deeper only locked, hidden and unreadable layers are.
 */
export function resolve(nodes: readonly SceneNode[]): Selection {
  const targets: Target[] = [];
  const refused: Refused[] = [];
  const seen = new Set<string>();

  const visit = (node: SceneNode, asked: boolean): void => {
    const made = madeOf(node);
    const id = made === undefined ? node.id : made.content.id;
    if (seen.has(id)) return;
    seen.add(id);
    const layer = made === undefined ? node : made.content;
    const found = isPainted(layer) ? targetsOf(layer, made) : [];
    const refusal = refusalOf(node, layer, made, asked && found.length === 0);
    if (refusal !== undefined) refused.push({ node: node.id, name: node.name, refusal });
    if (refusal !== undefined && refusal !== "mixed-fills") return;
    targets.push(...found);
    if (isParent(layer)) for (const child of layer.children) visit(child as SceneNode, false);
  };

  for (const node of nodes) {
    if (node.parent !== null && lockedAbove(node.parent)) {
      refused.push({ node: node.id, name: node.name, refusal: "locked" });
    } else visit(node, true);
  }
  return { targets, refused };
}

/** Everything of ours in layers and in what they hold. */
export function resolveMade(nodes: readonly SceneNode[]): readonly Made[] {
  const found = new Map<string, Made>();
  const visit = (node: SceneNode): void => {
    const made = madeOf(node);
    if (made !== undefined) found.set(made.home.id, made);
    else if (isParent(node)) for (const child of node.children) visit(child as SceneNode);
  };
  for (const node of nodes) visit(node);
  return Array.from(found.values());
}
