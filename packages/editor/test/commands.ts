import type { Point } from "@masklet/core";
import type { EditorSession } from "@masklet/editor";

type Command = (session: EditorSession, next: () => number) => unknown;

const pointOf = (session: EditorSession, next: () => number): Point => [
  next() * session.document.width,
  next() * session.document.height,
];
const idsOf = (session: EditorSession): readonly number[] => session.document.objects.map(({ id }) => id);
const oneOf = <T>(list: readonly T[], next: () => number): T | undefined => list[Math.floor(next() * list.length)];
const line = (session: EditorSession, next: () => number): readonly Point[] =>
  Array.from({ length: 1 + Math.floor(next() * 5) }, () => pointOf(session, next));
const ring = (session: EditorSession, next: () => number): readonly number[] =>
  Array.from({ length: 4 }, () => pointOf(session, next)).flat();

/** Everything that a session can be told, as a person might. */
export const commands: Readonly<Record<string, Command>> = {
  select: (session, next) => session.select(oneOf([null, ...idsOf(session)], next) ?? null),
  click: (session, next) => session.addPoint(pointOf(session, next), next() < 0.7 ? 1 : 0),
  scribble: (session, next) => session.addScribble(line(session, next)),
  box: (session, next) => session.setBox([next() * 9, next() * 9, 10 + next() * 9, 10 + next() * 9]),
  lasso: (session, next) => session.setLasso(ring(session, next)),
  removePoint: (session, next) => session.removePoint(Math.floor(next() * 3)),
  candidate: (session, next) => session.chooseCandidate(Math.floor(next() * 3)),
  brush: (session, next) => session.paintStroke(line(session, next), 0.5 + next() * 5),
  erase: (session, next) => session.paintStroke(line(session, next), 0.5 + next() * 5, "erase"),
  fillRing: (session, next) => session.paintRing(ring(session, next), next() < 0.5 ? "add" : "erase"),
  grow: (session, next) => session.grow(Math.floor(next() * 9) - 4),
  smooth: (session, next) => session.smooth(0.5 + next() * 2),
  fillHoles: (session) => session.fillHoles(),
  removeSpecks: (session, next) => session.removeSpecks(next() < 0.5 ? {} : { maxArea: 5 }),
  reshape: (session, next) => {
    const rings = session.outline(next() * 2);
    const taken = Math.floor(next() * 8);
    const [dx, dy] = [next() * 8 - 4, next() * 8 - 4];
    const moved = rings.map((one, r) =>
      one.map((at, i) => (r === 0 && i >> 1 === taken ? at + (i % 2 ? dy : dx) : at)),
    );
    return session.reshape(rings, next() < 0.8 ? moved : moved.slice(1), next() * 3);
  },
  invert: (session) => session.invert(),
  split: (session) => session.split(),
  merge: (session, next) => session.merge([oneOf(idsOf(session), next) ?? 0, oneOf(idsOf(session), next) ?? 0]),
  edge: (session, next) => session.setEdge({ feather: next() * 3, decontaminate: Math.floor(next() * 4) }),
  class: (session, next) => session.setClass(oneOf(["cat", "dog", null], next) ?? null),
  classes: (session, next) =>
    session.setClasses(
      next() < 0.5
        ? [{ name: "cat", colour: null }]
        : [
            { name: "dog", colour: [1, 2, 3] },
            { name: "cat", colour: null },
          ],
      next() < 0.2 ? [["dog", "cat"]] : [],
    ),
  rename: (session, next) => session.rename(next() < 0.2 ? null : `one ${Math.floor(next() * 9)}`),
  state: (session, next) => session.setState(next() < 0.5 ? "draft" : "accepted", idsOf(session)),
  move: (session, next) => session.move(oneOf(idsOf(session), next) ?? 0, Math.floor(next() * idsOf(session).length)),
  remove: (session, next) => session.remove(oneOf(idsOf(session), next) ?? 0),
  add: (session, next) => {
    const { width, height } = session.document;
    const data = Uint8Array.from({ length: width * height }, () => Number(next() < 0.5));
    return session.addObjects([{ mask: { width, height, data }, state: "draft", score: next() }]);
  },
  undo: (session) => session.undo(),
  redo: (session) => session.redo(),
};
