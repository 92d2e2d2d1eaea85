/** What core needs of mediabunny to read files: bundlers cannot leave anything out of a package that is imported as a whole. */
import { type InputFormat, MATROSKA, MP4, QTFF, WEBM } from "mediabunny";

export { BlobSource, BufferSource, EncodedPacketSink, Input, UrlSource, VideoSampleSink } from "mediabunny";

/** Those that VS Code's pages are opened with; what else there is, ffmpeg reads. */
export const ALL_FORMATS: readonly InputFormat[] = [MP4, QTFF, MATROSKA, WEBM];
