/** The part of WebGPU that is needed here: the page's types may be those of a worker, or have none of it. */
interface Gpu {
  requestAdapter(): Promise<GpuAdapter | null>;
}

export interface GpuAdapter {
  readonly features: ReadonlySet<string>;
  readonly limits: GpuLimits;
  readonly info?: { readonly isFallbackAdapter?: boolean };
  /** Where it was before it moved to `info`. */
  readonly isFallbackAdapter?: boolean;
  requestDevice(descriptor: {
    readonly requiredFeatures: readonly string[];
    readonly requiredLimits: Readonly<Record<string, number>>;
  }): Promise<GpuDevice>;
}

type GpuLimits = Readonly<Record<(typeof limits)[number], number>>;

export interface GpuDevice {
  readonly limits: GpuLimits;
  readonly lost: Promise<{ readonly reason: string; readonly message: string }>;
  destroy(): void;
}

/** What ONNX Runtime asks of the devices that it makes itself, and a device has only where it is asked for. */
const features = ["shader-f16", "subgroups"] as const;
const limits = [
  "maxBufferSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
  "maxComputeWorkgroupSizeZ",
  "maxComputeWorkgroupStorageSize",
  "maxComputeWorkgroupsPerDimension",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
] as const;

export async function findAdapter(): Promise<GpuAdapter | null> {
  const { navigator } = globalThis as { readonly navigator?: { readonly gpu?: Gpu } };
  try {
    return (await navigator?.gpu?.requestAdapter()) ?? null;
  } catch {
    return null;
  }
}

/** A device with all that the adapter has of what ONNX Runtime uses. */
export function openDevice(adapter: GpuAdapter): Promise<GpuDevice> {
  return adapter.requestDevice({
    requiredFeatures: features.filter((feature) => adapter.features.has(feature)),
    requiredLimits: Object.fromEntries(limits.map((limit) => [limit, adapter.limits[limit]])),
  });
}

/** Whether a CPU stands in for the GPU. */
export function isSoftware({ info, isFallbackAdapter }: GpuAdapter): boolean {
  return info?.isFallbackAdapter ?? isFallbackAdapter ?? false;
}

/** The largest tensor that a shader can use. */
export function maxTensorBytes({ maxStorageBufferBindingSize, maxBufferSize }: GpuLimits): number {
  return Math.min(maxStorageBufferBindingSize, maxBufferSize);
}
