export type { ListChange } from "./changes.ts";
export type {
  EdgeSettings,
  EditorClass,
  EditorDocument,
  EditorObject,
  EditorPrompt,
  MaskCandidate,
  ObjectFields,
  ObjectState,
} from "./document.ts";
export type { NewObject } from "./edits.ts";
export { EditorError, type EditorErrorCode } from "./errors.ts";
export type { StepOrigin } from "./history.ts";
export type { ObjectEngine, PromptEngine } from "./prompt.ts";
export type { PendingPrompt } from "./queue.ts";
export {
  EditorSession,
  type PaintMode,
  type SavedSession,
  type SessionEvent,
  type SessionOptions,
} from "./session.ts";
export { applyStep, type Change, invertStep, type Step, type StepName, stepText, stepWords } from "./step.ts";
export type {
  ObjectFrame,
  VideoEditorDocument,
  VideoEditorObject,
  VideoFields,
  VideoSize,
} from "./video/document.ts";
export type { TrackingState } from "./video/run.ts";
export {
  type SavedVideoSession,
  type TrackOptions,
  VideoEditorSession,
  type VideoSessionEvent,
  type VideoSessionOptions,
} from "./video/session.ts";
export {
  applyVideoStep,
  invertVideoStep,
  type VideoChange,
  type VideoStep,
  type VideoStepName,
  videoStepText,
  videoStepWords,
} from "./video/step.ts";
export { type VideoWords, videoWords } from "./video/words.ts";
export { type EditorWords, editorWords } from "./words.ts";
