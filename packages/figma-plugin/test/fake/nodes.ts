/**
 * The layers of the fake, as a plugin sees them: getters give new frozen copies, setters check and complain with Figma's
 * texts, and a layer has only the properties of its type, because plugins ask with `in`.
 */
import type {
  ExportSettingsImage,
  FrameNode,
  Paint,
  RectangleNode,
  SceneNode,
  VectorNode,
} from "@figma/plugin-typings/plugin-api-standalone";
import type { FakeDocument, FakeState, FakeType } from "./document.ts";

/** Every property that some layer of the fake has; the typings hold it to Figma's. */
type Surface = Pick<
  RectangleNode,
  | "absoluteBoundingBox"
  | "absoluteTransform"
  | "effectStyleId"
  | "effects"
  | "exportAsync"
  | "fillStyleId"
  | "fills"
  | "getPluginData"
  | "getRelaunchData"
  | "height"
  | "id"
  | "isMask"
  | "layoutAlign"
  | "layoutGrow"
  | "layoutPositioning"
  | "locked"
  | "maskType"
  | "name"
  | "parent"
  | "relativeTransform"
  | "remove"
  | "removed"
  | "resize"
  | "setPluginData"
  | "setRelaunchData"
  | "strokeJoin"
  | "strokeStyleId"
  | "strokeWeight"
  | "strokes"
  | "visible"
  | "width"
  | "x"
  | "y"
> &
  Pick<VectorNode, "vectorPaths"> &
  Pick<FrameNode, "children" | "insertChild" | "layoutMode"> & { type: FakeType; clone: () => SceneNode };

export interface NodeHost {
  readonly document: FakeDocument;
  readonly mixed: symbol;
  readonly relaunchButtons: readonly string[];
  node(id: string): SceneNode;
  /** Throws when the plugin or the file may not write. */
  write(where: string): void;
  /** The promise of an answer that takes its time. */
  later<T>(answer: () => T): Promise<T>;
  exportPng(id: string, settings: ExportSettingsImage | undefined): Uint8Array;
  currentPage(): string;
}

export function frozen<T>(value: T): T {
  const copy = structuredClone(value);
  const freeze = (one: unknown): void => {
    if (typeof one !== "object" || one === null) return;
    Object.values(one).forEach(freeze);
    Object.freeze(one);
  };
  freeze(copy);
  return copy;
}

const everyone: readonly (keyof Surface)[] = [
  ...(["id", "type", "name", "parent", "removed", "visible", "locked", "remove", "clone", "exportAsync"] as const),
  ...(["getPluginData", "setPluginData", "getRelaunchData", "setRelaunchData"] as const),
  ...(["width", "height", "x", "y", "absoluteTransform", "absoluteBoundingBox", "relativeTransform"] as const),
];
const blended = [
  "effects",
  "effectStyleId",
  "isMask",
  "maskType",
  "layoutPositioning",
  "layoutAlign",
  "layoutGrow",
] as const;
const filled = ["fills", "fillStyleId"] as const;
const drawn = [...blended, ...filled, "strokes", "strokeStyleId", "strokeWeight", "strokeJoin", "resize"] as const;
const parent = ["children", "insertChild"] as const;
const fields: { readonly [T in FakeType]: readonly (keyof Surface)[] } = {
  PAGE: ["id", "type", "name", "parent", "removed", "getPluginData", "setPluginData", ...parent],
  FRAME: [...everyone, ...drawn, ...parent, "layoutMode"],
  COMPONENT: [...everyone, ...drawn, ...parent, "layoutMode"],
  INSTANCE: [...everyone, ...drawn, ...parent, "layoutMode"],
  SLIDE: [...everyone, ...drawn, ...parent, "layoutMode"],
  GROUP: [...everyone, ...blended, ...parent],
  SECTION: [...everyone, ...filled, ...parent],
  BOOLEAN_OPERATION: [...everyone, ...drawn, ...parent],
  RECTANGLE: [...everyone, ...drawn],
  ELLIPSE: [...everyone, ...drawn],
  TEXT: [...everyone, ...drawn],
  VECTOR: [...everyone, ...drawn, "vectorPaths"],
};

type Definition<T> = { get: (state: FakeState, id: string) => T; set?: (state: FakeState, value: T) => void };
type Definitions = { readonly [K in keyof Surface]: Definition<Surface[K]> };

