/** Label Studio's flat exports of its own JSON, as its converter writes them: a column to each kind of region. */
import { encodeUtf8 } from "@masklet/core";

type Json = Readonly<Record<string, unknown>>;
interface Task {
  readonly id: number;
  readonly data: Json;
  readonly annotations: readonly { readonly id: number; readonly result: readonly Json[] }[];
}

/** Records of JSON-MIN: ids and scores of regions are gone. */
function recordsOf(tasks: Uint8Array): readonly Json[] {
  return (JSON.parse(new TextDecoder().decode(tasks)) as readonly Task[]).flatMap(({ id, data, annotations }) =>
    annotations.map((annotation) => {
      const columns: Record<string, Json[]> = {};
      for (const { type, value, original_width, original_height } of annotation.result) {
        columns[type as string] ??= [];
        columns[type as string]?.push({ ...(value as Json), original_width, original_height });
      }
      return { ...data, id, ...columns, annotator: "1", annotation_id: annotation.id, created_at: "", lead_time: 3.25 };
    }),
  );
}

export function jsonMin(tasks: Uint8Array): Uint8Array {
  return encodeUtf8(JSON.stringify(recordsOf(tasks)).replaceAll("/", "\\/"));
}

export function csvOf(tasks: Uint8Array, separator = ",", newline = "\n"): Uint8Array {
  const records = recordsOf(tasks);
  const names = [...new Set(["annotation_id", "annotator", ...records.flatMap(Object.keys)])].sort();
  const quoted = (value: unknown): string => {
    if (typeof value === "number") return String(value);
    const text = value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);
    return `"${text.replaceAll('"', '""')}"`;
  };
  const rows = records.map((record) => names.map((name) => quoted(record[name])));
  return encodeUtf8([names.map(quoted), ...rows].map((row) => row.join(separator) + newline).join(""));
}
