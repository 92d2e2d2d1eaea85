/**
 * A fake of Figma for the plugin's main thread, held to Figma's own typings: document, images, history, message channel,
 * events. Everything that Figma answers later goes through `later`, where a test may let something happen: a person
 * edits, or the plugin is killed.
 */
import type {
  Image,
  NotificationOptions,
  PageNode,
  PluginAPI,
  SceneNode,
  ShowUIOptions,
} from "@figma/plugin-typings/plugin-api-standalone";
import type { Figma } from "../../src/sandbox.ts";
import { throughChannel } from "./codec.ts";
import { FakeDocument, type FakeState, type FakeType } from "./document.ts";
import { type StoredBytes, storeBytes } from "./images.ts";
import { nodeFactory, wholePaint } from "./nodes.ts";
import { renderLayer } from "./render.ts";

export interface FakeOptions {
  readonly command?: string;
  /** The plugin is killed instead of the n-th late answer. */
  readonly killAt?: number;
  /** The file may only be viewed. */
  readonly readOnly?: boolean;
  /** -1: paints are turned counter-clockwise, which nobody outside of Figma knows. */
  readonly turns?: 1 | -1;
  /** What the file counts colours in; "SRGB" unless set. */
  readonly profile?: PluginAPI["root"]["documentColorProfile"];
  /** Hashes whose bytes Figma cannot load. */
  readonly offline?: readonly string[];
}

export interface Notified {
  readonly message: string;
  readonly options: NotificationOptions | undefined;
}

type Listener = (...args: never[]) => void;

export class FakeFigma {
  readonly document: FakeDocument = new FakeDocument();
  readonly images: Map<string, StoredBytes> = new Map();
  readonly notified: Notified[] = [];
  readonly storage: Map<string, unknown> = new Map();
  /** How often Figma has answered late. */
  answers = 0;
  closed: { readonly message: string | undefined } | undefined;
  /** The window: undefined until the plugin shows one. */
  window: (ShowUIOptions & { html: string }) | undefined;
  suggestions: unknown;
  /** How often the plugin has written to the document. */
  writes = 0;
  /** The write, by its number, that Figma refuses. */
  refusedWrite: number | undefined;
  /** Runs before Figma's n-th late answer, from 0. */
  between: ((n: number) => void) | undefined;
  onUi: ((message: unknown) => void) | undefined;
  readonly api: Figma;
  private readonly options: FakeOptions;
  private readonly listeners = new Map<string, Set<Listener>>();
  private readonly queue: unknown[] = [];
  private killed = false;
  private selection: readonly string[] = [];
  private readonly handle: (id: string) => SceneNode;

  constructor(options: FakeOptions = {}) {
    this.options = options;
    const { document } = this;
    const mixed = Symbol("figma.mixed");
    this.handle = nodeFactory({
      document,
      mixed,
      relaunchButtons: ["refine", "restore"],
      node: (id) => this.handle(id),
      write: (where) => this.write(where),
      later: (answer) => this.later(answer),
      exportPng: (id) => renderLayer(this, this.handle(id), options.turns ?? 1),
      currentPage: () => document.pageId,
    });
    this.api = this.makeApi(mixed);
  }

  // For tests: what a person does.

  /** A layer with these properties, the last among its parent's. */
  add(type: FakeType, state: Partial<Omit<FakeState, "id" | "type" | "children">> = {}, id?: string): SceneNode {
    const { parent, ...rest } = state;
    const made = this.document.add(type, parent ?? this.document.pageId, id);
    Object.assign(made, structuredClone(rest));
    if (made.fills !== "mixed") made.fills = made.fills.map(wholePaint);
    made.strokes = made.strokes.map(wholePaint);
    this.document.layOut();
    return this.handle(made.id);
  }

  addImage(bytes: Uint8Array): string {
    const stored = storeBytes(bytes);
    this.images.set(stored.hash, stored);
    return stored.hash;
  }

  select(...nodes: readonly { readonly id: string }[]): void {
    this.selection = nodes.map(({ id }) => id);
    this.emit("selectionchange");
  }

