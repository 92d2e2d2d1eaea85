/** A Figma document as plain data: its tree, its rules of place, and its history. */
import type { Effect, Paint, Transform, VectorPath } from "@figma/plugin-typings/plugin-api-standalone";

export type FakeType =
  | "PAGE"
  | "FRAME"
  | "GROUP"
  | "SECTION"
  | "SLIDE"
  | "COMPONENT"
  | "INSTANCE"
  | "RECTANGLE"
  | "ELLIPSE"
  | "VECTOR"
  | "TEXT"
  | "BOOLEAN_OPERATION";

export interface FakeState {
  readonly id: string;
  readonly type: FakeType;
  parent: string | null;
  children: string[];
  name: string;
  visible: boolean;
  locked: boolean;
  relativeTransform: Transform;
  width: number;
  height: number;
  /** "mixed" for text in several colours. */
  fills: Paint[] | "mixed";
  strokes: Paint[];
  strokeWeight: number;
  strokeJoin: string;
  fillStyleId: string;
  strokeStyleId: string;
  effects: Effect[];
  effectStyleId: string;
  isMask: boolean;
  maskType: string;
  vectorPaths: VectorPath[];
  layoutMode: "NONE" | "HORIZONTAL" | "VERTICAL";
  itemSpacing: number;
  layoutPositioning: "AUTO" | "ABSOLUTE";
  layoutAlign: "MIN" | "CENTER" | "MAX" | "STRETCH" | "INHERIT";
  layoutGrow: number;
  pluginData: Record<string, string>;
  relaunchData: Record<string, string>;
}

const withoutSpace: readonly FakeType[] = ["GROUP", "BOOLEAN_OPERATION"];
const parents: readonly FakeType[] = [
  ...withoutSpace,
  ...(["PAGE", "FRAME", "SECTION", "SLIDE", "COMPONENT", "INSTANCE"] as const),
];

export const isParentType = (type: FakeType): boolean => parents.includes(type);

export class FakeDocument {
  private states = new Map<string, FakeState>();
  private ids = 0;
  private history: string[] = [];

  constructor() {
    this.add("PAGE", null);
  }

  add(type: FakeType, parent: string | null, id = `1:${++this.ids}`): FakeState {
    const state: FakeState = {
      id,
      type,
      parent,
      children: [],
      name: type,
      visible: true,
      locked: false,
      relativeTransform: [
        [1, 0, 0],
        [0, 1, 0],
      ],
      width: 100,
      height: 100,
      fills: [],
      strokes: [],
      strokeWeight: 1,
      strokeJoin: "MITER",
      fillStyleId: "",
      strokeStyleId: "",
      effects: [],
      effectStyleId: "",
      isMask: false,
      maskType: "ALPHA",
      vectorPaths: [],
      layoutMode: "NONE",
      itemSpacing: 0,
      layoutPositioning: "AUTO",
      layoutAlign: "INHERIT",
      layoutGrow: 0,
      pluginData: {},
      relaunchData: {},
    };
    this.states.set(id, state);
    if (parent !== null) this.state(parent).children.push(id);
    return state;
  }

  find(id: string): FakeState | undefined {
    return this.states.get(id);
  }

  state(id: string): FakeState {
    const state = this.states.get(id);
    if (state === undefined) {
      const kind = id.startsWith("I") ? "node (instance sublayer or table cell)" : "node";
      throw new Error(`The ${kind} with id "${id}" does not exist`);
    }
    return state;
  }

  *above(id: string): Generator<FakeState> {
    for (let at = this.state(id).parent; at !== null; at = this.state(at).parent) yield this.state(at);
  }

  *below(id: string): Generator<FakeState> {
    for (const child of this.state(id).children) {
      yield this.state(child);
      yield* this.below(child);
    }
  }

  insideInstance(id: string): boolean {
    return [...this.above(id)].some(({ type }) => type === "INSTANCE");
  }

  // Structure.