const wrong = (field: string, expected: string, value: unknown): Error =>
  new Error(
    `in set_${field}: Expected "${field}" to have type ${expected} but got ${value === null ? "null" : typeof value} instead`,
  );

function checkType(field: string, type: "boolean" | "number" | "string", value: unknown): void {
  if (typeof value !== type) throw wrong(field, type, value);
}

/** Keys that Figma knows of the paints that the plugin writes. */
const paintKeys: Readonly<Record<string, readonly string[]>> = {
  SOLID: ["type", "color", "visible", "opacity", "blendMode", "boundVariables"],
  IMAGE: [
    "type",
    "scaleMode",
    "imageHash",
    "imageTransform",
    "scalingFactor",
    "rotation",
    "filters",
    "visible",
    "opacity",
    "blendMode",
  ],
};

/** Figma gives paints back with what was left out. */
export function wholePaint(paint: Paint): Paint {
  return { visible: true, opacity: 1, blendMode: "NORMAL", ...paint } as Paint;
}

function checkPaints(field: string, value: unknown): asserts value is Paint[] {
  if (!Array.isArray(value)) throw wrong(field, "array", value);
  for (const paint of value as readonly Paint[]) {
    const known = paintKeys[paint.type];
    if (paint.type === "PATTERN")
      throw new Error(`in set_${field}: Use set${field === "fills" ? "Fills" : "Strokes"}Async for pattern paints`);
    const unknown = known === undefined ? undefined : Object.keys(paint).find((key) => !known.includes(key));
    if (unknown !== undefined) throw new Error(`in set_${field}: Unrecognized key(s) in object: '${unknown}'`);
    if (paint.type === "IMAGE" && !["FILL", "FIT", "CROP", "TILE"].includes(paint.scaleMode)) {
      throw new Error(`in set_${field}: Invalid discriminator value for scaleMode`);
    }
    const transform = paint.type === "IMAGE" ? paint.imageTransform : undefined;
    if (transform?.flat().some((number) => !Number.isFinite(number))) throw wrong(field, "Transform", transform);
  }
}

