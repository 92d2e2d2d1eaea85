/** Buttons and fields that follow what they show. */
import { h, icon, icons } from "./dom.ts";
import type { Parts } from "./parts.ts";

/** With a drawing and a name, or with its name as text. */
export function button(
  { onUpdate }: Parts,
  drawn: keyof typeof icons | "",
  label: string,
  act: () => void,
  update?: (button: HTMLButtonElement) => void,
): HTMLButtonElement {
  const attributes = { type: "button", "aria-label": label, title: label, click: act };
  const made =
    drawn === ""
      ? h("button", { type: "button", click: act, class: "text" }, label)
      : h("button", attributes, icon(icons[drawn]));
  if (update !== undefined) onUpdate(() => update(made));
  return made;
}

export function select<T extends string>(
  { onUpdate }: Parts,
  label: string,
  options: readonly (readonly [value: T, text: string])[],
  get: () => T,
  set: (value: T) => void,
): HTMLSelectElement {
  const made = h(
    "select",
    { "aria-label": label, title: label, change: () => set(made.value as T) },
    ...options.map(([value, text]) => h("option", { value }, text)),
  );
  onUpdate(() => {
    made.value = get();
  });
  return made;
}

export function range(
  { onUpdate }: Parts,
  label: string,
  [min, max, step]: readonly [number, number, number],
  get: () => number,
  set: (value: number) => void,
): HTMLLabelElement {
  const input = h("input", { type: "range", min, max, step, change: () => set(input.valueAsNumber) });
  onUpdate(() => {
    if (input.valueAsNumber !== get()) input.value = String(get());
  });
  return h("label", { class: "row" }, label, input);
}

/** One stop for Tab, arrows inside (ARIA's toolbar). */
export function roving(toolbar: HTMLElement): void {
  const buttons = (): HTMLElement[] => [...toolbar.querySelectorAll("button")];
  for (const [i, button] of buttons().entries()) button.tabIndex = i === 0 ? 0 : -1;
  toolbar.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (by === undefined) return;
    const all = buttons();
    const at = all.indexOf(event.target as HTMLElement);
    all[(at + by + all.length) % all.length]?.focus();
    event.preventDefault();
  });
  toolbar.addEventListener("focusin", (event) => {
    for (const button of buttons()) button.tabIndex = button === event.target ? 0 : -1;
  });
}
