import { checkAwaited } from "../options.ts";
import { loadingSteps } from "../progress.ts";
import { checkLoadOptions, type LoadOptions, loadSam2 as loadOpened, type Sam2 } from "../sam2.ts";
import { imageFrom, type WebImageSource } from "./image.ts";
import { openSource, type WebModelSource } from "./source.ts";

/**
 * Loads a SAM 2 model. `source` is a published model's name (`sam2.1-hiera-tiny`), which is fetched from Hugging Face, or an
 * address, both kept in Cache Storage and rejecting as `cachedSource` does; a Blob or file, which is read in parts; bytes
 * or a `ByteSource`. Rejects as `loadSam2` of `@masklet/core`, too. The model's predictors open what `imageFrom` opens.
 */
export async function loadSam2(
  source: WebModelSource,
  options: LoadOptions<WebImageSource>,
): Promise<Sam2<WebImageSource>> {
  checkAwaited("loadSam2", "the source", source);
  checkLoadOptions(options);
  const { signal, onProgress } = options;
  const steps = onProgress && loadingSteps(onProgress);
  const opened = await openSource(source, {
    ...(signal && { signal }),
    ...(steps && { onProgress: steps.fetching }),
  });
  return loadOpened(opened, { readImage: imageFrom, ...options, ...(steps && { onProgress: steps.compiling }) });
}
