/** The list of objects. */
import type { EditorObject } from "../document.ts";
import { emptyMask } from "../masks.ts";
import { type EditorWords, fillIn } from "../words.ts";
import { colourOf, css } from "./colours.ts";
import { button } from "./controls.ts";
import { h, icon, icons, setAttribute, setText } from "./dom.ts";
import type { Parts } from "./parts.ts";

interface Item {
  readonly row: HTMLLIElement;
  readonly update: (object: EditorObject) => void;
}

export class ObjectList {
  readonly #parts: Parts;
  readonly #list = h("ul", { "aria-labelledby": "objects" });
  readonly #items = new Map<number, Item>();
  readonly nodes: readonly Node[];

  constructor(parts: Parts) {
    this.#parts = parts;
    const { editor, stage, onUpdate } = parts;
    const { words } = editor;
    const add = button(parts, "add", words.newObject, () => {
      editor.session?.select(null);
      stage.element.focus();
    });
    const heading = h("h2", { id: "objects" }, words.objects);
    const empty = h("p", { class: "empty" }, words.empty);
    onUpdate(() => {
      this.#update();
      empty.hidden = (editor.session?.document.objects.length ?? 0) > 0;
      this.#list.hidden = !empty.hidden;
    });
    this.nodes = [h("div", { class: "head" }, heading, add), empty, this.#list];
  }

  #update(): void {
    const objects = this.#parts.editor.session?.document.objects ?? [];
    const ids = new Set(objects.map(({ id }) => id));
    for (const [id, { row }] of this.#items) {
      if (ids.has(id)) continue;
      row.remove();
      this.#items.delete(id);
      this.#parts.marked.delete(id);
    }
    // What lies on top is first in the list.
    for (const [i, object] of objects.toReversed().entries()) {
      const item = this.#items.get(object.id) ?? this.#build(object.id);
      this.#items.set(object.id, item);
      item.update(object);
      if (this.#list.children[i] !== item.row) this.#list.insertBefore(item.row, this.#list.children[i] ?? null);
    }
  }

  #build(id: number): Item {
    const swatch = h("span", { class: "swatch" });
    const name = h("span", { class: "name" });
    const note = h("span", { class: "note" });
    const choose = h(
      "button",
      { type: "button", click: () => this.#parts.attempt((session) => session.select(id)) },
      swatch,
      h("span", { class: "about" }, name, note),
    );
    const mark = h("input", {
      type: "checkbox",
      change: () => {
        if (mark.checked) this.#parts.marked.add(id);
        else this.#parts.marked.delete(id);
        this.#parts.update();
      },
    });
    const eye = h("button", {
      type: "button",
      click: () => {
        if (!this.#parts.hidden.delete(id)) this.#parts.hidden.add(id);
        this.#parts.update();
      },
    });
    const remove = h("button", { type: "button", click: () => this.#remove(id) }, icon(icons.remove));
    const row = h("li", {}, choose, h("label", {}, mark), eye, remove);
    let isHidden: boolean | undefined;
    const update = (object: EditorObject): void => {
      const { editor, hidden, marked } = this.#parts;
      const { words, session } = editor;
      const text = nameOf(object, words);
      const score = object.score === null ? "" : object.score.toFixed(2);
      const isAbsent = session !== undefined && object.mask === emptyMask(session.document);
      const state = object.state === "draft" ? words.draft : words.accepted;
      swatch.style.background = css(colourOf(object, session?.document.classes ?? []));
      setText(name, text);
      setText(note, [state, isAbsent ? words.absent : score].filter(Boolean).join(", "));
      setAttribute(choose, "aria-pressed", String(session?.selected === id));
      mark.checked = marked.has(id);
      setAttribute(mark, "aria-label", fillIn(words.inMerge, { object: text }));
      if (isHidden !== hidden.has(id)) {
        isHidden = hidden.has(id);
        eye.replaceChildren(icon(isHidden ? icons.hide : icons.show));
      }
      for (const [button, label] of [
        [eye, isHidden ? words.show : words.hide],
        [remove, words.remove],
      ] as const) {
        setAttribute(button, "aria-label", fillIn(label, { object: text }));
        setAttribute(button, "title", fillIn(label, { object: text }));
      }
    };
    return { row, update };
  }

  /** The focus goes on to the next object, or to the picture: not to nowhere. */
  #remove(id: number): void {
    const row = this.#items.get(id)?.row;
    const next = row?.nextElementSibling ?? row?.previousElementSibling;
    this.#parts.attempt((session) => session.remove(id));
    const button = next?.querySelector("button");
    if (button instanceof HTMLElement) button.focus();
    else this.#parts.stage.element.focus();
  }
}

/** What an object is called. */
export function nameOf(
  { id, name, class: named }: Pick<EditorObject, "id" | "name" | "class">,
  words: Pick<EditorWords, "object">,
): string {
  return name ?? (named === null ? fillIn(words.object, { n: id }) : `${named} ${id}`);
}
