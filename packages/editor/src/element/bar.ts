import { stepText } from "../step.ts";
import { fillIn } from "../words.ts";
import { button, roving, select } from "./controls.ts";
import { h, setAttribute } from "./dom.ts";
import { ZOOM_STEP } from "./hands.ts";
import type { Parts } from "./parts.ts";
import type { Backdrop, Display } from "./render.ts";
import { type EditorTool, toolKeys, tools } from "./tools.ts";

/** Tools, history, and how the picture is shown. */
export function buildBar(parts: Parts): readonly Node[] {
  const { editor, stage, attempt, onUpdate } = parts;
  const { words } = editor;
  const names: Readonly<Record<EditorTool, string>> = {
    select: words.toolSelect,
    point: words.toolPoint,
    box: words.toolBox,
    lasso: words.toolLasso,
    scribble: words.toolScribble,
    brush: words.toolBrush,
    erase: words.toolErase,
    reshape: words.toolReshape,
  };
  const toggle = (made: HTMLButtonElement, isOn: boolean): void => setAttribute(made, "aria-pressed", String(isOn));
  const toolButtons = tools.map((tool) =>
    button(
      parts,
      tool,
      names[tool],
      () => {
        editor.tool = tool;
      },
      (made) => {
        toggle(made, editor.tool === tool);
        setAttribute(made, "aria-keyshortcuts", toolKeys[tool]);
      },
    ),
  );
  const notOnIt = button(
    parts,
    "notOnIt",
    words.notOnIt,
    () => {
      editor.notOnIt = !editor.notOnIt;
    },
    (made) => toggle(made, editor.notOnIt),
  );
  notOnIt.append(words.notOnIt);
  const history = (["undo", "redo"] as const).map((which) =>
    button(
      parts,
      which,
      words[which],
      () => attempt((session) => (editor.history ?? session)[which]()),
      (made) => {
        const step = editor.session?.[`${which}Step`];
        const own = step === undefined ? undefined : stepText(step, words.steps);
        const what = editor.history ? editor.history[`${which}Text`] : own;
        const isWaiting = which === "undo" && (editor.session?.pending.length ?? 0) > 0;
        setAttribute(made, "disabled", what === undefined && !isWaiting);
        made.hidden = editor.history === null;
        const text = what === undefined ? words[which] : fillIn(words[`${which}Step`], { step: what });
        setAttribute(made, "aria-label", text);
        setAttribute(made, "title", text);
      },
    ),
  );
  const view = [
    button(parts, "zoomOut", words.zoomOut, () => stage.zoomBy(1 / ZOOM_STEP)),
    button(parts, "zoomIn", words.zoomIn, () => stage.zoomBy(ZOOM_STEP)),
    button(parts, "fit", words.fit, () => stage.fit()),
  ];
  const brush = h("input", {
    type: "range",
    class: "brush",
    min: 1,
    max: 100,
    "aria-label": words.brushSize,
    title: words.brushSize,
    input: () => {
      editor.brushSize = brush.valueAsNumber;
    },
  });
  onUpdate(() => {
    brush.value = String(Math.round(editor.brushSize));
    // Its place stays, so that the picture does not move.
    setAttribute(brush, "data-idle", editor.tool !== "brush" && editor.tool !== "erase");
  });
  const display = select<Display>(
    parts,
    words.display,
    [
      ["both", words.displayBoth],
      ["fill", words.displayFill],
      ["outline", words.displayOutline],
      ["none", words.displayNone],
    ],
    () => editor.display,
    (value) => {
      editor.display = value;
    },
  );
  const backdrop = select<Backdrop>(
    parts,
    words.backdrop,
    [
      ["picture", words.backdropPicture],
      ["checker", words.backdropChecker],
      ["black", words.backdropBlack],
      ["white", words.backdropWhite],
      ["colour", words.backdropColour],
    ],
    () => editor.backdrop,
    (value) => {
      editor.backdrop = value;
    },
  );
  const original = button(
    parts,
    "",
    words.before,
    () => {
      editor.showsOriginal = !editor.showsOriginal;
    },
    (made) => toggle(made, editor.showsOriginal),
  );
  const group = (...children: readonly Node[]): Node => h("div", { class: "group" }, ...children);
  const toolbar = h("div", { class: "group", role: "toolbar", "aria-label": words.tools }, ...toolButtons);
  // Beside the tool that it is for most often, so that it is in sight on a phone.
  toolButtons[tools.indexOf("point")]?.after(notOnIt);
  roving(toolbar);
  return [toolbar, brush, group(...history), group(...view), group(display, backdrop, original)];
}
