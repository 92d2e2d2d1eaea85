import { expect, test } from "vitest";

test("a server imports the elements without a browser, and gets no element", async () => {
  // By a name that the compiler does not follow: it would ask for a browser's types.
  const entry = "@masklet/editor/video-element";
  const { MaskletEditorElement, MaskletVideoEditorElement, EditorSession } = await import(/* @vite-ignore */ entry);
  expect(new EditorSession({ width: 2, height: 2 }).document.objects).toEqual([]);
  expect(() => new MaskletEditorElement()).toThrow();
  expect(() => new MaskletVideoEditorElement()).toThrow();
});
