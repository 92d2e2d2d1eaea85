/** Elements in one call. */
type Child = Node | string | null;

export interface Props {
  readonly class?: string;
  readonly id?: string;
  readonly type?: string;
  readonly title?: string;
  readonly role?: string;
  readonly disabled?: boolean;
  readonly checked?: boolean;
  readonly value?: string;
  readonly label?: string;
  readonly live?: "polite" | "assertive";
  readonly min?: string;
  readonly max?: string;
  readonly on?: Readonly<Record<string, (event: Event) => void>>;
}

/** An element with these properties and children; `label` is its name for those who do not see it. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  { class: className, label, live, on = {}, ...props }: Props = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  Object.assign(element, props);
  if (className !== undefined) element.className = className;
  if (label !== undefined) element.setAttribute("aria-label", label);
  if (live !== undefined) element.setAttribute("aria-live", live);
  for (const [event, listener] of Object.entries(on)) element.addEventListener(event, listener);
  element.append(...children.filter((child) => child !== null));
  return element;
}
