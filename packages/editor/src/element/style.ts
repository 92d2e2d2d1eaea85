/** Where things are in the editor of a picture. */
export const css = `
:host { container-type: size; min-width: 240px; min-height: 320px; height: 560px; }
.frame { display: grid; width: 100%; height: 100%; grid: auto minmax(0, 1fr) auto / minmax(0, 1fr) var(--_side); }
:host([bare]) .frame { grid: minmax(0, 1fr) / minmax(0, 1fr); }
:host([bare]) :is(.bar, .side, .status) { display: none; }
.bar { grid-column: 1 / -1; display: flex; gap: 12px; align-items: center; padding: 6px 8px; overflow-x: auto;
  border-bottom: 1px solid var(--_line); }
/* Shadows where tools lie beyond an edge: covers that scroll along lie on them at either end. */
.bar { background: linear-gradient(90deg, var(--_bg), transparent) 0 0 / 24px 100% no-repeat local,
    linear-gradient(-90deg, var(--_bg), transparent) 100% 0 / 24px 100% no-repeat local,
    linear-gradient(90deg, var(--_line), transparent) 0 0 / 5px 100% no-repeat,
    linear-gradient(-90deg, var(--_line), transparent) 100% 0 / 5px 100% no-repeat; }
.brush { width: 88px; flex: none; }
.brush[data-idle] { visibility: hidden; }
.stage { position: relative; overflow: hidden; background: var(--_stage); touch-action: none; outline: none; cursor: crosshair; }
.stage[data-tool="select"] { cursor: grab; }
.stage[data-dragging] { cursor: grabbing; }
.stage:focus-visible::after { content: ""; position: absolute; inset: 0; border: 3px solid var(--_accent); pointer-events: none; }
canvas { position: absolute; inset: 0; width: 100%; height: 100%; }
.side { border-left: 1px solid var(--_line); overflow: auto; padding: 8px; display: flex; flex-direction: column; gap: 10px; }
.status { grid-column: 1 / -1; border-top: 1px solid var(--_line); padding: 4px 10px; min-height: 28px; display: flex;
  justify-content: space-between; gap: 12px; color: var(--_soft); }
li { display: flex; align-items: center; gap: 4px; }
li > button:first-of-type { flex: 1; justify-content: flex-start; text-align: left; min-width: 0; }
li > label { padding: 0 6px; min-height: var(--_hit); }
.about { display: flex; flex-direction: column; min-width: 0; line-height: 1.25; padding: 4px 0; }
.ops { display: flex; flex-wrap: wrap; gap: 4px; }
.fields { display: flex; flex-direction: column; gap: 6px; }
.empty { color: var(--_soft); margin: 0; }
/* Room for it while it is not used is at the cost of tools beyond the edge. */
@container (max-width: 1000px) {
  .bar { gap: 6px; }
  .brush[data-idle] { display: none; }
}
@container (max-width: 640px) {
  .frame { grid: auto minmax(0, 1fr) minmax(0, 34%) auto / minmax(0, 1fr); }
  .side { border-left: 0; border-top: 1px solid var(--_line); }
}
`;
