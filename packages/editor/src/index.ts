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
export {
  EditorSession,
  type NewObject,
  type ObjectEngine,
  type PaintMode,
  type PendingPrompt,
  type PromptEngine,
  type SavedSession,
  type SessionEvent,
  type SessionOptions,
  type StepOrigin,
} from "./session.ts";
export { applyStep, type Change, invertStep, type Step, type StepName, stepText, stepWords } from "./step.ts";
