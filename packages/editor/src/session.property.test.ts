import { MaskletError } from "@masklet/core";
import { random } from "@masklet/core/test/checkpoint-files";
import { EditorError, EditorSession, invertStep, type Step } from "@masklet/editor";
import { commands } from "@masklet/editor/test/commands";
import { DrawingEngine } from "@masklet/editor/test/engine";
import { describe, expect, test } from "vitest";

const size = { width: 24, height: 20 };
const names = Object.keys(commands);
const start = (): EditorSession => new EditorSession(size, { engine: new DrawingEngine(24, 20) });
const bytes = (session: EditorSession): string => JSON.stringify(session.document);
const reloaded = (session: EditorSession): EditorSession =>
  EditorSession.load(JSON.parse(JSON.stringify(session.save())), { engine: new DrawingEngine(24, 20) });

/** One command; refusals are part of a person's day, and must change nothing. */
async function run(session: EditorSession, name: string, next: () => number): Promise<boolean> {
  const before = bytes(session);
  try {
    await commands[name]?.(session, next);
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(MaskletError);
    expect(bytes(session)).toBe(before);
    return false;
  }
}

describe.each([1, 2, 3, 4, 5, 6])("200 random commands, series %i", (seed) => {
  test("undone give the same bytes, and redone again", async () => {
    const next = random(seed);
    const session = start();
    const done = new Map<string, number>();
    for (let i = 0; i < 200; i++) {
      const name = names[Math.floor(next() * names.length)] as string;
      if (await run(session, name, next)) done.set(name, (done.get(name) ?? 0) + 1);
    }
    expect(done.size).toBeGreaterThan(names.length / 2);
    while (session.redo());
    const end = bytes(session);
    const states: string[] = [];
    for (; session.undoStep !== undefined; session.undo()) states.push(bytes(session));
    expect(states.length).toBeGreaterThan(40);
    expect(bytes(session)).toBe(bytes(start()));
    while (session.redo()) expect(bytes(session)).toBe(states[states.length - session.save().past.length]);
    expect(bytes(session)).toBe(end);
  });

  test("saved and loaded in the middle, come out the same, history too", async () => {
    const [next, again] = [random(seed), random(seed)];
    let [one, other] = [start(), start()];
    for (let i = 0; i < 200; i++) {
      const name = names[Math.floor(next() * names.length)] as string;
      again();
      expect(await run(other, name, again)).toBe(await run(one, name, next));
      if (i % 20 === 10) other = reloaded(other);
    }
    one = reloaded(one);
    expect(JSON.stringify(other.save())).toBe(JSON.stringify(one.save()));
  });

  test("a host that keeps the history has the same document, and takes all of it back", async () => {
    const next = random(seed);
    const session = new EditorSession(size, { engine: new DrawingEngine(24, 20), historyLimit: 0 });
    const host = new EditorSession(size, { historyLimit: 0 });
    const history: Step[] = [];
    session.subscribe((event) => {
      if (event.type !== "step" || event.origin !== "command") return;
      const sent: Step = JSON.parse(JSON.stringify(event.step));
      history.push(sent);
      host.take(sent);
    });
    for (let i = 0; i < 100; i++) await run(session, names[Math.floor(next() * names.length)] as string, next);
    expect(bytes(host)).toBe(bytes(session));
    expect(session.undoStep).toBeUndefined();
    for (const step of history.reverse()) session.take(invertStep(step));
    expect(bytes(session)).toBe(bytes(start()));
  });
});

test("a step that does not fit changes nothing", async () => {
  const session = start();
  const step = await session.addPoint([8, 8]);
  const before = bytes(session);
  expect(() => session.take(step as Step)).toThrow(EditorError);
  session.paintStroke([[12, 12]], 3);
  session.take(invertStep(session.undoStep as Step));
  expect(bytes(session)).toBe(before);
  expect(() => session.undo()).toThrow(expect.objectContaining({ code: "conflict" }));
  expect(bytes(session)).toBe(before);
});
