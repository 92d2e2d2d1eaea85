/**
 * What in a transformers name becomes what in the official one. `weight[0]`, `weight[1]`: the first and the next rows of
 * one tensor.
 */
export type Rename = readonly [pattern: RegExp, replacement: string];
