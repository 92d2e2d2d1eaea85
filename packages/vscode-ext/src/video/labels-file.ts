/**
 * The file beside a video that holds its objects: `clip.mp4.masklet.json` for `clip.mp4`, `bear.masklet.json` for the folder of
 * frames `bear`. It is JSON with one line for each object and frame, so that version control shows what has changed:
 *
 *     {"masklet":"video","version":1,"video":"bear","width":854,"height":480,"count":82,"nextId":2,
 *     "classes":[{"name":"bear","colour":[230,159,0]}],
 *     "objects":[
 *     {"id":1,"name":null,"class":"bear","state":"draft","edge":{...},"frames":{
 *     "0":{"mask":"...","score":0.97,"objectScore":8.1,"prompt":{"points":[[412,233]],"labels":[1],...}},
 *     "1":{"mask":"...","score":0.96,"objectScore":7.9,"prompt":null}}}
 *     ]}
 *
 * The fields are those of `VideoEditorDocument` of the editor's package: masks are COCO's compressed run lengths of the video's
 * size, frames are numbered from 0, `prompt` is `null` where a frame was tracked.
 */
import { type VideoEditorDocument, VideoEditorSession } from "@masklet/editor";
import type { Uri } from "vscode";
import { ExtensionError } from "../errors.ts";

/** Where the objects of a video lie, a file's or a folder's. */
export function labelsUri(video: Uri): Uri {
  return video.with({ path: `${video.path}.masklet.json` });
}

export function writeVideoLabels(document: VideoEditorDocument, video: string): Uint8Array {
  const { version, width, height, count, nextId, classes, objects } = document;
  const head = JSON.stringify({ masklet: "video", version, video, width, height, count, nextId });
  const lines = objects.map(({ frames, ...object }) => {
    const rows = Object.entries(frames).map(([frame, known]) => `\n"${frame}":${JSON.stringify(known)}`);
    return `\n${JSON.stringify(object).slice(0, -1)},"frames":{${rows.join(",")}}}`;
  });
  return new TextEncoder().encode(
    `${head.slice(0, -1)},\n"classes":${JSON.stringify(classes)},\n"objects":[${lines.join(",")}\n]}\n`,
  );
}

/** Throws an `ExtensionError` "message-malformed" for what is no such file, or holds what no document may. */
export function readVideoLabels(bytes: Uint8Array, file: string): VideoEditorDocument {
  try {
    const fields = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as Record<string, unknown>;
    if (fields["masklet"] !== "video") throw new Error('"masklet" must be "video"');
    const { masklet: _, video: __, ...document } = fields;
    return new VideoEditorSession(document as unknown as VideoEditorDocument, { historyLimit: 0 }).document;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ExtensionError("message-malformed", `${file} cannot be read as the labels of a video: ${why}`, { cause });
  }
}
