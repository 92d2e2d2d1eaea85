/** Where things are in the editor of a video: the frame's editor, and below it the timeline. */
export const videoCss = `
:host { container-type: size; min-width: 240px; min-height: 480px; height: 720px; }
.frame { display: grid; width: 100%; height: 100%; grid: minmax(0, 1fr) auto / minmax(0, 1fr); }
masklet-editor { height: 100%; min-height: 0; }
.time { border-top: 1px solid var(--_line); display: flex; flex-direction: column; min-height: 0; }
.bar { display: flex; gap: 12px; align-items: center; padding: 6px 8px; overflow-x: auto; }
.bar button { flex: none; }
.bar input { width: 72px; }
.at { flex: none; color: var(--_soft); }
.timeline { display: flex; flex-direction: column; padding: 0 8px 8px; gap: 2px; min-height: 0; }
.rows { max-height: calc(4.5 * (var(--_hit) + 2px)); overflow-y: auto; }
.row { display: grid; grid-template-columns: var(--_names, 220px) minmax(0, 1fr); gap: 8px; align-items: center; flex: none; }
.row button { justify-content: flex-start; min-width: 0; text-align: left; }
.row .name { flex: 1; }
.row .note { flex: none; }
.strip { position: relative; height: var(--_hit); background: var(--_stage); border-radius: 3px; overflow: hidden; touch-action: none; cursor: pointer; }
.strip::after { content: ""; position: absolute; left: var(--_at); top: 0; bottom: 0; width: 2px; margin-left: -1px; background: var(--_accent); pointer-events: none; }
.ruler { background: none; outline: none; height: 28px; }
.ruler:focus-visible { outline: 2px solid var(--_accent); outline-offset: 1px; overflow: visible; }
.strip canvas { position: absolute; inset: 0; width: 100%; height: 100%; }
[data-selected] .strip { box-shadow: inset 0 0 0 2px var(--_accent); }
input[type="number"] { min-height: var(--_hit); background: var(--_bg); border: 1px solid var(--_line); border-radius: var(--_radius); padding: 0 6px; }
.status { padding: 0 10px 6px; color: var(--_soft); min-height: 24px; }
@container (max-width: 640px) {
  .row { --_names: 112px; }
  .bar { flex-wrap: wrap; gap: 6px 12px; overflow: visible; }
  .bar input { width: 64px; }
  .row .note { display: none; }
  .rows { max-height: calc(2.5 * (var(--_hit) + 2px)); }
}
@media (forced-colors: active) {
  .strip { border: 1px solid CanvasText; }
  .strip::after { background: Highlight; forced-color-adjust: none; }
}
`;
