import type { InferenceSession } from "onnxruntime-common";
import type { OrtDevice, OrtTuning } from "./runtime.ts";

/** What every session of a backend is created with. */
export function sessionOptions(
  device: OrtDevice,
  { threads, arena = true, memoryPattern = false, graphOptimization = "all" }: OrtTuning,
): InferenceSession.SessionOptions {
  return {
    executionProviders: [device],
    executionMode: "sequential",
    interOpNumThreads: 1,
    ...(threads !== undefined && { intraOpNumThreads: threads }),
    enableCpuMemArena: arena,
    enableMemPattern: memoryPattern,
    graphOptimizationLevel: graphOptimization,
    logSeverityLevel: 4,
    extra: {
      // Threads that spin between operations take the cores from other sessions' threads, and gain nothing.
      session: { intra_op: { allow_spinning: "0" } },
      // On the CPU both fused kernels are slower than the two they replace; see the README.
      optimization: { disable_specified_optimizers: "SkipLayerNormFusion;BiasGeluFusion" },
    },
  };
}

/** The setting that names the folder of a model's weights. */
export const FOLDER = "model_external_initializers_file_folder_path";

/** Adds to the section "session" of what session options have besides their own names. */
export function withSettings(
  extra: Readonly<Record<string, unknown>> | undefined,
  settings: Readonly<Record<string, string>>,
): Record<string, unknown> {
  const session = (extra?.["session"] ?? {}) as Readonly<Record<string, unknown>>;
  return { ...extra, session: { ...session, ...settings } };
}