  /** What is selected, by ids. */
  get selected(): readonly string[] {
    return this.selection.filter((id) => this.document.find(id) !== undefined);
  }

  undo(): void {
    this.document.undo();
  }

  /** Somebody ends the plugin. */
  close(): void {
    if (this.closed !== undefined) return;
    this.emit("close");
    this.closed = { message: undefined };
  }

  emit(event: string, ...args: readonly unknown[]): void {
    for (const listener of this.listeners.get(event) ?? []) (listener as (...args: unknown[]) => void)(...args);
  }

  // For tests: the UI.

  /** The UI has loaded: what was said before comes now. */
  loadUi(onMessage: (message: unknown) => void): void {
    this.onUi = onMessage;
    for (const message of this.queue.splice(0)) onMessage(message);
  }

  /** The UI says something. */
  send(message: unknown): void {
    if (this.killed || this.closed !== undefined) return;
    const { onmessage } = this.api.ui;
    onmessage?.(throughChannel(message), { origin: "null" });
  }

  private write(where: string): void {
    this.alive(where);
    if (this.writes++ === this.refusedWrite) throw new Error(`in ${where}: Refused`);
    if (this.options.readOnly) throw new Error(`in ${where}: Cannot write to internal and read-only nodes`);
  }

  private alive(where: string): void {
    if (this.closed !== undefined) throw new Error(`in ${where}: The plugin is closed`);
  }

