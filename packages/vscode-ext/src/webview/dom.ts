/** What the dataset's pages make their elements with. Names of classes and files come from anyone: nothing is ever html. */

type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** An element with attributes; of those that are `false` or left out there are none, `true` is an empty one. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children);
  return element;
}

export type Words = Readonly<Record<string, string>>;

/** A sentence of the host's with its values. */
export function sentence(words: Words, name: string, values: Readonly<Record<string, string | number>> = {}): string {
  return (words[name] ?? name).replace(/\{(\w+)\}/g, (whole, key: string) => String(values[key] ?? whole));
}

/** Has an editor light or dark as VS Code is, from now on. */
export function followTheme(editor: HTMLElement): void {
  const { body } = document;
  const follow = (): void => {
    const isLight = ["vscode-light", "vscode-high-contrast-light"].some((name) => body.classList.contains(name));
    editor.setAttribute("theme", isLight ? "light" : "dark");
  };
  new MutationObserver(follow).observe(body, { attributes: true, attributeFilter: ["class"] });
  follow();
}

export interface VsCode<ToHost, State = unknown> {
  postMessage(message: ToHost): void;
  getState(): State | undefined;
  setState(state: State): void;
}
