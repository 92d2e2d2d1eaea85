/** Many layers at once: each picture is looked at once, shown for review, and all are applied in one step. */
import type { RawImage } from "@masklet/core";
import { imageDataFrom } from "@masklet/core/web";
import type { CutSettings, Failure, Job, Refused, Target } from "../protocol.ts";
import type { Channel } from "./channel.ts";
import { h } from "./dom.ts";
import type { Engine } from "./engine.ts";
import { type Recipe, recipeFor, recipes, together } from "./results.ts";
import { doubtWords, refusalWords, words } from "./words.ts";
import { type Removal, Work } from "./work.ts";

export interface BatchOptions {
  readonly channel: Channel;
  readonly engine: Engine;
  readonly targets: readonly Target[];
  readonly refused: readonly Refused[];
  readonly settings: CutSettings;
  readonly recipe: string;
  readonly onRecipe: (id: string) => void;
  /** A person wants to do one by hand. */
  readonly onOpen: (target: Target) => void;
  readonly say: (text: string, kind?: "busy" | "error") => void;
}

interface Item {
  readonly target: Target;
  readonly card: HTMLElement;
  readonly box: HTMLInputElement;
  readonly note: HTMLElement;
  readonly picture: HTMLCanvasElement;
  job: Job | undefined;
  state: "open" | "working" | "done";
}

export class Batch {
  readonly element: HTMLElement;
  readonly panel: HTMLElement;
  readonly #options: BatchOptions;
  readonly #items: readonly Item[];
  readonly #apply: HTMLButtonElement;
  readonly #stop: HTMLButtonElement;
  #recipe: string;
  /** The picture looked at last: the layers that share it come one after the other. */
  #last: { readonly work: Work; readonly doubts: Removal } | undefined;
  /** Ends the work under way, when it begins anew or is stopped. */
  #run = new AbortController();

