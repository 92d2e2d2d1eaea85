/** The main thread's side: answers what the UI asks, and runs the commands that need no window. */
import { imageToLayer, intersect, multiply, type Size, scaling, translation } from "./geometry.ts";
import { applyJobs, asFailure, type ReadyJob, restoreAll, select } from "./make.ts";
import {
  type Answer,
  type Command,
  checkParams,
  commands,
  defaultSettings,
  isKeptFinder,
  isSettings,
  type KeptFinder,
  type Method,
  type Notice,
  type Opening,
  type OutputKind,
  outputKinds,
  PluginError,
  protocolVersion,
  type Requests,
  readRequest,
  type Settings,
} from "./protocol.ts";
import type { Figma, SceneNode } from "./sandbox.ts";
import { resolve, resolveMade } from "./selection.ts";

/** What the quick action calls each result. */
export const outputNames: { readonly [K in OutputKind]: string } = {
  "mask-group": "Mask group",
  fill: "New fill",
  copy: "Copy",
  trimmed: "Trimmed copy",
  objects: "Layer per object",
  shape: "Vector shape",
};

/** Figma cuts messages off here. */
const longestMessage = 100;

/** Bytes of a model's file that Figma's storage has room for, beside the settings. */
const mostKept = 4_900_000;

/** The least window that the UI can be used in. */
const leastWindow: Size = { width: 320, height: 280 };

/** Starts the plugin: waits for the command that it was opened with. */
export function start(figma: Figma): void {
  figma.skipInvisibleInstanceChildren = true;
  figma.parameters.on("input", ({ query, result }) => {
    const wanted = query.toLowerCase();
    const offered = outputKinds.filter((kind) => kind !== "objects" && kind !== "shape");
    result.setSuggestions(
      offered
        .filter((kind) => outputNames[kind].toLowerCase().indexOf(wanted) >= 0)
        .map((kind) => ({ name: outputNames[kind], data: kind })),
    );
  });
  figma.on("run", (event) => {
    const parameters: unknown = "parameters" in event ? event.parameters : undefined;
    const asked = parameters as { output?: OutputKind } | undefined;
    const output = asked?.output !== undefined && outputKinds.indexOf(asked.output) >= 0 ? asked.output : null;
    new Plugin(figma, commandOf(figma.command), output).run().catch((error: unknown) => {
      figma.notify(short(asFailure(error).message), { error: true });
      figma.closePlugin();
    });
  });
}

function commandOf(given: string): Command {
  return commands.indexOf(given as Command) < 0 ? "cut-out" : (given as Command);
}

function short(message: string): string {
  return message.length <= longestMessage ? message : `${message.slice(0, longestMessage - 1)}…`;
}

class Plugin {
  private readonly figma: Figma;
  private readonly command: Command;
  private readonly output: OutputKind | null;
  private settings: Settings = defaultSettings;
  private closed = false;
  /** The message that a plugin without a window works. */
  private busy: { cancel(): void } | undefined;
  /** Whether the window was opened after a run without one. */
  private reopened = false;

  constructor(figma: Figma, command: Command, output: OutputKind | null) {
    this.figma = figma;
    this.command = command;
    this.output = output;
  }

  async run(): Promise<void> {
    const { figma, command } = this;
    figma.on("close", () => {
      this.closed = true;
    });
    if (command === "restore") return this.restoreSelected();
    const stored: unknown = await figma.clientStorage.getAsync("settings").catch(() => undefined);
    // What an earlier version kept lacks what came later.
    const settings: unknown = { ...defaultSettings, ...(stored as object | undefined) };
    if (isSettings(settings)) this.settings = settings as Settings;
    if (this.closed) return;
    figma.ui.onmessage = (message: unknown) => {
      void this.receive(message);
    };
    const changed = (): void => this.say({ masklet: protocolVersion, event: "selection", selection: this.selection() });
    figma.on("selectionchange", changed);
    figma.on("currentpagechange", changed);
    const { width, height } = this.settings.window;
    figma.showUI(__html__, {
      visible: command !== "remove-background",
      width,
      height,
      themeColors: true,
      title: "Masklet Cutout",
    });
  }

  private selection(): Opening["selection"] {
    return resolve(this.figma.currentPage.selection);
  }