  insert(where: string, parentId: string, index: number, id: string): void {
    const parent = this.state(parentId);
    const node = this.state(id);
    if (!isParentType(parent.type)) throw new Error(`in ${where}: Cannot insert into a ${parent.type}`);
    if (parent.type === "INSTANCE" || this.insideInstance(parentId)) {
      throw new Error(`in ${where}: Cannot move node. New parent is an instance or is inside of an instance`);
    }
    if (this.insideInstance(id)) throw new Error(`in ${where}: Cannot move node. Node is inside of an instance`);
    if (id === parentId || [...this.above(parentId)].some((one) => one.id === id)) {
      throw new Error(`in ${where}: Cannot move node into itself`);
    }
    if (!(Number.isInteger(index) && index >= 0 && index <= parent.children.length)) {
      throw new Error(`in ${where}: Index ${index} is out of bounds`);
    }
    const old = node.parent;
    const before = parent.children.indexOf(id);
    this.take(id);
    // The index is meant among the children as they were.
    parent.children.splice(before >= 0 && before < index ? index - 1 : index, 0, id);
    node.parent = parentId;
    if (old !== null) this.tidy(old);
    this.layOut();
  }

  remove(id: string): void {
    const { parent } = this.state(id);
    if (this.insideInstance(id)) throw new Error(`in remove: Removing this node is not allowed`);
    for (const { id: child } of [...this.below(id)]) this.states.delete(child);
    this.take(id);
    this.states.delete(id);
    if (parent !== null) this.tidy(parent);
    this.layOut();
  }

  private take(id: string): void {
    const { parent } = this.state(id);
    if (parent === null) return;
    const siblings = this.state(parent).children;
    siblings.splice(siblings.indexOf(id), 1);
  }

  /** A group without children vanishes. */
  private tidy(id: string): void {
    const state = this.states.get(id);
    if (state !== undefined && withoutSpace.includes(state.type) && state.children.length === 0) this.remove(id);
  }

  clone(id: string, page: string): string {
    const copy = (from: FakeState, parent: string): string => {
      const made = this.add(from.type, parent);
      const { id: _, parent: __, children, ...rest } = structuredClone(from);
      Object.assign(made, rest);
      for (const child of children) copy(this.state(child), made.id);
      return made.id;
    };
    return copy(this.state(id), page);
  }

  // Places.

  /** The nearest around it that has a space of its own. */
  private space(id: string): FakeState | undefined {
    return [...this.above(id)].find(({ type }) => !withoutSpace.includes(type));
  }

  absoluteTransform(id: string): Transform {
    const { type } = this.state(id);
    if (type === "PAGE")
      return [
        [1, 0, 0],
        [0, 1, 0],
      ];
    const space = this.space(id);
    const own = this.relativeTransform(id);
    if (space === undefined) return own;
    const [[a, b, c], [d, e, f]] = this.absoluteTransform(space.id);
    const [[g, h, i], [j, k, l]] = own;
    return [
      [a * g + b * j, a * h + b * k, a * i + b * l + c],
      [d * g + e * j, d * h + e * k, d * i + e * l + f],
    ];
  }

  relativeTransform(id: string): Transform {
    const { type, relativeTransform } = this.state(id);
    if (!withoutSpace.includes(type)) return structuredClone(relativeTransform);
    const { x, y } = this.bounds(id);
    return [
      [1, 0, x],
      [0, 1, y],
    ];
  }

  size(id: string): { width: number; height: number } {
    const { type, width, height } = this.state(id);
    return withoutSpace.includes(type) ? this.bounds(id) : { width, height };
  }

