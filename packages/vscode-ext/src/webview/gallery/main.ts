/** The page of the gallery, and of the review: both show what the host has, and hold only what is on the screen. */
import type { OverlayObject } from "../../dataset/overlay.ts";
import type { FromGallery, GalleryItem, ToGallery } from "../../dataset/protocol.ts";
import { type Filter, type ImageState, imageStates } from "../../dataset/query.ts";
import { make, sentence, type VsCode, type Words } from "../dom.ts";
import { decodePicture, draw, type Shown } from "../draw.ts";
import { type Grid, gridOf, moved, visible } from "./layout.ts";
import { PictureCache } from "./thumbnails.ts";

interface State {
  readonly filter: Filter;
  readonly at: number;
  readonly review: boolean;
}
declare function acquireVsCodeApi(): VsCode<FromGallery, State>;

const cellWidth = 180;
const rowHeight = 190;
const thumbnailSide = 160;
/** Thumbnails that are on their way. */
const mostWanted = 8;
/** A thousand thumbnails, or a few pictures. */
const mostPixels = 32 * 2 ** 20;

const vscode = acquireVsCodeApi();
const post = (message: FromGallery): void => vscode.postMessage(message);

let words: Words = {};
let filter: Filter = vscode.getState()?.filter ?? {};
let [query, count, total] = [0, 0, 0];
let at = vscode.getState()?.at ?? 0;
let reviewing = vscode.getState()?.review ?? false;
let grid: Grid = gridOf(0, 1, cellWidth, rowHeight);
let chosenDraft = 0;
const selected = new Set<number>();
const items = new Map<number, GalleryItem>();
const cells = new Map<number, HTMLElement>();
const thumbnails = new PictureCache<Shown & { bitmap: ImageBitmap }>(mostPixels);
const pictures = new PictureCache<Shown & { bitmap: ImageBitmap }>(mostPixels);
const problems = new Map<string, string>();
const wanted = new Set<string>();

const word = (name: string, values: Readonly<Record<string, string | number>> = {}): string =>
  sentence(words, name, values);

const search = make("input", { type: "search", id: "search" });
const split = make("select", { id: "split" });
const category = make("select", { id: "category" });
const state = make("select", { id: "state" });
const labelled = (name: string, control: HTMLElement): HTMLElement =>
  make("label", { "data-word": name }, make("span"), control);
const summary = make("output", { class: "summary", "aria-live": "polite" });
const next = make("button", { type: "button", "data-word": "next" });
const propose = make("button", { type: "button" });
const detect = make("button", { type: "button" });
const job = make("output", { class: "job", "aria-live": "polite" });
const stop = make("button", { type: "button", "data-word": "stop", hidden: true });
const bar = make(
  "div",
  { class: "bar", role: "group" },
  labelled("search", search),
  labelled("split", split),
  labelled("class", category),
  labelled("state", state),
  next,
  propose,
  detect,
  stop,
);
const spacer = make("div", { class: "spacer", role: "none" });
const list = make("div", { class: "list", role: "listbox", tabindex: 0, "aria-multiselectable": "true" }, spacer);
const nothing = make("p", { class: "nothing", hidden: true });
const gallery = make(
  "main",
  { class: "gallery" },
  make("h1", { class: "hidden" }),
  bar,
  make("div", { class: "states" }, summary, job),
  list,
  nothing,
);

const title = make("h1", { "aria-live": "polite" });
const back = make("button", { type: "button", "data-word": "back" });
const previous = make("button", { type: "button", "data-word": "previous" });
const following = make("button", { type: "button", "data-word": "following" });
const edit = make("button", { type: "button", "data-word": "edit" });
const accept = make("button", { type: "button", "data-word": "accept" });
const reject = make("button", { type: "button", "data-word": "reject" });
const canvas = make("canvas", { role: "img" });
const notice = make("p", { class: "notice", role: "status" });
const objectsTitle = make("h2");
const objects = make("ul", { class: "objects" });
const review = make(
  "main",
  { class: "review", tabindex: -1, hidden: true },
  make("div", { class: "bar", role: "group" }, back, previous, following, title, edit, accept, reject),
  make(
    "div",
    { class: "stage" },
    make("div", { class: "picture" }, canvas, notice),
    make("section", { class: "side" }, objectsTitle, objects),
  ),
);
document.body.append(gallery, review);