  constructor(options: BatchOptions) {
    this.#options = options;
    this.#recipe = options.recipe;
    // Of a layer with several images the topmost.
    const first = new Map<string, Target>();
    for (const target of options.targets) if (!first.has(target.node)) first.set(target.node, target);
    this.#items = [...first.values()].map((target) => this.#item(target));
    const refused = options.refused.map(({ name, refusal }) =>
      h("li", { class: "dim" }, `${name} ${refusalWords[refusal]}.`),
    );
    this.element = h("div", { class: "grid" }, ...this.#items.map(({ card }) => card));
    this.#apply = h("button", { class: "primary", disabled: true, on: { click: () => void this.apply() } }, "Apply");
    this.#stop = h("button", { on: { click: () => this.stop() } }, "Stop");
    const select = h(
      "select",
      {
        label: "Result",
        on: {
          change: () => {
            this.#recipe = select.value;
            options.onRecipe(select.value);
            void this.start();
          },
        },
      },
      ...recipes.filter(({ kind }) => kind !== null).map(({ id, name }) => h("option", { value: id }, name)),
    );
    select.value = this.#recipe;
    this.panel = h(
      "div",
      { class: "panel" },
      h("section", {}, h("h2", {}, "Result"), select, this.#apply, this.#stop),
      refused.length === 0 ? null : h("section", {}, h("h2", {}, "Left out"), h("ul", {}, ...refused)),
    );
  }

  /** Looks at every picture; what came of it is on its card. */
  async start(): Promise<void> {
    this.#run.abort();
    this.#run = new AbortController();
    const { signal } = this.#run;
    const { say } = this.#options;
    this.#stop.disabled = false;
    const hashes = [...new Set(this.#items.map(({ target }) => target.hash))];
    const grouped = hashes.flatMap((hash) => this.#items.filter(({ target }) => target.hash === hash));
    for (const [i, item] of grouped.entries()) {
      if (signal.aborted) return;
      say(`Image ${i + 1} of ${this.#items.length}…`, "busy");
      await this.#look(item, signal);
    }
    if (!signal.aborted) this.#sum(words.lookedAt);
  }

  /** Ends what is under way; what was not looked at can be, one by one. */
  stop(): void {
    this.#run.abort();
    for (const item of this.#items) {
      if (item.state === "done") continue;
      item.state = "open";
      item.note.replaceChildren("Not looked at. ", this.#again(item, "Look at it"));
    }
    this.#sum(words.stopped);
  }

  #sum(say: (ready: number, all: number) => string): void {
    this.#stop.disabled = this.#items.every(({ state }) => state !== "working");
    const ready = this.#items.filter(({ job }) => job !== undefined).length;
    this.#options.say(say(ready, this.#items.length));
    this.#count();
  }

  /** Looks at one once more, until a new run or Stop ends it. */
  #again(item: Item, text: string): HTMLElement {
    const look = async (): Promise<void> => {
      if (this.#run.signal.aborted) this.#run = new AbortController();
      const { signal } = this.#run;
      this.#stop.disabled = false;
      await this.#look(item, signal);
      if (!signal.aborted) this.#sum(words.lookedAt);
    };
    return h("button", { on: { click: () => void look() } }, text);
  }

  /** Applies what is ready and chosen, in one step of undo. */
  async apply(): Promise<void> {
    const { channel, say } = this.#options;
    const chosen = this.#items.filter(({ box, job }) => box.checked && job !== undefined);
    const jobs = chosen.map(({ job }) => job as Job);
    say("Making the results…", "busy");
    this.#apply.disabled = true;
    try {
      const { made, failed } = await channel.call("apply", { jobs });
      for (const item of chosen)
        this.#done(
          item,
          failed.find(({ node }) => node === item.target.node),
        );
      say(
        `${made.length} of ${jobs.length} done. One undo takes all of them back.`,
        failed.length > 0 ? "error" : undefined,
      );
    } catch (error) {
      say(messageOf(error), "error");
    }
    this.#count();
  }

  #done(item: Item, failure: Failure | undefined): void {
    item.job = undefined;
    item.box.checked = false;
    item.box.disabled = true;
    item.note.replaceChildren(failure === undefined ? "Done" : failure.message);
  }

  #item(target: Target): Item {
    const box = h("input", {
      type: "checkbox",
      disabled: true,
      label: `Apply to ${target.name}`,
      on: { change: () => this.#count() },
    });
    const note = h("p", { class: "dim" }, "Waiting");
    const picture = h("canvas", { label: `Cutout of ${target.name}` });
    const select = (): void => void this.#options.channel.call("select", { nodes: [target.node] });
    const name = h(
      "button",
      { class: "plain name", title: "Show it on the canvas", on: { click: select } },
      target.name,
    );
    const card = h("div", { class: "card" }, picture, h("div", { class: "row" }, name, box), note);
    return { target, card, box, note, picture, job: undefined, state: "open" };
  }

  async #look(item: Item, signal: AbortSignal): Promise<void> {
    const { channel, engine, settings, onOpen } = this.#options;
    const { target, box, note, picture } = item;
    item.job = undefined;
    item.state = "working";
    box.disabled = true;
    note.replaceChildren("Working…");
    const byHand = h("button", { on: { click: () => onOpen(target) } }, "By hand…");
    try {
      const last = this.#last;
      const isSame = last?.work.target.hash === target.hash && last.work.target.made === null && target.made === null;
      const known = isSame ? last : undefined;
      const work = known?.work.in(target) ?? (await Work.open({ channel, target, settings }));
      if (signal.aborted) return;
      // What a person has made of it before stays.
      const find = (): Promise<Removal> => (work.isReady ? Promise.resolve([]) : work.removeBackground(engine, signal));
      const doubts = known === undefined ? await find() : known.doubts;
      if (signal.aborted) return;
      this.#last = { work, doubts };
      if (doubts === "needs-model" || !work.isReady) {
        note.replaceChildren(doubts === "needs-model" ? words.needsModelShort : doubtWords(doubts), " ", byHand);
        item.state = "done";
        await draw(picture, work.image);
        return;
      }
      await draw(picture, together(work.cut()));
      const recipe: Recipe = recipeFor(target, this.#recipe);
      const job = await work.job(channel, recipe.kind === null ? recipeFor(target, "") : recipe);
      if (signal.aborted) return;
      item.job = job;
      item.state = "done";
      box.disabled = false;
      box.checked = doubts.length === 0;
      note.replaceChildren(...(doubts.length === 0 ? ["Ready"] : [`${doubtWords(doubts)} `, byHand]));
    } catch (error) {
      if (signal.aborted) return;
      item.state = "done";
      note.replaceChildren(`${messageOf(error)} `, this.#again(item, "Retry"));
    }
    this.#count();
  }

  #count(): void {
    const count = this.#items.filter(({ box, job }) => box.checked && job !== undefined).length;
    this.#apply.disabled = count === 0;
    this.#apply.textContent = count === 0 ? "Apply" : `Apply to ${count}`;
  }
}

/** Draws a picture, made smaller if it has more than `most` pixels a side. */
export async function draw(canvas: HTMLCanvasElement, image: RawImage, most = 240): Promise<void> {
  const factor = Math.min(1, most / Math.max(image.width, image.height));
  canvas.width = Math.max(1, Math.round(image.width * factor));
  canvas.height = Math.max(1, Math.round(image.height * factor));
  const size = { resizeWidth: canvas.width, resizeHeight: canvas.height, resizeQuality: "medium" } as const;
  const small = await createImageBitmap(imageDataFrom(image), size);
  canvas.getContext("2d")?.drawImage(small, 0, 0);
  small.close();
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
