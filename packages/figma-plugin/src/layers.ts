/** Layers among others: where they lie in the tree, in space and in auto layout. */
import { type Affine, identity, type Size } from "./geometry.ts";
import type { BaseNode, ParentNode, SceneNode } from "./sandbox.ts";

/** The id of the page that a layer is on. */
export function pageOf(node: BaseNode): string | undefined {
  for (let at: BaseNode | null = node; at !== null; at = at.parent) if (at.type === "PAGE") return at.id;
  return undefined;
}

/** The space that `relativeTransform` of a parent's children is in: groups and boolean operations have none of their own. */
export function frameOf(parent: BaseNode): Affine {
  let at: BaseNode | null = parent;
  while (at !== null && (at.type === "GROUP" || at.type === "BOOLEAN_OPERATION")) at = at.parent;
  return at !== null && "absoluteTransform" in at ? at.absoluteTransform : identity;
}

/** Where `insertChild` is of several types, TypeScript can call none of them. */
export function insert(parent: ParentNode, index: number, node: SceneNode): void {
  (parent as { insertChild(index: number, child: SceneNode): void }).insertChild(index, node);
}

export function indexOf(node: SceneNode): number {
  return (node.parent as ParentNode).children.findIndex((child) => child.id === node.id);
}

export function isAutoLayout(parent: BaseNode): boolean {
  return "layoutMode" in parent && parent.layoutMode !== "NONE";
}

/** How a layer lies in auto layout. */
export interface Layout {
  readonly layoutPositioning: "AUTO" | "ABSOLUTE";
  readonly layoutAlign: "MIN" | "CENTER" | "MAX" | "STRETCH" | "INHERIT";
  readonly layoutGrow: number;
}

export const layoutKeys = ["layoutPositioning", "layoutAlign", "layoutGrow"] as const;

export function layoutOf(node: SceneNode): Layout | undefined {
  if (!("layoutPositioning" in node)) return undefined;
  const { layoutPositioning, layoutAlign, layoutGrow } = node;
  return { layoutPositioning, layoutAlign, layoutGrow };
}

export function setLayout(node: SceneNode, layout: Partial<Layout>): void {
  if (!("layoutPositioning" in node)) return;
  for (const key of layoutKeys) {
    if (layout[key] !== undefined && node[key] !== layout[key]) Object.assign(node, { [key]: layout[key] });
  }
}

export function sizeOf(node: BaseNode): Size | undefined {
  return "width" in node ? { width: node.width, height: node.height } : undefined;
}

export function sameSize(a: Size | undefined, b: Size | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return Math.abs(a.width - b.width) < 0.01 && Math.abs(a.height - b.height) < 0.01;
}

export function same(a: Affine, b: Affine): boolean {
  return a.every((row, i) => row.every((value, j) => Math.abs(value - (b[i]?.[j] ?? Number.NaN)) < 0.01));
}

export function lastIndexOf<T>(list: readonly T[], holds: (item: T) => boolean): number {
  for (let i = list.length - 1; i >= 0; i--) if (holds(list[i] as T)) return i;
  return -1;
}
