/** What can be done to the selected object. */
import type { EditorObject } from "../document.ts";
import type { EditorSession } from "../session.ts";
import type { Step } from "../step.ts";
import { fillIn } from "../words.ts";
import { button, range } from "./controls.ts";
import { h, setAttribute, setText } from "./dom.ts";
import type { Parts } from "./parts.ts";

export function buildFields(parts: Parts): Node {
  const { editor, marked, attempt, update, onUpdate } = parts;
  const { words } = editor;
  const { steps } = words;
  const selected = (): EditorObject | undefined => {
    const session = editor.session;
    return session === undefined || session.selected === null ? undefined : session.object(session.selected);
  };
  const act = (label: string, command: (session: EditorSession) => Step | undefined): HTMLButtonElement =>
    button(parts, "", label, () => attempt(command));
  const name = h("input", {
    type: "text",
    change: () => attempt((session) => session.rename(name.value.trim() || null)),
  });
  const candidates = h("div", { class: "ops", role: "group", "aria-label": words.candidates });
  const classes = h("select", { change: () => attempt((session) => session.setClass(classes.value || null)) });
  const classRow = h("label", { class: "row" }, words.class, classes);
  const accept = button(
    parts,
    "",
    words.accept,
    () => {
      const object = selected();
      if (object === undefined) return;
      attempt((session) => session.setState(object.state === "draft" ? "accepted" : "draft", [object.id]));
    },
    (made) => setText(made, selected()?.state === "accepted" ? words.back : words.accept),
  );
  const merge = button(
    parts,
    "",
    steps.merge,
    () =>
      attempt((session) => {
        const step = session.merge([...(session.selected === null ? [] : [session.selected]), ...marked]);
        marked.clear();
        update();
        return step;
      }),
    (made) => {
      const { selected: id = null } = editor.session ?? {};
      const others = [...marked].filter((one) => one !== id).length;
      setAttribute(made, "disabled", others + (id === null ? 0 : 1) < 2);
    },
  );
  const ops = h(
    "div",
    { class: "ops", role: "group", "aria-label": words.edit },
    act(steps.grow, (session) => session.grow(1)),
    act(steps.shrink, (session) => session.grow(-1)),
    act(steps.smooth, (session) => session.smooth(2)),
    act(steps["fill-holes"], (session) => session.fillHoles()),
    act(steps["remove-specks"], (session) => session.removeSpecks()),
    act(steps.invert, (session) => session.invert()),
    act(steps.split, (session) => session.split()),
    merge,
  );
  const feather = range(
    parts,
    words.feather,
    [0, 20, 0.5],
    () => selected()?.edge.feather ?? 0,
    (value) => attempt((session) => session.setEdge({ feather: value })),
  );
  const clean = range(
    parts,
    words.decontaminate,
    [0, 10, 1],
    () => selected()?.edge.decontaminate ?? 0,
    (value) => attempt((session) => session.setEdge({ decontaminate: value })),
  );
  const nameRow = h("label", { class: "row" }, words.name, name);
  const fields = h("div", { class: "fields" }, accept, candidates, nameRow, classRow, ops, feather, clean);
  let shown = "";
  onUpdate(() => {
    const object = selected();
    const { classes: all = [] } = editor.session?.document ?? {};
    fields.hidden = object === undefined;
    // What is being typed stays.
    if (editor.shadowRoot?.activeElement !== name) name.value = object?.name ?? "";
    classRow.hidden = all.length === 0;
    const known = JSON.stringify([object?.candidates.map(({ score }) => score), all]);
    if (known !== shown) {
      shown = known;
      classes.replaceChildren(
        ...["", ...all.map((one) => one.name)].map((value) => h("option", { value }, value || words.noClass)),
      );
      candidates.replaceChildren(
        ...(object?.candidates ?? []).map(({ score }, i) =>
          h(
            "button",
            {
              type: "button",
              class: "text",
              "aria-label": fillIn(words.candidate, { n: i + 1, score: score.toFixed(2) }),
              click: () => attempt((session) => session.chooseCandidate(i)),
            },
            `${i + 1}: ${score.toFixed(2)}`,
          ),
        ),
      );
    }
    classes.value = object?.class ?? "";
    candidates.hidden = candidates.children.length === 0;
    for (const [i, button] of [...candidates.children].entries()) {
      setAttribute(button, "aria-pressed", String(object?.candidate === i));
    }
  });
  return fields;
}