  private restoreSelected(): void {
    const { figma } = this;
    const made = resolveMade(figma.currentPage.selection);
    const { restored, failed } = restoreAll(figma, made);
    const what = restored === 1 ? "Original restored" : `${restored} originals restored`;
    const none = made.length === 0 ? "Nothing in the selection was cut out by Masklet" : (failed[0]?.message ?? "");
    figma.notify(short(restored > 0 ? what : none), { error: restored === 0 });
    figma.closePlugin();
  }

  private say(message: Answer | Notice): void {
    if (!this.closed) this.figma.ui.postMessage(message);
  }

  private async receive(message: unknown): Promise<void> {
    const request = readRequest(message);
    if (request === undefined) return;
    const { id, method, params } = request;
    try {
      const result = await this.answer(method, params);
      this.say({ masklet: protocolVersion, id, result });
    } catch (error) {
      this.say({ masklet: protocolVersion, id, error: asFailure(error) });
    }
  }

  private answer(method: Method, params: unknown): unknown {
    const answer = this.answers[method] as (params: unknown) => unknown;
    return answer(checkParams(method, params));
  }

  private readonly answers: {
    readonly [M in Method]: (params: Requests[M]["params"]) => Requests[M]["result"] | Promise<Requests[M]["result"]>;
  } = {
    open: () => ({
      command: this.command,
      output: this.output,
      settings: this.settings,
      selection: this.selection(),
    }),
    selection: () => this.selection(),
    picture: async ({ hash }) => {
      const image = this.figma.getImageByHash(hash);
      const missing = (cause?: unknown): PluginError =>
        new PluginError("image-missing", "Figma could not load the image. Are you offline? Try again.", cause);
      if (image === null) throw missing();
      try {
        const { width, height } = await image.getSizeAsync();
        const colours = this.figma.root.documentColorProfile === "DISPLAY_P3" ? "display-p3" : "srgb";
        return { bytes: await image.getBytesAsync(), width, height, colours };
      } catch (error) {
        throw missing(error);
      }
    },
    store: async ({ bytes }) => {
      try {
        const image = this.figma.createImage(bytes);
        const { width, height } = await image.getSizeAsync();
        return { hash: image.hash, width, height };
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        throw new PluginError("image-refused", `Figma did not take the result: ${message}`, error);
      }
    },
    apply: async ({ jobs }) => {
      const { figma } = this;
      const ready: ReadyJob[] = [];
      for (const job of jobs) {
        const image = await figma
          .getImageByHash(job.hash)
          ?.getSizeAsync()
          .catch(() => undefined);
        const layer = await figma.getNodeByIdAsync(job.node);
        // Without its size a result cannot be placed; the layer is the one to name.
        ready.push({ ...job, layer: image === undefined ? null : layer, image: image ?? { width: 1, height: 1 } });
      }
      return applyJobs(figma, ready);
    },
    restore: async ({ nodes }) => {
      const made = resolveMade(await this.layers(nodes));
      if (made.length === 0) throw new PluginError("nothing-made", "Nothing of Masklet's is left there to restore.");
      return restoreAll(this.figma, made);
    },
    flatten: async ({ node }) => {
      const { figma } = this;
      const [layer] = await this.layers([node]);
      if (layer === undefined || !("exportAsync" in layer)) {
        throw new PluginError("layer-changed", "The layer was deleted meanwhile.");
      }
      const bytes = await layer.exportAsync({ format: "PNG", useAbsoluteBounds: true });
      const image = figma.createImage(bytes);
      const { parent, absoluteBoundingBox: box } = layer;
      if (layer.removed || parent === null || box === null) {
        throw new PluginError("layer-changed", "The layer was deleted meanwhile.");
      }
      figma.commitUndo();
      const flat = figma.createRectangle();
      flat.name = layer.name;
      flat.resize(box.width, box.height);
      flat.fills = [{ type: "IMAGE", scaleMode: "FILL", imageHash: image.hash }];
      flat.x = box.x;
      flat.y = box.y;
      select(figma, [flat]);
      figma.commitUndo();
      return { node: flat.id };
    },
    maskLayer: async ({ node, hash, geometry, mask }) => {
      const image = await this.figma.getImageByHash(hash)?.getSizeAsync();
      const [layer, other] = [(await this.layers([node]))[0], (await this.layers([mask]))[0]];
      const gone = new PluginError("layer-changed", "The layer was deleted meanwhile.");
      if (image === undefined || layer === undefined || other === undefined || !("exportAsync" in other)) throw gone;
      const bytes = await other.exportAsync({ format: "PNG", useAbsoluteBounds: true });
      const box = other.absoluteBoundingBox;
      const around = layer.absoluteBoundingBox;
      if (box === null || around === null || box.width === 0 || box.height === 0) throw gone;
      const { width, height } = layer;
      const toLayer = imageToLayer(geometry, { width, height }, image);
      const shared = intersect(box, around);
      // What lies elsewhere is meant for the whole of the layer.
      const map =
        shared.width > 0 && shared.height > 0
          ? multiply(
              scaling(1 / box.width, 1 / box.height),
              translation(-box.x, -box.y),
              layer.absoluteTransform,
              toLayer,
            )
          : multiply(scaling(1 / width, 1 / height), toLayer);
      return { bytes, map };
    },
    select: async ({ nodes }) => {
      const layers = await this.layers(nodes);
      select(this.figma, layers);
      if (layers.length > 0) this.figma.viewport.scrollAndZoomIntoView([...layers]);
      return {};
    },
    settings: async ({ settings }) => {
      this.settings = settings;
      return this.keep("settings", settings);
    },
    keepFinder: async ({ finder }) => {
      const { clientStorage } = this.figma;
      // The one before first: it must not come back where there is no room for this one.
      await clientStorage.deleteAsync("finder");
      // Figma allows 5 MB for all of it.
      if (finder === null || finder.bytes.length > mostKept) return { kept: false };
      return this.keep("finder", finder);
    },
    keptFinder: async () => {
      const kept: unknown = await this.figma.clientStorage.getAsync("finder").catch(() => undefined);
      return { finder: isKeptFinder(kept) ? (kept as KeptFinder) : null };
    },
    resize: (size) => {
      const width = Math.round(Math.max(leastWindow.width, size.width));
      const height = Math.round(Math.max(leastWindow.height, size.height));
      this.figma.ui.resize(width, height);
      return {};
    },
    busy: ({ message }) => {
      this.busy?.cancel();
      this.busy = this.figma.notify(short(message), {
        timeout: Number.POSITIVE_INFINITY,
        button: { text: "Cancel", action: () => this.figma.closePlugin() },
      });
      return {};
    },
    show: () => {
      this.busy?.cancel();
      this.figma.ui.show();
      return {};
    },
    specimen: async ({ hash, geometry, width, height }) => {
      const layer = this.figma.createRectangle();
      try {
        layer.resize(width, height);
        layer.fills = [{ type: "IMAGE", imageHash: hash, ...geometry }];
        return { bytes: await layer.exportAsync({ format: "PNG" }) };
      } finally {
        if (!layer.removed) layer.remove();
      }
    },
    vector: ({ data }) => {
      const vector = this.figma.createVector();
      vector.vectorPaths = [{ windingRule: "NONZERO", data }];
      const made = { data: vector.vectorPaths.map((path) => path.data).join(" "), x: vector.x, y: vector.y };
      vector.remove();
      return made;
    },
    finish: ({ message, refine }) => {
      const { figma } = this;
      this.busy?.cancel();
      if (!refine) {
        figma.closePlugin(short(message));
        return {};
      }
      figma.notify(short(message), {
        button: {
          text: "Refine",
          action: () => {
            this.reopened = true;
            figma.ui.show();
            this.say({ masklet: protocolVersion, event: "selection", selection: this.selection() });
          },
        },
        onDequeue: (reason) => {
          // Which of the two Figma calls first when the button is pressed is not said.
          if (reason !== "action_button_click" && !this.reopened && !this.closed) figma.closePlugin();
        },
      });
      return {};
    },
  };

  private keep(key: string, value: unknown): Promise<{ readonly kept: boolean }> {
    return this.figma.clientStorage.setAsync(key, value).then(
      () => ({ kept: true }),
      () => ({ kept: false }),
    );
  }

  /** The layers of these ids that there still are. */
  private async layers(ids: readonly string[]): Promise<readonly SceneNode[]> {
    const found: SceneNode[] = [];
    for (const id of ids) {
      const node = await this.figma.getNodeByIdAsync(id);
      if (node !== null && node.type !== "DOCUMENT" && node.type !== "PAGE") found.push(node);
    }
    return found.filter(({ removed }) => !removed);
  }
}