  private later<T>(answer: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      queueMicrotask(() => {
        const n = this.answers++;
        if (n === this.options.killAt) this.killed = true;
        if (this.killed) return;
        this.between?.(n);
        try {
          resolve(answer());
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  private image({ hash, bytes, width, height }: StoredBytes): Image {
    const load = <T>(answer: () => T): Promise<T> =>
      this.later(() => {
        if (this.options.offline?.includes(hash)) throw new Error("in getBytesAsync: Unable to load image");
        return answer();
      });
    return Object.freeze({
      hash,
      getBytesAsync: () => load(() => Uint8Array.from(bytes)),
      getSizeAsync: () => load(() => ({ width, height })),
    });
  }

  private makeApi(mixed: symbol): Figma {
    const { document } = this;
    const on = (event: string, listener: Listener): void => {
      this.alive("on");
      const known = ["run", "close", "selectionchange", "currentpagechange", "input"];
      if (!known.includes(event)) throw new Error(`in on: Unknown event ${event} under documentAccess: dynamic-page`);
      this.listeners.set(event, (this.listeners.get(event) ?? new Set()).add(listener));
    };
    const create = (type: FakeType): SceneNode => {
      this.write(`create${type}`);
      const state = document.add(type, document.pageId);
      state.fills = type === "RECTANGLE" ? [{ type: "SOLID", color: { r: 0.85, g: 0.85, b: 0.85 } }] : [];
      return this.handle(state.id);
    };
    const page = this.handle(document.pageId) as unknown as PageNode;
    const currentPage = Object.create(page, {
      selection: {
        get: () => Object.freeze(this.selected.map((id) => this.handle(id))),
        set: (nodes: readonly SceneNode[]) => {
          for (const { id } of nodes) {
            document.state(id);
            if (![...document.above(id)].some((one) => one.id === document.pageId)) {
              throw new Error("in set_selection: The selection of a page can only include nodes in that page");
            }
          }
          this.select(...nodes);
        },
      },
    }) as PageNode;
    let shown: ((message: unknown, props: { origin: string }) => void) | undefined;

    const api: Figma = {
      command: this.options.command ?? "cut-out",
      mixed: mixed as PluginAPI["mixed"],
      skipInvisibleInstanceChildren: false,
      currentPage,
      root: { documentColorProfile: this.options.profile ?? "SRGB" } as PluginAPI["root"],
      on: on as unknown as PluginAPI["on"],
      parameters: { on: on as never, once: on as never, off: () => undefined },
      viewport: { scrollAndZoomIntoView: () => undefined } as unknown as PluginAPI["viewport"],
      getNodeByIdAsync: (id) => this.later(() => (document.find(id) === undefined ? null : this.handle(id))),
      getImageByHash: (hash) => {
        this.alive("getImageByHash");
        const stored = this.images.get(hash);
        return stored === undefined ? null : this.image(stored);
      },
      createImage: (bytes) => {
        this.alive("createImage");
        if (!(bytes instanceof Uint8Array)) throw new Error("in createImage: Expected Uint8Array");
        const hash = this.addImage(bytes);
        return this.image(this.images.get(hash) as StoredBytes);
      },
      createRectangle: () => create("RECTANGLE") as ReturnType<PluginAPI["createRectangle"]>,
      createVector: () => create("VECTOR") as ReturnType<PluginAPI["createVector"]>,
      group: (nodes, parent, index = parent.children.length) => {
        this.write("group");
        if (nodes.length === 0) throw new Error("in group: First argument must be an array of at least one node");
        for (const { id } of nodes) {
          if (document.insideInstance(id)) throw new Error("in group: Cannot move node. Node is inside of an instance");
        }
        const parentId = parent.id;
        const state = document.add("GROUP", document.pageId);
        // It has to hold something before it is somewhere, since an empty group vanishes.
        const siblings = document.state(document.pageId).children;
        siblings.splice(siblings.indexOf(state.id), 1);
        document.state(parentId).children.splice(index, 0, state.id);
        state.parent = parentId;
        nodes.forEach((node, i) => {
          document.insert("group", state.id, i, node.id);
        });
        return this.handle(state.id) as ReturnType<PluginAPI["group"]>;
      },
      commitUndo: () => document.commit(),
      notify: (message, options) => {
        this.alive("notify");
        this.notified.push({ message: message.slice(0, 100), options });
        return { cancel: () => undefined };
      },
      closePlugin: (message) => {
        this.alive("closePlugin");
        this.emit("close");
        this.closed = { message };
      },
      showUI: (html, options = {}) => {
        this.alive("showUI");
        this.window = { visible: true, ...options, html };
      },
      ui: {
        show: () => {
          this.window = { ...(this.window as NonNullable<typeof this.window>), visible: true };
        },
        hide: () => undefined,
        resize: (width, height) => {
          this.window = { ...(this.window as NonNullable<typeof this.window>), width, height };
        },
        reposition: () => undefined,
        getPosition: () => ({ windowSpace: { x: 0, y: 0 }, canvasSpace: { x: 0, y: 0 } }),
        close: () => undefined,
        postMessage: (message: unknown) => {
          this.alive("postMessage");
          if (this.window === undefined)
            throw new Error("in postMessage: No UI to send a message to. Did you forget to call showUI?");
          const sent = throughChannel(message);
          if (this.onUi === undefined) this.queue.push(sent);
          else this.onUi(sent);
        },
        get onmessage() {
          return shown as PluginAPI["ui"]["onmessage"];
        },
        set onmessage(listener) {
          shown = listener as typeof shown;
        },
        on: () => undefined,
        once: () => undefined,
        off: () => undefined,
      },
      clientStorage: {
        getAsync: (key) => this.later(() => this.storage.get(key)),
        setAsync: (key, value) =>
          this.later(() => {
            const all = new Map(this.storage).set(key, value);
            const size = [...all.values()].reduce<number>((sum, one) => sum + sizeOf(one), 0);
            if (size > 5_000_000) throw new Error("in setAsync: The quota of 5 MB is exceeded");
            this.storage.set(key, throughChannel(value));
          }),
        deleteAsync: (key) => this.later(() => void this.storage.delete(key)),
        keysAsync: () => this.later(() => [...this.storage.keys()]),
      },
    };
    return api;
  }
}

/** What a value takes of the storage: bytes as they are, all else as JSON. */
function sizeOf(value: unknown): number {
  if (value instanceof Uint8Array) return value.length;
  if (typeof value !== "object" || value === null) return JSON.stringify(value ?? null).length;
  return Object.entries(value).reduce((sum, [key, one]) => sum + key.length + 4 + sizeOf(one), 2);
}
