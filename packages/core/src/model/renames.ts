/** What in a transformers name becomes what in the official one. */
export type Rename = readonly [pattern: RegExp, replacement: string];
