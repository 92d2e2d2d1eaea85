/** What a hand does in the picture. */
export type EditorTool = "select" | "point" | "box" | "lasso" | "scribble" | "brush" | "erase" | "reshape";

/** Each tool's key. */
export const toolKeys: Readonly<Record<EditorTool, string>> = {
  select: "v",
  point: "p",
  box: "x",
  lasso: "l",
  scribble: "s",
  brush: "b",
  erase: "e",
  reshape: "r",
};

/** In the order of the bar. */
export const tools: readonly EditorTool[] = Object.keys(toolKeys) as EditorTool[];