export function nodeFactory(host: NodeHost): (id: string) => SceneNode {
  const { document } = host;
  const style = <K extends "effectStyleId" | "fillStyleId" | "strokeStyleId">(field: K): Definition<Surface[K]> => ({
    get: (state) => state[field],
    set: () => {
      throw new Error(
        `in set_${field}: Cannot call with documentAccess: dynamic-page. Use node.set${field[0]?.toUpperCase()}${field.slice(1)}Async instead.`,
      );
    },
  });
  const definitions: Definitions = {
    id: { get: (_, id) => id },
    type: { get: ({ type }) => type },
    removed: { get: (_, id) => document.find(id) === undefined },
    name: {
      get: ({ name }) => name,
      set: (state, value) => {
        checkType("name", "string", value);
        state.name = value;
      },
    },
    parent: { get: ({ parent: id }) => (id === null ? null : (host.node(id) as unknown as FrameNode)) },
    children: { get: ({ children }) => Object.freeze(children.map((id) => host.node(id))) },
    visible: {
      get: ({ visible }) => visible,
      set: (state, value) => {
        checkType("visible", "boolean", value);
        state.visible = value;
        document.layOut();
      },
    },
    locked: {
      get: ({ locked }) => locked,
      set: (state, value) => {
        checkType("locked", "boolean", value);
        state.locked = value;
      },
    },
    remove: {
      get: (_, id) => () => {
        host.write("remove");
        document.remove(id);
      },
    },
    clone: {
      get: (_, id) => () => {
        host.write("clone");
        return host.node(document.clone(id, host.currentPage()));
      },
    },
    exportAsync: {
      get: (_, id) =>
        ((settings?: ExportSettingsImage) => host.later(() => host.exportPng(id, settings))) as Surface["exportAsync"],
    },
    getPluginData: { get: (state) => (key) => state.pluginData[key] ?? "" },
    setPluginData: {
      get: (state) => (key, value) => {
        host.write("setPluginData");
        checkType("pluginData", "string", value);
        if (Buffer.byteLength(key) + Buffer.byteLength(value) > 100_000) {
          throw new Error("in setPluginData: The entry exceeds the limit of 100 kB");
        }
        if (value === "") delete state.pluginData[key];
        else state.pluginData[key] = value;
      },
    },
    getRelaunchData: { get: (state) => () => ({ ...state.relaunchData }) },
    setRelaunchData: {
      get: (state) => (data) => {
        host.write("setRelaunchData");
        for (const [command, description] of Object.entries(data)) {
          if (!host.relaunchButtons.includes(command)) {
            throw new Error(`in setRelaunchData: The command "${command}" is not in the manifest`);
          }
          if (description.length > 1000) throw new Error("in setRelaunchData: Description is too long");
        }
        state.relaunchData = { ...data };
      },
    },
    width: { get: (_, id) => document.size(id).width },
    height: { get: (_, id) => document.size(id).height },
    resize: {
      get: (state) => (width, height) => {
        host.write("resize");
        if (!(width >= 0.01 && height >= 0.01)) throw new Error("in resize: Expected numbers of 0.01 or more");
        Object.assign(state, { width, height });
        document.layOut();
      },
    },
    x: {
      get: (_, id) => document.relativeTransform(id)[0][2],
      set: (state, value) => {
        checkType("x", "number", value);
        if (!document.flows(state.id)) document.move(state.id, value - document.relativeTransform(state.id)[0][2], 0);
      },
    },
    y: {
      get: (_, id) => document.relativeTransform(id)[1][2],
      set: (state, value) => {
        checkType("y", "number", value);
        if (!document.flows(state.id)) document.move(state.id, 0, value - document.relativeTransform(state.id)[1][2]);
      },
    },
    absoluteTransform: { get: (_, id) => frozen(document.absoluteTransform(id)) },
    absoluteBoundingBox: {
      get: (_, id) => {
        const [[a, b, c], [d, e, f]] = document.absoluteTransform(id);
        const { width, height } = document.size(id);
        const xs = [0, a * width, b * height, a * width + b * height];
        const ys = [0, d * width, e * height, d * width + e * height];
        const [x, y] = [Math.min(...xs), Math.min(...ys)];
        return frozen({ x: x + c, y: y + f, width: Math.max(...xs) - x, height: Math.max(...ys) - y });
      },
    },
    relativeTransform: {
      get: (_, id) => frozen(document.relativeTransform(id)),
      set: (state, value) => {
        const numbers = Array.isArray(value) ? value.flat() : [];
        if (numbers.length !== 6 || !numbers.every(Number.isFinite))
          throw wrong("relativeTransform", "Transform", value);
        const axes = [Math.hypot(value[0][0], value[1][0]), Math.hypot(value[0][1], value[1][1])];
        if (axes.some((length) => Math.abs(length - 1) > 1e-3))
          throw new Error("in set_relativeTransform: The axes must have length 1");
        if (state.type === "GROUP") throw new Error("the fake moves no groups by their transform");
        const kept = document.flows(state.id) ? state.relativeTransform : value;
        state.relativeTransform = [
          [value[0][0], value[0][1], kept[0][2]],
          [value[1][0], value[1][1], kept[1][2]],
        ];
        document.layOut();
      },
    },
    fills: {
      get: ({ fills }) => (fills === "mixed" ? (host.mixed as Surface["fills"]) : frozen(fills)),
      set: (state, value) => {
        checkPaints("fills", value);
        state.fills = structuredClone(value).map(wholePaint);
        state.fillStyleId = "";
      },
    },
    strokes: {
      get: ({ strokes }) => frozen(strokes),
      set: (state, value) => {
        checkPaints("strokes", value);
        state.strokes = structuredClone(value).map(wholePaint);
        state.strokeStyleId = "";
      },
    },
    fillStyleId: style("fillStyleId"),
    strokeStyleId: style("strokeStyleId"),
    effectStyleId: style("effectStyleId"),
    strokeWeight: {
      get: ({ strokeWeight }) => strokeWeight,
      set: (state, value) => {
        checkType("strokeWeight", "number", value);
        state.strokeWeight = value as number;
      },
    },
    strokeJoin: {
      get: ({ strokeJoin }) => strokeJoin as Surface["strokeJoin"],
      set: (state, value) => {
        checkType("strokeJoin", "string", value);
        state.strokeJoin = value as string;
      },
    },
    effects: {
      get: ({ effects }) => frozen(effects),
      set: (state, value) => {
        if (!Array.isArray(value)) throw wrong("effects", "array", value);
        state.effects = structuredClone(value) as FakeState["effects"];
        state.effectStyleId = "";
      },
    },
    isMask: {
      get: ({ isMask }) => isMask,
      set: (state, value) => {
        checkType("isMask", "boolean", value);
        state.isMask = value;
      },
    },
    maskType: {
      get: ({ maskType }) => maskType as Surface["maskType"],
      set: (state, value) => {
        if (!["ALPHA", "VECTOR", "LUMINANCE"].includes(value)) throw new Error("in set_maskType: Invalid enum value");
        state.maskType = value;
      },
    },
    layoutMode: { get: ({ layoutMode }) => layoutMode },
    layoutPositioning: {
      get: ({ layoutPositioning }) => layoutPositioning,
      set: (state, value) => {
        if (document.find(state.parent ?? "")?.layoutMode === "NONE") {
          throw new Error(
            "in set_layoutPositioning: Can only set layoutPositioning = ABSOLUTE if the parent node has layoutMode !== NONE",
          );
        }
        state.layoutPositioning = value;
        document.layOut();
      },
    },
    layoutAlign: {
      get: ({ layoutAlign }) => layoutAlign,
      set: (state, value) => {
        state.layoutAlign = value;
      },
    },
    layoutGrow: {
      get: ({ layoutGrow }) => layoutGrow,
      set: (state, value) => {
        checkType("layoutGrow", "number", value);
        state.layoutGrow = value;
      },
    },
    vectorPaths: {
      get: ({ vectorPaths }) => frozen(vectorPaths),
      set: (state, value) => {
        state.vectorPaths = value.map(({ windingRule, data }) => ({ windingRule, data: normalised(state, data) }));
      },
    },
    insertChild: {
      get: (_, id) => (index, child) => {
        host.write("insertChild");
        document.insert("insertChild", id, index, child.id);
      },
    },
  };

  const define = <K extends keyof Surface>(prototype: object, key: K): void => {
    const { get, set } = definitions[key] as Definition<Surface[K]>;
    const free: readonly (keyof Surface)[] = ["id", "removed"];
    const stateOf = (id: string): FakeState => {
      try {
        return free.includes(key) ? ({} as FakeState) : document.state(id);
      } catch (error) {
        throw new Error(`in get_${key}: ${(error as Error).message}`);
      }
    };
    Object.defineProperty(prototype, key, {
      enumerable: true,
      get(this: { nodeId: string }) {
        return get(stateOf(this.nodeId), this.nodeId);
      },
      set(this: { nodeId: string }, value: Surface[K]) {
        host.write(`set_${key}`);
        const state = stateOf(this.nodeId);
        if (set === undefined) throw new TypeError(`Cannot assign to read only property '${key}' of object`);
        const overridable: readonly (keyof Surface)[] = ["fills", "strokes", "visible", "effects", "name"];
        if (document.insideInstance(state.id) && !overridable.includes(key)) {
          throw new Error(`in set_${key}: This property cannot be overriden on an instance`);
        }
        set(state, value);
      },
    });
  };
  const prototypes = new Map<FakeType, object>();
  const prototypeOf = (type: FakeType): object => {
    let prototype = prototypes.get(type);
    if (prototype === undefined) {
      prototype = {};
      for (const key of fields[type]) define(prototype, key);
      prototypes.set(type, prototype);
    }
    return prototype;
  };

  // A new object each time, as Figma may: layers are the same by their ids alone.
  return (id) => {
    const made = Object.create(prototypeOf(document.state(id).type)) as object;
    Object.defineProperty(made, "nodeId", { value: id });
    // A plugin must not leave anything on a layer: `object is not extensible`.
    return Object.preventExtensions(made) as SceneNode;
  };
}

/** As Figma does (probably): the paths begin at the layer's origin, which stays where it is. */
function normalised(state: FakeState, data: string): string {
  if (!/^(M -?[\d.]+ -?[\d.]+( [LQC]( -?[\d.]+)+)* Z ?)+$/.test(data)) {
    throw new Error(`in set_vectorPaths: Failed to convert path. Invalid command at ${data.slice(0, 40)}`);
  }
  const numbers = (data.match(/-?[\d.]+/g) ?? []).map(Number);
  const xs = numbers.filter((_, i) => i % 2 === 0);
  const ys = numbers.filter((_, i) => i % 2 === 1);
  const [x, y] = [Math.min(...xs), Math.min(...ys)];
  Object.assign(state, { width: Math.max(...xs) - x, height: Math.max(...ys) - y });
  let at = 0;
  return data.replaceAll(/-?[\d.]+/g, (number) => String(Number(number) - (at++ % 2 === 0 ? x : y)));
}