function keep(): void {
  vscode.setState({ filter, at, review: reviewing });
}

function ask(): void {
  keep();
  post({ type: "filter", filter });
}

function fillSelect(
  select: HTMLSelectElement,
  all: string,
  values: readonly (readonly [string, string])[],
  value: string | undefined,
): void {
  // No class can be called so: names with a control character are none of a person's.
  select.replaceChildren(
    make("option", { value: "\u0000" }, all),
    ...values.map(([key, text]) => make("option", { value: key }, text)),
  );
  select.value = value ?? "\u0000";
}

const chosen = (select: HTMLSelectElement): string | undefined =>
  select.value === "\u0000" ? undefined : select.value;

function readFilter(): void {
  const [ofSplit, ofCategory, ofState] = [chosen(split), chosen(category), chosen(state)];
  filter = {
    ...(search.value.trim() !== "" && { search: search.value }),
    ...(ofSplit !== undefined && { split: ofSplit }),
    ...(ofCategory !== undefined && { category: ofCategory }),
    ...(ofState !== undefined && { state: ofState as ImageState }),
  };
  at = 0;
  ask();
}

function say(): void {
  const { size } = selected;
  propose.textContent = size > 0 ? word("proposeSelected", { count: size }) : word("propose");
  detect.textContent = size > 0 ? word("detectSelected", { count: size }) : word("detect");
}

function layout(): void {
  grid = gridOf(count, Math.max(cellWidth, list.clientWidth), cellWidth, rowHeight);
  spacer.style.height = `${grid.height}px`;
  render();
}

/** Makes the cells that are on the screen, and asks for what they need. */
function render(): void {
  if (reviewing || list.clientHeight === 0) return;
  const { from, to } = visible(grid, count, list.scrollTop, list.clientHeight);
  for (const [place, cell] of cells) {
    if (place >= from && place < to) continue;
    cell.remove();
    cells.delete(place);
  }
  for (const place of items.keys()) if (place < from || place >= to) items.delete(place);
  let [missing, isNew] = [false, false];
  for (let place = from; place < to; place++) {
    let cell = cells.get(place);
    if (cell === undefined) {
      cell = make("div", { class: "cell", role: "option", id: `cell-${place}` });
      cell.style.width = `${grid.cell}px`;
      cells.set(place, cell);
      isNew = true;
    }
    cell.style.transform = `translate(${(place % grid.columns) * grid.cell}px, ${Math.floor(place / grid.columns) * grid.row}px)`;
    const item = items.get(place);
    if (item === undefined) missing = true;
    fillCell(cell, place, item);
  }
  // Screen readers read the option that is the active one in the document's order.
  if (isNew) spacer.append(...[...cells].sort(([a], [b]) => a - b).map(([, cell]) => cell));
  wantThumbnails(from, to);
  if (missing) post({ type: "window", query, from, to });
  if (count > 0) list.setAttribute("aria-activedescendant", `cell-${at}`);
  else list.removeAttribute("aria-activedescendant");
}

function fillCell(cell: HTMLElement, place: number, item: GalleryItem | undefined): void {
  cell.setAttribute("aria-setsize", String(count));
  cell.setAttribute("aria-posinset", String(place + 1));
  cell.setAttribute("aria-selected", String(selected.has(place)));
  cell.classList.toggle("at", place === at);
  const key =
    item === undefined
      ? ""
      : `${item.path}\n${item.states.join()}\n${item.objects}\n${item.drafts}\n${thumbnails.get(item.path) === undefined}\n${problems.get(item.path) ?? ""}`;
  if (cell.dataset["key"] === key) return;
  cell.dataset["key"] = key;
  if (item === undefined) {
    cell.setAttribute("aria-label", "…");
    cell.replaceChildren();
    return;
  }
  cell.removeAttribute("aria-label");
  const facts = factsOf(item);
  const problem = item.missing ? word("missing") : problems.get(item.path);
  const shown = thumbnails.get(item.path);
  const thumbnail = make("canvas", { class: "thumbnail", "aria-hidden": "true" });
  if (shown !== undefined) draw(thumbnail, shown);
  cell.replaceChildren(
    make("div", { class: "frame" }, problem === undefined ? thumbnail : make("span", { class: "problem" }, problem)),
    make("div", { class: "name" }, item.name),
    make("div", { class: "facts" }, facts),
  );
}

