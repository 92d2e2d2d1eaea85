/** The window: what is selected, the picture with its objects, the result, and what is going on. */
import "@masklet/editor/element";
import type { MaskletEditorElement } from "@masklet/editor/element";
import {
  type CutSettings,
  defaultSettings,
  type Opening,
  outlines,
  type Selection,
  type Settings,
  type Target,
} from "../protocol.ts";
import { Batch, draw, messageOf } from "./batch.ts";
import { Channel } from "./channel.ts";
import { h } from "./dom.ts";
import { bytesOf, type Engine, type FinderFile } from "./engine.ts";
import { filePicker, modelsView, titleOf } from "./models.ts";
import { encodePng } from "./pictures.ts";
import { givePng } from "./png.ts";
import { recipeFor, recipes, recipesOf, together } from "./results.ts";
import { selfTest } from "./self-test.ts";
import {
  cautionWords,
  doubtWords,
  flattenable,
  groundWords,
  noteWords,
  outlineWords,
  refusalWords,
  words,
} from "./words.ts";
import { Work } from "./work.ts";

export interface AppOptions {
  readonly root: HTMLElement;
  readonly parent: Pick<Window, "postMessage">;
  readonly engine: Engine;
}

/** What shows a halo: light ones on black, dark ones on white. */
const grounds = ["checks", "white", "black"] as const;
type Ground = (typeof grounds)[number];

export class App {
  readonly #root: HTMLElement;
  readonly #engine: Engine;
  readonly #channel: Channel;
  readonly #editor: MaskletEditorElement = document.createElement("masklet-editor");
  readonly #text: HTMLElement = h("span", { class: "text" });
  readonly #status: HTMLElement = h("div", { class: "status", role: "status", live: "polite" }, this.#text);
  #settings: Settings = defaultSettings;
  #selection: Selection = { targets: [], refused: [] };
  #work: Work | undefined;
  /** Whether the person has done something that is not applied. */
  #isDirty = false;
  #opening: AbortController | undefined;
  /** What a preview lies on, and the preview that is shown. */
  #ground: Ground = "checks";
  #shown: HTMLCanvasElement | undefined;
  /** Whether the picture follows Figma's selection: a review of many, or settings, must not be lost by a click. */
  #follows = true;

