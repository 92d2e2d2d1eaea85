import type { Finding } from "@masklet/labels";

/** `file, place: warning: what` */
export function findingLine({ severity, file, at, message }: Finding): string {
  return `${[file, at].filter((part) => part !== "").join(", ")}: ${severity}: ${message}`;
}