/** Those on the screen first, and few at a time: what was scrolled past is never asked for. */
function wantThumbnails(from: number, to: number): void {
  const middle = ((list.scrollTop + list.clientHeight / 2) / grid.row) * grid.columns;
  const lacking = [...items]
    .filter(
      ([place, { path, missing }]) =>
        place >= from && place < to && !missing && !problems.has(path) && thumbnails.get(path) === undefined,
    )
    .sort(([a], [b]) => Math.abs(a - middle) - Math.abs(b - middle));
  for (const [, { path }] of lacking) {
    if (wanted.size >= mostWanted) return;
    want(path, thumbnailSide);
  }
}

let isScheduled = false;
/** Renders once for all that has happened until the next frame. */
function schedule(): void {
  if (isScheduled) return;
  isScheduled = true;
  requestAnimationFrame(() => {
    isScheduled = false;
    render();
  });
}

function factsOf({ states, objects: number, drafts, split: ofSplit }: GalleryItem): string {
  const parts = states.map((one) => word(one));
  if (states.includes("accepted")) parts[0] = word("objects", { count: number });
  if (drafts > 0) parts[states.indexOf("draft")] = word("drafts", { count: drafts });
  return [...(ofSplit === "" ? [] : [ofSplit]), ...parts].join(" · ");
}

function want(path: string, side: number): void {
  const key = `${side} ${path}`;
  if (wanted.has(key)) return;
  wanted.add(key);
  post({ type: "picture", path, side });
}

/** Shows a place: in the gallery by scrolling there, in the review as the picture. */
function go(to: number): void {
  at = Math.max(0, Math.min(count - 1, to));
  keep();
  if (reviewing) {
    chosenDraft = 0;
    if (!items.has(at)) post({ type: "window", query, from: at - 2, to: at + 4 });
    renderReview();
    return;
  }
  const top = Math.floor(at / grid.columns) * grid.row;
  if (top < list.scrollTop) list.scrollTop = top;
  else if (top + grid.row > list.scrollTop + list.clientHeight) list.scrollTop = top + grid.row - list.clientHeight;
  render();
}

function setReview(on: boolean): void {
  reviewing = on && count > 0;
  gallery.hidden = reviewing;
  review.hidden = !reviewing;
  keep();
  if (reviewing) {
    review.focus();
    go(at);
  } else {
    layout();
    go(at);
    list.focus();
  }
}

const reviewSide = (): number =>
  Math.max(
    256,
    Math.ceil(Math.max(canvas.parentElement?.clientWidth ?? 0, canvas.parentElement?.clientHeight ?? 0) / 256) * 256,
  );

function renderReview(): void {
  const item = items.get(at);
  previous.disabled = at === 0;
  following.disabled = at >= count - 1;
  if (item === undefined) return;
  title.textContent = word("position", { name: item.name, place: at + 1, count });
  const problem = item.missing ? word("missing") : problems.get(item.path);
  notice.textContent = problem ?? "";
  const shown = pictures.get(item.path);
  canvas.hidden = shown === undefined;
  const overlay = shown?.overlay ?? [];
  const drafts = draftsOf(overlay);
  chosenDraft = Math.min(chosenDraft, drafts.length);
  const picked = drafts[chosenDraft - 1];
  if (shown !== undefined) draw(canvas, shown, picked);
  canvas.setAttribute("aria-label", `${item.name}: ${factsOf(item)}`);
  accept.disabled = reject.disabled = drafts.length === 0;
  objectsTitle.textContent = overlay.length === 0 ? word("noObjects") : word("objectList");
  objects.hidden = overlay.length === 0;
  objects.replaceChildren(...overlay.map((object) => objectItem(object, object === picked)));
  if (shown === undefined && problem === undefined) want(item.path, reviewSide());
  // The neighbours are there before anybody goes to them.
  for (const place of [at + 1, at + 2, at - 1]) {
    const near = items.get(place);
    if (near === undefined) {
      if (place >= 0 && place < count) post({ type: "window", query, from: at - 2, to: at + 4 });
    } else if (!near.missing && !problems.has(near.path) && pictures.get(near.path) === undefined)
      want(near.path, reviewSide());
  }
  if (shown !== undefined) pictures.get(item.path); // is the last to go
}

