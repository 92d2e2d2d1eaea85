/** The page of a comparison: the pictures that differ, and one of them with what was on one side and what is on the other. */
import type { ComparisonMessage, FromComparison, SidesMessage } from "../../dataset/pages.ts";
import { make, sentence, type VsCode, type Words } from "../dom.ts";
import { decodePicture, drawObjects } from "../draw.ts";

declare function acquireVsCodeApi(): VsCode<FromComparison>;

const vscode = acquireVsCodeApi();
const post = (message: FromComparison): void => vscode.postMessage(message);
const side = 1024;

let words: Words = {};
let images: ComparisonMessage["images"] = [];
let at = 0;
let sides: (SidesMessage & { readonly bitmap: ImageBitmap | undefined }) | undefined;

const word = (name: string, values: Readonly<Record<string, string | number>> = {}): string =>
  sentence(words, name, values);

const title = make("h1");
const summary = make("p");
const markdown = make("button", { type: "button" });
const json = make("button", { type: "button" });
const edit = make("button", { type: "button" });
const list = make("ul", { class: "list", role: "listbox", tabindex: 0 });
const canvas = make("canvas", { role: "img" });
const notice = make("p", { role: "status" });
const names = make("p", { class: "names" });
const swipe = make("input", { type: "range", min: 0, max: 100, value: 50 });
const swipeLabel = make("label", { class: "swipe" }, make("span"), swipe);
const stage = make("section", { class: "stage" }, names, canvas, notice, swipeLabel, edit);
document.body.append(
  make(
    "main",
    {},
    title,
    summary,
    make("div", { class: "bar" }, markdown, json),
    make("div", { class: "columns" }, list, stage),
  ),
);

function show(message: ComparisonMessage): void {
  ({ words, images } = message);
  const { before, after, counts, more } = message;
  title.textContent = word("title", { before, after });
  summary.textContent = images.length === 0 ? word("nothing") : word("summary", { ...counts });
  markdown.textContent = word("markdown");
  json.textContent = word("json");
  edit.textContent = word("edit");
  (swipeLabel.firstElementChild as HTMLElement).textContent = word("swipe");
  names.replaceChildren(
    make("span", {}, word("before", { name: before })),
    make("span", {}, word("after", { name: after })),
  );
  list.setAttribute("aria-label", word("pictures"));
  stage.hidden = images.length === 0;
  list.hidden = images.length === 0;
  list.replaceChildren(
    ...images.map(({ file, added, removed, changed, resized }, i) => {
      const parts = [
        ...(resized ? [word("resized")] : []),
        ...(added.length > 0 ? [word("added", { count: added.length })] : []),
        ...(removed.length > 0 ? [word("removed", { count: removed.length })] : []),
        ...(changed.length > 0 ? [word("changed", { count: changed.length })] : []),
      ];
      return make(
        "li",
        { role: "option", id: `image-${i}`, "aria-selected": "false" },
        make("span", { class: "name" }, file),
        ` ${parts.join(", ")}`,
      );
    }),
  );
  if (more > 0) summary.append(` ${word("more", { count: more })}`);
  if (images.length > 0) go(0);
}

function go(to: number): void {
  document.getElementById(`image-${at}`)?.setAttribute("aria-selected", "false");
  at = Math.max(0, Math.min(images.length - 1, to));
  const item = document.getElementById(`image-${at}`);
  item?.setAttribute("aria-selected", "true");
  item?.scrollIntoView({ block: "nearest" });
  list.setAttribute("aria-activedescendant", `image-${at}`);
  post({ type: "sides", at, side });
}

async function showSides(message: SidesMessage): Promise<void> {
  if (message.at !== at) return;
  let { problem } = message;
  let bitmap: ImageBitmap | undefined;
  try {
    bitmap = message.bytes && (await decodePicture(message.bytes, side));
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
  }
  if (message.at !== at) {
    bitmap?.close();
    return;
  }
  sides?.bitmap?.close();
  sides = { ...message, bitmap };
  notice.textContent = problem === undefined ? "" : word("unreadable", { message: problem });
  drawSides();
}

/** What was before on the left of the line, what is now on its right. */
function drawSides(): void {
  if (sides === undefined) return;
  const { bitmap, size, before, after } = sides;
  const width = bitmap?.width ?? size?.width ?? 1;
  const height = bitmap?.height ?? size?.height ?? 1;
  canvas.width = width;
  canvas.height = height;
  canvas.setAttribute("aria-label", images[at]?.file ?? "");
  const context = canvas.getContext("2d");
  if (context === null) return;
  if (bitmap !== undefined) context.drawImage(bitmap, 0, 0);
  const line = (width * swipe.valueAsNumber) / 100;
  const [scaleX, scaleY] = [width / (size?.width ?? width), height / (size?.height ?? height)];
  for (const [objects, from, to] of [[before, 0, line] as const, [after, line, width] as const]) {
    context.save();
    context.beginPath();
    context.rect(from, 0, to - from, height);
    context.clip();
    drawObjects(context, objects, scaleX, scaleY);
    context.restore();
  }
  context.setLineDash([]);
  context.lineWidth = 3;
  context.strokeStyle = "#000";
  context.strokeRect(line, -5, 0, height + 10);
  context.lineWidth = 1;
  context.strokeStyle = "#fff";
  context.strokeRect(line, -5, 0, height + 10);
}

markdown.addEventListener("click", () => post({ type: "report", format: "markdown" }));
json.addEventListener("click", () => post({ type: "report", format: "json" }));
edit.addEventListener("click", () => post({ type: "open", at }));
swipe.addEventListener("input", drawSides);
list.addEventListener("click", (event) => {
  const item = event.target instanceof Element ? event.target.closest("li") : null;
  if (item !== null) go(Number(item.id.slice("image-".length)));
});
list.addEventListener("keydown", (event) => {
  const steps: Readonly<Record<string, number>> = {
    ArrowUp: -1,
    ArrowDown: 1,
    PageUp: -10,
    PageDown: 10,
    Home: -images.length,
    End: images.length,
  };
  const step = steps[event.key];
  if (step === undefined) return;
  event.preventDefault();
  go(at + step);
});
addEventListener("message", ({ data }: MessageEvent<ComparisonMessage | SidesMessage>) => {
  if (data.type === "comparison") show(data);
  else void showSides(data);
});
post({ type: "ready" });
