export { RemoteError } from "../errors.ts";
export {
  createWorkerPredictor,
  RemoteClient,
  type RemoteImagePredictor,
  type RemoteLoadOptions,
  type RemoteModelSource,
  type RemoteSam2,
  type RemoteSetImageOptions,
  type RemoteSubjectFinder,
  type WorkerPredictorOptions,
} from "./client.ts";
export {
  type ClosableFrames,
  type DisposableFinder,
  type OpenedModel,
  type OpenOptions,
  type RemoteHost,
  type Sam2HostOptions,
  serveSam2,
} from "./host.ts";
export type { PortLike } from "./port.ts";
export { protocolVersion } from "./protocol.ts";
export { type RemoteOpenOptions, RemoteVideoPredictor, type RemoteVideoSession } from "./video-client.ts";