const draftsOf = (overlay: readonly OverlayObject[]): readonly OverlayObject[] =>
  overlay.filter(({ draft }) => draft !== undefined);

function objectItem(object: OverlayObject, isChosen: boolean): HTMLElement {
  const name = object.category ?? word("noClass");
  const text = object.draft === undefined ? name : word("draftOf", { name, score: (object.score ?? 0).toFixed(2) });
  const [r, g, b] = object.colour;
  const swatch = make("span", { class: `swatch${object.draft === undefined ? "" : " draft"}`, "aria-hidden": "true" });
  swatch.style.background = `rgb(${r} ${g} ${b})`;
  return make(
    "li",
    { class: isChosen ? "at" : undefined, "aria-current": isChosen ? "true" : undefined },
    swatch,
    text,
  );
}

function decide(type: "accept" | "reject"): void {
  const item = items.get(at);
  const shown = item && pictures.get(item.path);
  if (item === undefined || shown === undefined) return;
  const drafts = draftsOf(shown.overlay);
  const picked = drafts[chosenDraft - 1];
  const ids = (picked === undefined ? drafts : [picked]).flatMap(({ draft }) => draft ?? []);
  if (ids.length > 0) post({ type, path: item.path, ids });
}

async function received(message: ToGallery): Promise<void> {
  switch (message.type) {
    case "dataset": {
      words = message.words;
      filter = message.filter;
      thumbnails.clear();
      pictures.clear();
      problems.clear();
      wanted.clear();
      for (const one of document.querySelectorAll<HTMLElement>("[data-word]")) {
        const text = word(one.dataset["word"] as string);
        if (one instanceof HTMLLabelElement) (one.firstElementChild as HTMLElement).textContent = text;
        else one.textContent = text;
      }
      gallery.querySelector("h1")?.replaceChildren(message.name);
      search.placeholder = word("searchHelp");
      search.value = filter.search ?? "";
      list.setAttribute("aria-label", word("pictures"));
      list.title = word("help");
      fillSelect(
        split,
        word("allSplits"),
        message.splits.map((one) => [one, one]),
        filter.split,
      );
      fillSelect(
        category,
        word("allClasses"),
        message.classes.map(({ name }) => [name, name]),
        filter.category,
      );
      fillSelect(
        state,
        word("allStates"),
        imageStates.map((one) => [one, word(one)]),
        filter.state,
      );
      propose.hidden = !message.canPropose;
      detect.hidden = !message.canPropose;
      say();
      return;
    }
    case "result":
      ({ query, count, total } = message);
      items.clear();
      selected.clear();
      say();
      for (const cell of cells.values()) cell.remove();
      cells.clear();
      at = Math.max(0, Math.min(count - 1, at));
      summary.textContent = message.problem ?? word("shown", { count, total });
      search.setAttribute("aria-invalid", String(message.problem !== undefined));
      nothing.hidden = count > 0 || message.problem !== undefined;
      nothing.textContent = word("nothing");
      if (reviewing && count > 0) setReview(true);
      else if (reviewing) setReview(false);
      else {
        layout();
        go(at);
      }
      return;
    case "items":
      if (message.query !== query) return;
      for (const [i, item] of message.items.entries()) items.set(message.from + i, item);
      if (reviewing) renderReview();
      else render();
      return;
    case "picture":
      await pictureCame(message);
      return;
    case "go":
      if (message.review !== reviewing) setReview(message.review);
      go(message.at);
      return;
    case "status":
      job.textContent = message.text;
      stop.hidden = !message.isRunning;
      propose.disabled = message.isRunning;
      detect.disabled = message.isRunning;
      return;
    case "decode":
      post(await pixelsOf(message.id, message.bytes));
      return;
  }
}

async function pictureCame({
  path,
  bytes,
  problem,
  size,
  overlay,
  side,
}: Extract<ToGallery, { type: "picture" }>): Promise<void> {
  wanted.delete(`${side} ${path}`);
  if (bytes === undefined) problems.set(path, word("unreadable", { message: problem ?? "" }));
  else {
    try {
      const bitmap = await decodePicture(bytes, side);
      (side === thumbnailSide ? thumbnails : pictures).set(path, { bitmap, size, overlay });
    } catch (error) {
      problems.set(path, word("unreadable", { message: error instanceof Error ? error.message : String(error) }));
    }
  }
  if (reviewing) {
    if (items.get(at)?.path === path) renderReview();
  } else schedule();
}

