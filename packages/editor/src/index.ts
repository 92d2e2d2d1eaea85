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
export { EditorError, type EditorErrorCode } from "./errors.ts";
export type { ObjectEngine, PromptEngine } from "./prompt.ts";
export type { PendingPrompt } from "./queue.ts";
export {
  EditorSession,
  type NewObject,
  type PaintMode,
  type SavedSession,
  type SessionEvent,
  type SessionOptions,
  type StepOrigin,
} from "./session.ts";
export { applyStep, type Change, invertStep, type Step, type StepName, stepText, stepWords } from "./step.ts";
export type {
  ObjectFrame,
  VideoEditorDocument,
  VideoEditorObject,
  VideoFields,
  VideoSize,
} from "./video/document.ts";
export {
  type SavedVideoSession,
  type TrackingState,
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