  constructor({ root, parent, engine }: AppOptions) {
    this.#root = root;
    this.#engine = engine;
    this.#channel = new Channel({ parent, self: window, onSelection: (selection) => this.#select(selection) });
    this.#editor.addEventListener("masklet-session", ({ detail }) => {
      if (detail.type === "step") this.#isDirty = true;
    });
    // Figma names its theme on the root element, and changes it while the window is open.
    const follow = (): void => {
      this.#editor.setAttribute("theme", document.documentElement.classList.contains("figma-dark") ? "dark" : "light");
    };
    new MutationObserver(follow).observe(document.documentElement, { attributeFilter: ["class"] });
    follow();
    root.addEventListener("dragover", (event) => event.preventDefault());
    root.addEventListener("drop", (event) => {
      event.preventDefault();
      const file = event.dataTransfer?.files[0];
      if (file !== undefined) void this.#importMask(async (work) => work.importMask(file));
    });
  }

  /** Does what the plugin was started for. */
  async start(): Promise<void> {
    const opening = await this.#channel.call("open", {});
    this.#settings = opening.settings;
    this.#selection = opening.selection;
    this.#engine.ready = this.#useChosen();
    const [target] = opening.selection.targets;
    if (opening.command === "remove-background" && target !== undefined) return this.#removeAtOnce(opening, target);
    await this.#channel.call("show", {});
    if (opening.command === "settings") return this.#showSettings();
    if (opening.command === "self-test") return this.#selfTest();
    if (opening.command === "remove-background-all" && target !== undefined) return this.#showBatch();
    if (target === undefined) return this.#showNothing();
    const opened = this.#open(target);
    // Clicks will need a model: it starts while the picture is on its way. One that was chosen is waited for.
    if (opening.settings.model === "") this.#engine.predictor().catch(() => undefined);
    return opened;
  }

  /**
   * Goes back to the models that were chosen another day, where they can be had at once: what the hosted engine keeps, if
   * it answers in time, and what Figma does. Never rejects: without them there is the built-in model.
   */
  async #useChosen(): Promise<void> {
    const { model, finder } = this.#settings;
    const { finder: own } = await this.#channel.call("keptFinder", {}).catch(() => ({ finder: null }));
    if (own !== null) {
      const { name, kind, bytes } = own;
      await this.#engine.openFinder({ name, kind, file: new Blob([bytes.slice()]) }).catch(() => undefined);
    }
    await this.#engine.isSettled;
    const { hosted } = this.#engine;
    if (finder !== null && this.#engine.finderName === undefined) {
      await this.#engine.useKeptFinder(finder.name, finder.kind).catch(() => undefined);
    }
    if (hosted === undefined) return;
    const { models, kept: files } = hosted.state;
    const isThere = [...models.filter(({ cached }) => cached), ...files].some(({ name }) => name === model);
    if (!isThere) return;
    if (!this.#engine.isBuiltIn) return; // chosen in the meantime
    await this.#engine.use({ from: "hosted", name: model }).catch(() => undefined);
    await this.#startAgain();
  }

  /** Gives the picture that is shown, if one is, the model that is in use now: the one before is gone. */
  async #startAgain(): Promise<void> {
    const work = this.#work;
    if (work === undefined || !this.#editor.isConnected || this.#editor.session !== work.session) return;
    this.#layOut(h("div", { class: "editor" }, this.#editor), this.#actions(work));
    await this.#start(work);
  }

  /** Without a window, unless there is a doubt. */
  async #removeAtOnce({ output }: Opening, target: Target): Promise<void> {
    // Where a model is needed, opening the window says it.
    let said: readonly [string, "error"?] | undefined;
    try {
      const work = await Work.open({ channel: this.#channel, target, settings: this.#settings });
      this.#work = work;
      const flat = work.removeFlatBackground();
      if (flat === undefined) await this.#channel.call("busy", { message: words.looking });
      const doubts = flat ?? (await work.findSubject(this.#engine));
      if (doubts !== "needs-model" && doubts.length === 0) {
        const recipe = recipeFor(target, output ?? this.#settings.result);
        const inFile = recipe.kind === null ? recipeFor(target, "") : recipe;
        const { failed } = await this.#channel.call("apply", { jobs: [await work.job(this.#channel, inFile)] });
        if (failed[0] === undefined) {
          await this.#channel.call("finish", { message: words.removed, refine: true });
          return;
        }
        said = [failed[0].message, "error"];
      } else if (doubts !== "needs-model") said = [doubtWords(doubts)];
    } catch (error) {
      said = [messageOf(error), "error"];
    }
    await this.#channel.call("show", {});
    await this.#open(target, this.#work);
    if (said !== undefined) this.#say(...said);
  }

  #say(text: string, kind?: "busy" | "error"): void {
    this.#text.replaceChildren(text);
    this.#status.className = ["status", kind].filter(Boolean).join(" ");
  }

  #layOut(...children: readonly HTMLElement[]): void {
    const corner = h("div", { class: "corner", title: "Resize" });
    corner.addEventListener("pointerdown", ({ pointerId }) => corner.setPointerCapture(pointerId));
    corner.addEventListener("pointermove", ({ buttons, clientX, clientY }) => {
      if (buttons === 0) return;
      const size = { width: Math.max(320, Math.round(clientX + 7)), height: Math.max(280, Math.round(clientY + 7)) };
      void this.#channel.call("resize", size);
      this.#settings = { ...this.#settings, window: size };
    });
    corner.addEventListener("pointerup", () => this.#keepSettings({}));
    this.#root.replaceChildren(h("main", { class: "app" }, ...children, this.#status), corner);
  }

  #keepSettings(changed: Partial<Settings>): void {
    this.#settings = { ...this.#settings, ...changed };
    void this.#channel
      .call("settings", { settings: this.#settings })
      .catch(() => ({ kept: false }))
      .then(({ kept }) => {
        if (!kept) this.#say(words.settingsNotKept, "error");
      });
  }

  /** Of the picture that is shown, and of those to come. */
  #keepCut(changed: Partial<CutSettings>): void {
    const work = this.#work;
    if (work !== undefined) {
      work.settings = { ...work.settings, ...changed };
      this.#isDirty ||= work.isReady;
    }
    this.#keepSettings(changed);
  }

  // Views.

  #showNothing(): void {
    this.#opening?.abort();
    this.#work = undefined;
    this.#isDirty = false;
    const refused = this.#selection.refused.map(({ node, name, refusal }) => {
      const flatten = (): void =>
        void this.#channel.call("flatten", { node }).catch((error: unknown) => this.#say(messageOf(error), "error"));
      return h(
        "p",
        {},
        `${name} ${refusalWords[refusal]}. `,
        flattenable.includes(refusal) ? h("button", { on: { click: flatten } }, "Flatten what I see") : null,
      );
    });
    this.#layOut(
      h("div", { class: "empty" }, h("h2", {}, words.nothing), h("p", { class: "dim" }, words.nothingMore), ...refused),
    );
    this.#say("");
  }

  #showSettings(): void {
    this.#follows = false;
    const select = h("select", { label: "Result", on: { change: () => this.#keepSettings({ result: select.value }) } });
    select.append(...recipes.map(({ id, name }) => h("option", { value: id }, name)));
    select.value = this.#settings.result;
    this.#layOut(
      h(
        "div",
        { class: "empty settings" },
        h("h2", {}, "Settings"),
        h("label", { class: "row" }, "Result", select),
        ...this.#edgeInputs(),
        this.#models(),
        this.#work === undefined
          ? null
          : h("button", { class: "primary", on: { click: () => void this.#back() } }, "Back to the image"),
      ),
    );
    this.#say("");
  }

  #models(): HTMLElement {
    return modelsView({
      engine: this.#engine,
      onModel: (model) => {
        this.#keepSettings({ model });
        // Who did not wait for it in the settings is at a picture again.
        this.#startAgain().catch((error: unknown) => this.#say(messageOf(error), "error"));
      },
      onFinder: (finder) => void this.#keepFinder(finder),
      say: (text, kind) => this.#say(text, kind),
    });
  }

  /**
   * In the hosted engine's storage, where it is already, else in Figma's, which has room for small ones; and in one of them
   * alone, so that another day's window finds the last that was chosen.
   */
  async #keepFinder(finder: FinderFile | null): Promise<void> {
    const isHosted = this.#engine.hosted !== undefined;
    this.#keepSettings({ finder: isHosted && finder !== null ? { name: finder.name, kind: finder.kind } : null });
    const own = isHosted || finder === null ? null : { ...finder, bytes: await bytesOf(finder.file) };
    const { kept } = await this.#channel.call("keepFinder", { finder: own }).catch(() => ({ kept: false }));
    if (own !== null && !kept) this.#say(words.notKept);
  }

  async #back(): Promise<void> {
    const work = this.#work;
    if (work === undefined) return;
    await this.#open(work.target, work);
  }

  /** The objects as they will be cut out, on nothing. */
  async #preview(work: Work): Promise<void> {
    if (!work.isReady) return this.#say(words.ready);
    this.#say(words.making, "busy");
    const canvas = h("canvas", { label: "Preview" });
    try {
      await draw(canvas, together(work.cut()), 2048);
    } catch (error) {
      return this.#say(messageOf(error), "error");
    }
    if (this.#work !== work) return;
    canvas.className = this.#ground;
    this.#shown = canvas;
    this.#layOut(h("div", { class: "preview" }, canvas), this.#actions(work, true));
    this.#say("");
  }

  async #selfTest(): Promise<void> {
    this.#follows = false;
    const report = h("textarea", { class: "report", label: "Report" });
    this.#layOut(report);
    this.#say("Asking Figma…", "busy");
    report.value = await selfTest(this.#channel);
    report.select();
    this.#say("Copy the report, and paste it into an issue.");
  }

  #showBatch(): void {
    this.#follows = false;
    const batch = new Batch({
      channel: this.#channel,
      engine: this.#engine,
      ...this.#selection,
      settings: this.#settings,
      recipe: this.#settings.result,
      onRecipe: (result) => this.#keepSettings({ result }),
      onOpen: (target) => {
        batch.stop();
        void this.#open(target);
      },
      say: (text, kind) => this.#say(text, kind),
    });
    this.#layOut(h("div", { class: "grid-and-panel" }, batch.element, batch.panel));
    void batch.start();
  }

  async #open(target: Target, opened?: Work): Promise<void> {
    this.#follows = true;
    this.#opening?.abort();
    const opening = new AbortController();
    this.#opening = opening;
    const { signal } = opening;
    this.#isDirty = opened?.isReady ?? false;
    this.#say(words.loading, "busy");
    try {
      const work = opened ?? (await Work.open({ channel: this.#channel, target, settings: this.#settings }));
      if (signal.aborted) return;
      this.#work = work;
      await this.#editor.open(work.image, { session: work.session });
      this.#layOut(h("div", { class: "editor" }, this.#editor), this.#actions(work));
      await this.#start(work, signal);
    } catch (error) {
      if (!signal.aborted) this.#say(messageOf(error), "error");
    }
  }

  /** Gives the editor the model; not the built-in one for a photograph, unless a person wants it in spite of that. */
  async #start(work: Work, signal?: AbortSignal, isAnyway = false): Promise<void> {
    const isRough = this.#engine.isBuiltIn && !work.isDrawing;
    if (isRough && !isAnyway) {
      work.session.engine = undefined;
      this.#editor.engine = undefined;
      this.#offerModels(work);
      return;
    }
    this.#say(words.starting, "busy");
    const predictor = await this.#engine.predictor();
    if (signal?.aborted === true || this.#work !== work) return;
    if (this.#editor.engine !== predictor) this.#editor.engine = predictor;
    this.#say(isRough ? words.rough : words.ready);
  }

  #offerModels(work: Work): void {
    this.#say(words.needsModel);
    const anyway = (): void =>
      void this.#start(work, undefined, true).catch((error: unknown) => this.#say(messageOf(error), "error"));
    this.#text.append(
      " ",
      h("button", { on: { click: () => this.#showSettings() } }, "Choose a model…"),
      " ",
      h("button", { class: "plain", on: { click: anyway } }, "Try the built-in one"),
    );
  }

  /** The bar below the picture: which image, which result, and the button. */
  #actions(work: Work, isPreview = false): HTMLElement {
    const { target } = work;
    const pictures = this.#selection.targets;
    const change = (): void => {
      this.#keepSettings({ result: result.value });
      showOutline();
    };
    const result = h("select", { label: "Result", on: { change } });
    result.append(...recipesOf(target).map(({ id, name }) => h("option", { value: id }, name)));
    result.value = recipeFor(target, this.#settings.result).id;
    const outline = h("select", {
      label: "Outline",
      on: { change: () => this.#keepCut({ outline: outlines[outline.selectedIndex] ?? "medium" }) },
    });
    outline.append(...outlines.map((width) => h("option", { value: width }, outlineWords[width])));
    outline.value = work.settings.outline;
    const showOutline = (): void => {
      outline.hidden = recipeFor(target, result.value).outline !== true;
    };
    showOutline();
    const hair: HTMLInputElement = h("input", {
      type: "checkbox",
      checked: work.settings.hair,
      on: {
        change: () => {
          this.#keepCut({ hair: hair.checked });
          if (isPreview) void this.#preview(work);
        },
      },
    });
    const ground = h("select", {
      label: "Ground",
      on: {
        change: () => {
          this.#ground = grounds[ground.selectedIndex] ?? "checks";
          if (this.#shown !== undefined) this.#shown.className = this.#ground;
        },
      },
    });
    ground.append(...grounds.map((name) => h("option", { value: name }, groundWords[name])));
    ground.value = this.#ground;
    const image = h("select", {
      label: "Image",
      on: { change: () => void this.#open(pictures[Number(image.value)] ?? target) },
    });
    image.append(
      ...pictures.map(({ name, field }, i) =>
        h("option", { value: String(i) }, field === "strokes" ? `${name} (stroke)` : name),
      ),
    );
    image.value = String(pictures.findIndex(({ node, hash }) => node === target.node && hash === target.hash));
    const isMade = target.made !== null;
    const maskFile = filePicker("image/*", async ([file]) => {
      if (file !== undefined) await this.#importMask((shown) => shown.importMask(file));
    });
    const cautions = [
      ...work.notes.map((note) => noteWords[note]),
      ...target.cautions.map((caution) => cautionWords[caution]),
    ].map((text) => h("p", { class: "dim" }, text));
    return h(
      "div",
      { class: "actions" },
      ...cautions,
      h(
        "div",
        { class: "row" },
        pictures.length > 1 ? image : null,
        ...(isPreview
          ? []
          : [
              h("button", { on: { click: () => void this.#removeBackground() } }, "Remove background"),
              this.#maskLayer(target),
              h("button", { title: words.maskFile, on: { click: maskFile.click } }, "Mask…"),
              maskFile.input,
            ]),
        h(
          "button",
          { class: "plain", title: "Models and settings", on: { click: () => this.#showSettings() } },
          this.#modelName(),
        ),
        h("span", { class: "text" }),
        isMade ? h("button", { on: { click: () => void this.#restore() } }, "Restore original") : null,
        h("label", { class: "check", title: words.hair }, hair, "Hair and fur"),
        isPreview ? ground : null,
        isPreview
          ? h("button", { on: { click: () => void this.#back() } }, "Edit")
          : h("button", { title: words.preview, on: { click: () => void this.#preview(work) } }, "Preview"),
        outline,
        result,
        h("button", { class: "primary", on: { click: () => void this.#apply() } }, isMade ? "Update" : "Cut out"),
      ),
    );
  }

  #edgeInputs(): readonly HTMLElement[] {
    const { feather, decontaminate } = this.#work?.settings ?? this.#settings;
    const number = (value: number): HTMLInputElement =>
      h("input", { type: "number", min: "0", max: "64", value: String(value), on: { change: () => keep() } });
    const inputs = [number(feather), number(decontaminate)] as const;
    const keep = (): void => {
      const [soft = 0, clean = 0] = inputs.map(({ valueAsNumber }) => Math.min(64, Math.max(0, valueAsNumber || 0)));
      this.#keepCut({ feather: soft, decontaminate: clean });
    };
    return [
      h("label", { class: "row" }, "Soften edges, pixels", inputs[0]),
      h("label", { class: "row" }, "Clean edge colours, pixels", inputs[1]),
    ];
  }

  // What a person does.

  async #removeBackground(): Promise<void> {
    const work = this.#work;
    if (work === undefined) return;
    this.#say(words.looking, "busy");
    try {
      const doubts = await work.removeBackground(this.#engine, this.#opening?.signal);
      if (this.#work !== work) return;
      if (doubts === "needs-model") this.#offerModels(work);
      else this.#say(doubts.length === 0 ? words.removedHere : doubtWords(doubts));
    } catch (error) {
      if (this.#work === work) this.#say(messageOf(error), "error");
    }
  }

  #modelName(): string {
    const { choice } = this.#engine;
    if (choice.from === "built-in") return "Model: built in…";
    return `Model: ${choice.from === "hosted" ? titleOf(choice.name) : choice.name}…`;
  }

  async #apply(): Promise<void> {
    const work = this.#work;
    if (work === undefined) return;
    if (!work.isReady) return this.#say(words.ready);
    this.#say(words.making, "busy");
    const recipe = recipeFor(work.target, this.#settings.result);
    try {
      if (recipe.kind === null) {
        const png = encodePng(together(work.cut()), work.colours);
        const given = await givePng(png, `${work.target.name}.png`, recipe.clipboard === true);
        this.#isDirty = false;
        const isElsewhere = recipe.clipboard && given === "file";
        return this.#say(isElsewhere ? words.noClipboard : given === "file" ? words.saved : words.copied);
      }
      const { failed } = await this.#channel.call("apply", { jobs: [await work.job(this.#channel, recipe)] });
      if (failed[0] !== undefined) return this.#say(failed[0].message, "error");
      this.#isDirty = false;
      this.#select(await this.#channel.call("selection", {}));
      return this.#say(words.applied);
    } catch (error) {
      return this.#say(messageOf(error), "error");
    }
  }

  /** A mask that was made elsewhere: a file, or another layer. */
  async #importMask(add: (work: Work) => ReturnType<Work["importMask"]>): Promise<void> {
    const work = this.#work;
    if (work === undefined) return this.#say(words.nothing, "error");
    this.#say(words.loadingMask, "busy");
    try {
      const { count, warnings } = await add(work);
      if (this.#work !== work) return;
      if (!this.#editor.isConnected) await this.#back();
      this.#say([words.maskAdded(count), ...warnings].join(" "));
    } catch (error) {
      if (this.#work === work) this.#say(messageOf(error), "error");
    }
  }

  /** The only other layer that is selected, to be taken as a mask. */
  #maskLayer({ node, hash, geometry }: Target): HTMLElement | null {
    const { targets, refused } = this.#selection;
    const others = new Map([...targets, ...refused].map((one) => [one.node, one.name]));
    others.delete(node);
    const [other] = others.size === 1 ? others : [];
    if (other === undefined) return null;
    const [mask, name] = other;
    const take = (): void =>
      void this.#importMask(async (work) => {
        const { bytes, map } = await this.#channel.call("maskLayer", { node, hash, geometry, mask });
        return work.importMask(new Blob([bytes.slice()]), map);
      });
    return h("button", { title: words.maskLayer, on: { click: take } }, `Mask by ${name}`);
  }

  async #restore(): Promise<void> {
    const work = this.#work;
    if (work === undefined) return;
    try {
      const { failed } = await this.#channel.call("restore", { nodes: [work.target.node] });
      if (failed[0] !== undefined) return this.#say(failed[0].message, "error");
      this.#isDirty = false;
      this.#select(await this.#channel.call("selection", {}));
    } catch (error) {
      this.#say(messageOf(error), "error");
    }
  }

  /** Figma's selection has changed: follow it, unless there is work that would be lost. */
  #select(selection: Selection): void {
    this.#selection = selection;
    if (!this.#follows) return;
    const work = this.#work;
    const same = selection.targets.find(({ node, hash }) => node === work?.target.node && hash === work.target.hash);
    if (work !== undefined && same !== undefined) {
      work.target = same;
      this.#layOut(h("div", { class: "editor" }, this.#editor), this.#actions(work));
      return;
    }
    const [target] = selection.targets;
    if (this.#isDirty) {
      this.#say(words.switched);
      const go = (): void => void (target === undefined ? this.#showNothing() : this.#open(target));
      this.#text.append(" ", h("button", { on: { click: go } }, "Switch"));
      return;
    }
    if (target === undefined) this.#showNothing();
    else void this.#open(target);
  }
}
