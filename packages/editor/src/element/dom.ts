/** Elements without a template language and without HTML in strings, so that any content security policy allows them. */

type Handler = (event: Event) => void;

/** An element with attributes and children; `undefined` and `false` leave an attribute out, functions listen. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string | number | boolean | undefined | Handler>> = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else setAttribute(element, name, value);
  }
  element.append(...children);
  return element;
}

/** Sets an attribute where it is not so yet; `undefined` and `false` remove it. */
export function setAttribute(element: Element, name: string, value: string | number | boolean | undefined): void {
  if (value === undefined || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value === true ? "" : value)) {
    element.setAttribute(name, String(value === true ? "" : value));
  }
}

/** Changes an element's text where it is another, so that nothing is read out twice. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** A drawing of 20 by 20 in the colour of the text. */
export function icon(path: string): SVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("aria-hidden", "true");
  const drawn = document.createElementNS("http://www.w3.org/2000/svg", "path");
  drawn.setAttribute("d", path);
  svg.append(drawn);
  return svg;
}

/** Strokes, with round ends. */
export const icons = {
  select: "M5 3l10 7.5-4.6.7L8 16z",
  point: "M10 3v4M10 13v4M3 10h4M13 10h4M10 10h.01",
  box: "M4 5h12v10H4z",
  lasso:
    "M10 4c4 0 7 1.8 7 4.2S14 12.500 10 12.500 3 10.700 3 8.300 6 4 10 4zM6 12c-.5 1.500.5 2.500 1.500 3s1 1.500 0 2",
  scribble: "M3 13c2-7 4-9 5-8s-3 8-1 9 4-7 6-7-1 6 0 7 2-.5 4-3",
  brush: "M16 3L9 11l2 2 6-9zM8.500 11.500c-2 0-2.500 1.500-2.700 3-.1 1-.8 1.500-1.800 1.500 1.500 1 6 1 6-2z",
  erase: "M8 16h8M4 12l7-8 5 4.500-6.500 7.500H7z",
  reshape: "M5 5l10 2-2 8-8-3zM3.500 3.500h3v3h-3zM13.500 5.500h3v3h-3zM11.500 13.500h3v3h-3zM3.500 10.500h3v3h-3z",
  notOnIt: "M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM6.500 10h7",
  undo: "M7 4L3.500 7.500 7 11M4 7.500h7.500a4 4 0 0 1 0 8H8",
  redo: "M13 4l3.500 3.500L13 11M16 7.500H8.500a4 4 0 0 0 0 8H12",
  zoomIn: "M10 5v10M5 10h10",
  zoomOut: "M5 10h10",
  fit: "M3 7V3h4M13 3h4v4M17 13v4h-4M7 17H3v-4",
  add: "M10 4v12M4 10h12",
  play: "M6 4l10 6-10 6z",
  pause: "M7 4v12M13 4v12",
  back: "M13 4l-7 6 7 6",
  forward: "M7 4l7 6-7 6",
  previousPrompt: "M16 4l-7 6 7 6M5 6.500L7 10l-2 3.500L3 10z",
  nextPrompt: "M4 4l7 6-7 6M15 6.500L17 10l-2 3.500L13 10z",
  previousDrift: "M13 4l-7 6 7 6M16.500 4v8M16.500 15.500v.01",
  nextDrift: "M7 4l7 6-7 6M3.500 4v8M3.500 15.500v.01",
  track: "M3 10h9M9 6l4 4-4 4M16.500 4v12",
  trackBack: "M17 10H8M11 6l-4 4 4 4M3.500 4v12",
  stop: "M5 5h10v10H5z",
  accept: "M4 10.500l4 4 8-9",
  remove: "M5 5l10 10M15 5L5 15",
  show: "M2.500 10s2.700-5 7.500-5 7.500 5 7.500 5-2.700 5-7.500 5-7.500-5-7.500-5zM10 8a2 2 0 1 0 0 4 2 2 0 0 0 0-4z",
  hide: "M2.500 10s2.700-5 7.500-5 7.500 5 7.500 5-2.700 5-7.500 5-7.500-5-7.500-5zM4 16L16 4",
} as const;
