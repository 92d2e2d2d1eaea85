/** By the attribute and by the system: CSS has no rule for both. */
const dark = `
  --_bg: var(--masklet-background, #1e1e20);
  --_fg: var(--masklet-foreground, #ececf0);
  --_soft: var(--masklet-soft, #b2b2bc);
  --_line: var(--masklet-border, #74747e);
  --_stage: var(--masklet-stage, #111113);
  --_accent: var(--masklet-accent, #8ab8ff);
  --_on: var(--masklet-on-accent, #0c1524);
  --_hover: var(--masklet-hover, #2d2d31);
  color-scheme: dark;
`;

/**
 * What the elements have in common: sizes and colours follow custom properties that a page may set; without them the
 * system's light or dark theme, and its own colours where it forces them.
 */
export const theme: string = `
:host {
  --_bg: var(--masklet-background, #ffffff);
  --_fg: var(--masklet-foreground, #1c1c1e);
  --_soft: var(--masklet-soft, #5c5c66);
  --_line: var(--masklet-border, #8a8a94);
  --_stage: var(--masklet-stage, #e6e6ea);
  --_accent: var(--masklet-accent, #0a58ca);
  --_on: var(--masklet-on-accent, #ffffff);
  --_hover: var(--masklet-hover, #eef0f4);
  --_radius: var(--masklet-radius, 6px);
  --_side: var(--masklet-panel-width, 264px);
  --_hit: var(--masklet-control-size, 32px);
  color-scheme: light;
  display: block;
  background: var(--_bg);
  color: var(--_fg);
  font: var(--masklet-font, 13px/1.4 system-ui, sans-serif);
}
:host([hidden]) { display: none; }
:host([theme="dark"]) {${dark}}
@media (prefers-color-scheme: dark) {
  :host(:not([theme="light"])) {${dark}}
}
@media (prefers-contrast: more) {
  :host { --_line: var(--_fg); --_soft: var(--_fg); }
}
@media (pointer: coarse) {
  :host { --_hit: 44px; }
}
* { box-sizing: border-box; }
.group { display: flex; gap: 2px; align-items: center; flex: none; }
h2 { font: inherit; font-weight: 600; margin: 0; }
.head { display: flex; justify-content: space-between; align-items: center; gap: 8px; }
button, select, input { font: inherit; color: inherit; }
button { min-width: var(--_hit); min-height: var(--_hit); padding: 0 6px; border: 1px solid transparent; background: none;
  border-radius: var(--_radius); display: inline-flex; align-items: center; justify-content: center; gap: 6px; cursor: pointer; }
button:hover:not(:disabled) { background: var(--_hover); }
button:disabled { opacity: 0.45; cursor: default; }
button[aria-pressed="true"] { background: var(--_accent); color: var(--_on); }
:is(button, select, input):focus-visible { outline: 2px solid var(--_accent); outline-offset: 1px; }
.text { border-color: var(--_line); padding: 0 10px; }
svg { width: 20px; height: 20px; fill: none; stroke: currentColor; stroke-width: 1.6; stroke-linecap: round; stroke-linejoin: round; }
select, input[type="text"] { min-height: var(--_hit); max-width: 100%; background: var(--_bg); border: 1px solid var(--_line);
  border-radius: var(--_radius); padding: 0 6px; }
label { display: inline-flex; gap: 8px; align-items: center; }
label.row { display: flex; justify-content: space-between; }
label.row > :is(select, input) { width: 60%; flex: none; }
input[type="range"], input[type="checkbox"] { accent-color: var(--_accent); margin: 0; }
input[type="range"] { min-height: var(--_hit); }
input[type="checkbox"] { width: 18px; height: 18px; }
ul { list-style: none; margin: 0; padding: 0; display: flex; flex-direction: column; gap: 2px; }
.name, .note { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.note { color: var(--_soft); font-size: 0.92em; }
[aria-pressed="true"] .note { color: inherit; }
.swatch { width: 14px; height: 14px; border-radius: 3px; flex: none; border: 1px solid var(--_fg); }
[hidden] { display: none !important; }
.quiet { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (prefers-reduced-motion: no-preference) {
  button { transition: background-color 80ms; }
}
@media (forced-colors: active) {
  button { border-color: ButtonText; }
  button:disabled { border-color: GrayText; color: GrayText; opacity: 1; }
  button[aria-pressed="true"] { background: Highlight; color: HighlightText; forced-color-adjust: none; border-color: Highlight; }
  .swatch, canvas { forced-color-adjust: none; }
}
`;