/** Pixels as a model takes them. */
async function pixelsOf(id: number, bytes: ArrayBuffer): Promise<FromGallery> {
  try {
    const bitmap = await createImageBitmap(new Blob([bytes]), {
      imageOrientation: "from-image",
      colorSpaceConversion: "default",
    });
    const { width, height } = bitmap;
    const context = new OffscreenCanvas(width, height).getContext("2d");
    if (context === null) throw new Error("no canvas");
    context.drawImage(bitmap, 0, 0);
    bitmap.close();
    const { data } = context.getImageData(0, 0, width, height);
    return {
      type: "decoded",
      id,
      picture: { width, height, channels: 4, data: data.buffer as ArrayBuffer },
      problem: undefined,
    };
  } catch (error) {
    return { type: "decoded", id, picture: undefined, problem: error instanceof Error ? error.message : String(error) };
  }
}

function placeOf(event: Event): number | undefined {
  const cell = event.target instanceof Element ? event.target.closest<HTMLElement>(".cell") : null;
  return cell === null ? undefined : Number(cell.id.slice("cell-".length));
}

let typing: ReturnType<typeof setTimeout> | undefined;
search.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(readFilter, 150);
});
for (const select of [split, category, state]) select.addEventListener("change", readFilter);
next.addEventListener("click", () => post({ type: "next-unlabelled", after: at, review: reviewing }));
propose.addEventListener("click", () => post({ type: "propose", places: [...selected] }));
detect.addEventListener("click", () => post({ type: "detect", places: [...selected] }));
stop.addEventListener("click", () => post({ type: "stop" }));
list.addEventListener("scroll", schedule, { passive: true });
list.addEventListener("click", (event) => {
  const place = placeOf(event);
  if (place === undefined) return;
  if (event.ctrlKey || event.metaKey || event.shiftKey) toggle(place, event.shiftKey ? at : place);
  go(place);
});
list.addEventListener("dblclick", (event) => {
  if (placeOf(event) !== undefined) setReview(true);
});
list.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const to = moved(grid, count, at, event.key, list.clientHeight);
  if (to !== undefined) {
    if (event.shiftKey) toggle(to, at);
    go(to);
  } else if (event.key === "Enter") setReview(true);
  else if (event.key === " ") {
    toggle(at, at);
    render();
  } else if (event.key.toLowerCase() === "n") post({ type: "next-unlabelled", after: at, review: false });
  else return;
  event.preventDefault();
});

/** Selects a range; one place alone goes to and fro. */
function toggle(to: number, from: number): void {
  if (to === from && selected.has(to)) selected.delete(to);
  else for (let place = Math.min(from, to); place <= Math.max(from, to); place++) selected.add(place);
  say();
}

back.addEventListener("click", () => setReview(false));
previous.addEventListener("click", () => go(at - 1));
following.addEventListener("click", () => go(at + 1));
edit.addEventListener("click", () => {
  const item = items.get(at);
  if (item !== undefined) post({ type: "open", path: item.path });
});
accept.addEventListener("click", () => decide("accept"));
reject.addEventListener("click", () => decide("reject"));
review.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const keys: Readonly<Record<string, () => void>> = {
    ArrowLeft: () => go(at - 1),
    ArrowRight: () => go(at + 1),
    Home: () => go(0),
    End: () => go(count - 1),
    ArrowDown: () => pick(1),
    ArrowUp: () => pick(-1),
    Escape: () => setReview(false),
    a: () => decide("accept"),
    x: () => decide("reject"),
    e: () => edit.click(),
    n: () => post({ type: "next-unlabelled", after: at, review: true }),
  };
  const run = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (run === undefined) return;
  event.preventDefault();
  run();
});

function pick(step: number): void {
  const item = items.get(at);
  const drafts = draftsOf((item && pictures.get(item.path))?.overlay ?? []);
  chosenDraft = (chosenDraft + step + drafts.length + 1) % (drafts.length + 1);
  renderReview();
}

new ResizeObserver(() => (reviewing ? renderReview() : layout())).observe(document.body);
addEventListener("message", (event: MessageEvent<ToGallery>) => void received(event.data));
post({ type: "ready" });