  /** The box around a node in the space it lies in. */
  bounds(id: string): { x: number; y: number; width: number; height: number } {
    const { type, relativeTransform: t, width, height, children } = this.state(id);
    const points = withoutSpace.includes(type)
      ? children.flatMap((child) => {
          const { x, y, width: w, height: h } = this.bounds(child);
          return [
            [x, y],
            [x + w, y + h],
          ] as [number, number][];
        })
      : (
          [
            [0, 0],
            [width, 0],
            [width, height],
            [0, height],
          ] as [number, number][]
        ).map(
          ([x, y]) => [t[0][0] * x + t[0][1] * y + t[0][2], t[1][0] * x + t[1][1] * y + t[1][2]] as [number, number],
        );
    const xs = points.map(([x]) => x);
    const ys = points.map(([, y]) => y);
    const [x, y] = [Math.min(...xs), Math.min(...ys)];
    return { x, y, width: Math.max(...xs) - x, height: Math.max(...ys) - y };
  }

  move(id: string, dx: number, dy: number): void {
    const state = this.state(id);
    if (withoutSpace.includes(state.type)) for (const child of state.children) this.move(child, dx, dy);
    else {
      state.relativeTransform[0][2] += dx;
      state.relativeTransform[1][2] += dy;
    }
  }

  /** Auto layout: children that flow, one after the other, and a parent that hugs them. */
  layOut(): void {
    for (const frame of this.states.values()) {
      if (frame.layoutMode === "NONE") continue;
      const across = frame.layoutMode === "HORIZONTAL";
      const flowing = frame.children
        .map((id) => this.state(id))
        .filter((one) => one.visible && one.layoutPositioning === "AUTO");
      let at = 0;
      let deep = 0;
      for (const { id } of flowing) {
        const { x, y, width, height } = this.bounds(id);
        this.move(id, (across ? at : 0) - x, (across ? 0 : at) - y);
        at += (across ? width : height) + frame.itemSpacing;
        deep = Math.max(deep, across ? height : width);
      }
      const long = Math.max(1, at - frame.itemSpacing);
      [frame.width, frame.height] = across ? [long, Math.max(1, deep)] : [Math.max(1, deep), long];
    }
  }

  flows(id: string): boolean {
    const { parent, layoutPositioning } = this.state(id);
    return parent !== null && this.state(parent).layoutMode !== "NONE" && layoutPositioning === "AUTO";
  }

  // History.

  /** All of the document as text: equal trees have equal bytes. */
  serialise(): string {
    const tree = (id: string): unknown => {
      const { children, parent: _, ...rest } = this.state(id);
      return { ...rest, children: children.map(tree) };
    };
    return JSON.stringify(tree(this.pageId), undefined, 1);
  }

  get pageId(): string {
    return "1:1";
  }

  private snapshot(): string {
    return JSON.stringify([...this.states]);
  }

  commit(): void {
    const now = this.snapshot();
    if (this.history[this.history.length - 1] !== now) this.history.push(now);
  }

  /** One step back: to the last state that was committed and is another. */
  undo(): void {
    this.commit();
    this.history.pop();
    const before = this.history[this.history.length - 1];
    if (before !== undefined) this.states = new Map(JSON.parse(before));
  }

  /** What cannot be in a document. */
  problems(): readonly string[] {
    const found: string[] = [];
    for (const { id, type, parent, children, isMask, pluginData } of this.states.values()) {
      for (const child of children) {
        if (this.find(child)?.parent !== id) found.push(`${id} holds ${child}, which is not its child`);
      }
      if (parent !== null && !this.find(parent)?.children.includes(id)) found.push(`${id} is lost from ${parent}`);
      if (withoutSpace.includes(type) && children.length === 0) found.push(`${id} is an empty ${type}`);
      const role = pluginData["masklet-role"];
      if (role !== undefined && role !== "" && this.find(parent ?? "")?.type !== "GROUP")
        found.push(`${id} is ${role} of no group`);
      if (isMask && role === "mask") {
        const siblings = this.state(parent ?? "").children;
        const content = siblings.findIndex((one) => this.state(one).pluginData["masklet-role"] === "content");
        if (content < siblings.indexOf(id)) found.push(`${id} masks no content`);
      }
    }
    return found;
  }
}
