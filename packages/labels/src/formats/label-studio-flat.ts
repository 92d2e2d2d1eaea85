/**
 * Label Studio's flat exports, JSON-MIN and CSV (TSV too): a record to an annotation, its regions in a column for each
 * control tag, without ids, scores, and which of several annotations is the ground truth.
 */
import { encodeUtf8 } from "@masklet/core";
import { isPicture, type ReadContext } from "../files.ts";
import { Fields, invalid, isList, isObject } from "../json/fields.ts";
import { parseJson, printJson } from "../json/json.ts";
import type { JsonObject, JsonValue } from "../model.ts";
import { parseCsv } from "../text/csv.ts";

/** Columns that every record has: about the annotation, not of the task. */
const own = new Set(["id", "annotation_id", "annotator", "created_at", "updated_at", "lead_time", "agreement"]);

/** Whether these are the members of a flat export's records, or its columns. */
export function isFlat(names: Iterable<string>): boolean {
  const all = new Set(names);
  return all.has("annotation_id") && all.has("annotator");
}

/** Rows of a CSV export, with the regions in their cells. */
export async function flatRows(path: string, context: ReadContext): Promise<readonly JsonValue[]> {
  const rows = parseCsv(await context.text(path), path);
  return rows.map((row, i) =>
    Object.fromEntries(
      Object.entries(row).flatMap(([name, cell]): readonly (readonly [string, JsonValue])[] => {
        if (cell === "") return [];
        if (!/^\s*\[\s*\{/.test(cell)) return [[name, cell]];
        const where = `[${i}].${name}`;
        const regions = context.attempt(path, where, () => parseJson(encodeUtf8(cell), where));
        return regions === undefined ? [] : [[name, regions]];
      }),
    ),
  );
}

/** The tasks that were exported so, as Label Studio's own JSON has them. */
export function tasksOfFlat(records: readonly JsonValue[]): readonly JsonObject[] {
  const tasks = new Map<string, { readonly id: JsonObject; readonly data: JsonObject; annotations: JsonObject[] }>();
  for (const [i, record] of records.entries()) {
    const fields = new Fields(record, `[${i}]`);
    const columns = Object.entries(fields.object).filter(([name]) => !own.has(name));
    const key = fields.has("id") ? String(fields.id("id")) : `#${i}`;
    const task = tasks.get(key) ?? {
      id: fields.has("id") ? { id: fields.id("id") } : {},
      data: Object.fromEntries(addressesFirst(columns)),
      annotations: [],
    };
    tasks.set(key, task);
    const result = columns.flatMap(([name, value]) => (isList(value) ? regionsOf(value, `[${i}].${name}`) : []));
    task.annotations.push({ result });
  }
  return Array.from(tasks.values(), ({ id, data, annotations }) => ({ ...id, data, annotations }));
}

/** Texts and choices of the annotation stand among the task's data: what looks like a picture comes first. */
function addressesFirst(columns: readonly (readonly [string, JsonValue])[]): readonly (readonly [string, JsonValue])[] {
  const isAddress = (value: JsonValue): boolean =>
    typeof value === "string" && (isPicture(value.replace(/[?#].*$/, "")) || value.includes("/"));
  const texts = columns.filter(([, value]) => !isList(value));
  return [...texts.filter(([, value]) => isAddress(value)), ...texts.filter(([, value]) => !isAddress(value))];
}

/** Regions of one control tag. A shape and its label, where two tags say them, are one region by their equal shapes. */
function regionsOf(values: readonly JsonValue[], where: string): readonly JsonObject[] {
  const seen = new Map<string, number>();
  return values.flatMap((one, k): readonly JsonObject[] => {
    if (typeof one === "string") return []; // of several choices
    if (!isObject(one)) throw invalid(`${where}[${k}]`, "a region", one);
    const { original_width, original_height, labels, ...value } = one;
    const lone = !Object.keys(value).some((name) => name.endsWith("labels"));
    const shape = lone ? printJson(value) : `${where}[${k}]`;
    const count = seen.get(shape) ?? 0;
    seen.set(shape, count + 1);
    return [
      {
        id: `${shape}#${count}`,
        ...(original_width === undefined ? {} : { original_width }),
        ...(original_height === undefined ? {} : { original_height }),
        value: { ...value, ...(labels === undefined ? {} : { labels }) },
      },
    ];
  });
}
