import { type StepName, stepWords } from "./step.ts";

/** Every word that the element shows or says. `{x}` and the like stand for what is put in. */
export interface EditorWords {
  readonly absent: string;
  readonly accept: string;
  readonly accepted: string;
  readonly back: string;
  readonly backdrop: string;
  readonly backdropBlack: string;
  readonly backdropChecker: string;
  readonly backdropColour: string;
  readonly backdropPicture: string;
  readonly backdropWhite: string;
  readonly before: string;
  readonly brushSize: string;
  readonly candidate: string;
  readonly candidates: string;
  readonly class: string;
  readonly cursorAt: string;
  readonly decontaminate: string;
  readonly display: string;
  readonly displayBoth: string;
  readonly displayFill: string;
  readonly displayNone: string;
  readonly displayOutline: string;
  readonly draft: string;
  readonly edit: string;
  readonly editor: string;
  readonly empty: string;
  readonly encoding: string;
  readonly failed: string;
  readonly feather: string;
  readonly fit: string;
  readonly hide: string;
  readonly inMerge: string;
  readonly name: string;
  readonly newObject: string;
  readonly noClass: string;
  readonly noModel: string;
  readonly noPicture: string;
  readonly notOnIt: string;
  readonly nothingFound: string;
  readonly object: string;
  readonly objects: string;
  readonly ready: string;
  readonly redo: string;
  readonly redoStep: string;
  readonly remove: string;
  readonly show: string;
  readonly stageHelp: string;
  readonly strokeBegun: string;
  readonly toolBox: string;
  readonly toolBrush: string;
  readonly toolErase: string;
  readonly toolLasso: string;
  readonly toolPoint: string;
  readonly toolReshape: string;
  readonly toolScribble: string;
  readonly toolSelect: string;
  readonly tools: string;
  readonly undo: string;
  readonly undone: string;
  readonly undoStep: string;
  readonly vertexAt: string;
  readonly waiting: string;
  readonly zoomIn: string;
  readonly zoomOut: string;
  readonly steps: Readonly<Record<StepName, string>>;
}

/** English. */
export const editorWords: EditorWords = {
  absent: "not there",
  accept: "Accept",
  accepted: "accepted",
  back: "Back to draft",
  backdrop: "Behind the cutout",
  backdropBlack: "Black",
  backdropChecker: "Checkerboard",
  backdropColour: "Colour",
  backdropPicture: "The picture",
  backdropWhite: "White",
  before: "Original",
  brushSize: "Brush size",
  candidate: "Candidate {n}, score {score}",
  candidates: "Candidates",
  class: "Class",
  cursorAt: "{x}, {y}",
  decontaminate: "Clean edge colours",
  display: "Objects are shown as",
  displayBoth: "Fill and outline",
  displayFill: "Fill",
  displayNone: "Nothing",
  displayOutline: "Outline",
  draft: "draft",
  edit: "Edit the object",
  editor: "Mask editor",
  empty: "No objects yet. Choose a tool and show one in the picture.",
  encoding: "Preparing the picture",
  failed: "That did not work: {message}",
  feather: "Feather",
  fit: "Fit",
  hide: "Hide {object}",
  inMerge: "Merge {object}",
  name: "Name",
  newObject: "New object",
  noClass: "None",
  noModel: "Without a model: brush and eraser work",
  noPicture: "No picture",
  notOnIt: "Not on it",
  nothingFound: "Nothing was found there",
  object: "Object {n}",
  objects: "Objects",
  ready: "Ready",
  redo: "Redo",
  redoStep: "Redo: {step}",
  remove: "Remove {object}",
  show: "Show {object}",
  stageHelp:
    "Picture. Arrow keys move a cursor, Space uses the tool there, Shift and Space marks what is not on the object, plus and minus zoom.",
  strokeBegun: "Begun at {x}, {y}. Move, then Space to end, Escape to give up.",
  toolBox: "Box",
  toolBrush: "Brush",
  toolErase: "Eraser",
  toolLasso: "Lasso",
  toolPoint: "Point",
  toolReshape: "Outline",
  toolScribble: "Scribble",
  toolSelect: "Select and pan",
  tools: "Tools",
  undo: "Undo",
  undone: "Undone: {step}",
  undoStep: "Undo: {step}",
  vertexAt: "Corner {n} of {count}: {x}, {y}. Space picks it up, Shift and Space removes it.",
  waiting: "Waiting for the model",
  zoomIn: "Zoom in",
  zoomOut: "Zoom out",
  steps: stepWords,
};

/** A text with what stands in braces put in. */
export function fillIn(text: string, values: Readonly<Record<string, string | number>>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}
