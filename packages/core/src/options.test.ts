import { expect, test } from "vitest";
import { called, method, testOptions, wrong } from "../test/options-suite.ts";
import { toyConfig } from "../test/toy-sam2.ts";
import { createReferenceBackend } from "./backend/reference.ts";
import * as core from "./node.ts";
import { checkAwaited, checkKeys, type Keys } from "./options.ts";
import {
  createWorkerPredictor,
  RemoteClient,
  RemoteImagePredictor,
  RemoteSam2,
  RemoteSubjectFinder,
} from "./remote/client.ts";
import { serveSam2 } from "./remote/host.ts";
import { RemoteVideoPredictor, RemoteVideoSession } from "./remote/video-client.ts";
import { conformanceCases } from "./testing/conformance.ts";
import { StreamSession } from "./video/stream-session.ts";
import { VideoSession } from "./video/video-session.ts";

interface Some {
  readonly multimaskOutput?: boolean;
  readonly labels?: readonly number[];
  readonly latest?: boolean;
}
const keys: Keys<Some> = { multimaskOutput: true, labels: true, latest: true };
const check = (given: unknown) => checkKeys("predict", given as Some, keys);

test("what is misspelt is an error that names what was meant", () => {
  for (const [option, suggestion] of [
    ["multiMaskOutput", "multimaskOutput"],
    ["multimask_output", "multimaskOutput"],
    ["pointLabels", "labels"],
    ["lable", "labels"],
  ] as const) {
    expect(() => check({ latest: true, [option]: 1 })).toThrow(
      expect.objectContaining({
        code: "unknown-option",
        message: `predict: there is no option ${option}; did you mean ${suggestion}?`,
        details: { option, known: Object.keys(keys), suggestion },
      }),
    );
  }
  expect(() => check({ colour: 1 })).toThrow(
    "predict: there is no option colour; there are multimaskOutput, labels, latest",
  );
});

test("what is known, and what is undefined, is none", () => {
  check({});
  check({ multimaskOutput: false, labels: [], other: undefined });
});

test("what is no object, and what was not awaited", () => {
  for (const given of [null, 5, "fast", [1]]) {
    expect(() => check(given)).toThrow(expect.objectContaining({ code: "bad-option" }));
  }
  expect(() => check(Promise.resolve({}))).toThrow("predict: options is a Promise: await it first");
  checkAwaited("load", "backend", { name: "ort" });
  expect(() => checkAwaited("load", "backend", Promise.resolve())).toThrow(
    expect.objectContaining({ code: "not-awaited", details: { what: "backend" } }),
  );
});

const bit = { width: 1, height: 1, data: new Uint8Array(1) };
const pixel = { width: 1, height: 1, channels: 3, data: new Uint8Array(3) } as const;
const { prototype: images } = core.ImagePredictor;
const { prototype: video } = VideoSession;
const { prototype: stream } = StreamSession;
const { prototype: remote } = RemoteImagePredictor;
const { prototype: remoteVideo } = RemoteVideoSession;
const model = {} as core.Sam2;

testOptions(
  ["node", "remote", "testing"].map((entry) => new URL(`../etc/${entry}.api.md`, import.meta.url)),
  {
    "new AutomaticMaskGenerator": () => new core.AutomaticMaskGenerator(model, wrong),
    "AutomaticMaskGenerator.generate": () => method(core.AutomaticMaskGenerator.prototype, "generate", pixel),
    "AutomaticMaskGenerator.stream": () => method(core.AutomaticMaskGenerator.prototype, "stream", pixel),
    "new AutomaticSubjectFinder": () => new core.AutomaticSubjectFinder(model, wrong),
    "AutomaticSubjectFinder.find": () => method(core.AutomaticSubjectFinder.prototype, "find", pixel),
    autoModel: () => called(core.autoModel),
    "new BackgroundRemover": () => new core.BackgroundRemover(model, wrong),
    "BackgroundRemover.remove": () => method(core.BackgroundRemover.prototype, "remove", pixel),
    boundaryF: () => core.boundaryF(bit, bit, wrong),
    checkpointSha256: () => core.checkpointSha256("none", wrong),
    cocoPolygons: () => core.cocoPolygons(bit, wrong),
    conformanceCases: () => conformanceCases(wrong),
    createFrameFolder: () => core.createFrameFolder("none", wrong),
    createReferenceBackend: () => createReferenceBackend(wrong),
    createVideo: () => called(core.createVideo, "none"),
    createWorkerPredictor: () => called(createWorkerPredictor, {}, "none"),
    cutFromFlatBackground: () => core.cutFromFlatBackground(pixel, wrong),
    cutout: () => core.cutout(pixel, bit, wrong),
    decontaminate: () => core.decontaminate(pixel, bit, wrong),
    matteCutout: () => core.matteCutout(pixel, bit, wrong),
    downloadFile: () => called(core.downloadFile, "owner/model", "none"),
    downloadModel: () => called(core.downloadModel, "owner/model"),
    encodeWebp: () => core.encodeWebp(pixel, wrong),
    evaluateLabels: () => core.evaluateLabels([bit], [bit], wrong),
    evaluateMasklet: () => core.evaluateMasklet([bit], [bit], wrong),
    fetchBytes: () => called(core.fetchBytes, "https://example.org"),
    fetchToFile: () => called(core.fetchToFile, "https://example.org", "none"),
    fillMaskHoles: () => core.fillMaskHoles(bit, wrong),
    framesFrom: () => core.framesFrom([pixel], wrong),
    framesFromFolder: () => core.framesFromFolder("none", wrong),
    "new ImagePredictor": () => new core.ImagePredictor(model, wrong),
    "ImagePredictor.loadImages": () => method(images, "loadImages", []),
    "ImagePredictor.predict": () => method(images, "predict", {}),
    "ImagePredictor.predictMany": () => method(images, "predictMany", []),
    "ImagePredictor.refine": () => method(images, "refine", {}),
    "ImagePredictor.saveImage": () => method(images, "saveImage", 0),
    "ImagePredictor.setImage": () => method(images, "setImage", pixel),
    "ImagePredictor.setImages": () => method(images, "setImages", [pixel]),
    loadSam2: () => called(core.loadSam2, new Uint8Array()),
    "new MaskletRecorder": () => new core.MaskletRecorder(bit, wrong),
    "MaskletRecorder.annotation": () => method(core.MaskletRecorder.prototype, "annotation"),
    maskRegions: () => core.maskRegions(bit, wrong),
    maskTree: () => core.maskTree([], wrong),
    "new MemoryEmbeddingCache": () => new core.MemoryEmbeddingCache(wrong),
    obtainModel: () => called(core.obtainModel, "owner/model"),
    openCheckpoint: () => core.openCheckpoint(core.bytesSource(new Uint8Array(16)), wrong),
    openPng: () => called(core.openPng, new Uint8Array()),
    openVideo: () => core.openVideo("none", wrong),
    overlay: () => core.overlay(pixel, [], wrong),
    pipelineDetector: () => called(core.pipelineDetector, () => []),
    readImage: () => core.readImage("none", wrong),
    readMask: () => core.readMask("none", wrong),
    readMaskPicture: () => core.readMaskPicture("none", wrong),
    readSafetensors: () => core.readSafetensors(core.bytesSource(new Uint8Array(16)), wrong),
    "RemoteClient.load": () => method(RemoteClient.prototype, "load", "none"),
    "RemoteClient.openSubjectFinder": () => method(RemoteClient.prototype, "openSubjectFinder", "none"),
    "RemoteImagePredictor.loadImages": () => method(remote, "loadImages", []),
    "RemoteImagePredictor.predict": () => method(remote, "predict", {}),
    "RemoteImagePredictor.predictMany": () => method(remote, "predictMany", []),
    "RemoteImagePredictor.refine": () => method(remote, "refine", {}),
    "RemoteImagePredictor.saveImage": () => method(remote, "saveImage", 0),
    "RemoteImagePredictor.setImage": () => method(remote, "setImage", pixel),
    "RemoteImagePredictor.setImages": () => method(remote, "setImages", [pixel]),
    "RemoteSam2.imagePredictor": () => method(RemoteSam2.prototype, "imagePredictor"),
    "new RemoteVideoPredictor": () => new RemoteVideoPredictor({} as RemoteSam2, wrong),
    "RemoteSubjectFinder.find": () => method(RemoteSubjectFinder.prototype, "find", pixel),
    "RemoteVideoPredictor.open": () => method(RemoteVideoPredictor.prototype, "open", "none"),
    "RemoteVideoSession.addMask": () => method(remoteVideo, "addMask", {}),
    "RemoteVideoSession.addPrompt": () => method(remoteVideo, "addPrompt", {}),
    "RemoteVideoSession.clearPrompts": () => method(remoteVideo, "clearPrompts", {}),
    "RemoteVideoSession.propagate": () => method(remoteVideo, "propagate"),
    "RemoteVideoSession.removeObject": () => method(remoteVideo, "removeObject", 1),
    outlineSubject: () => called(core.outlineSubject, images, { width: 1, height: 1, data: new Float32Array(1) }),
    removeMaskSpecks: () => core.removeMaskSpecks(bit, wrong),
    removeModel: () => called(core.removeModel, "owner/model"),
    removeSmallRegions: () => called(core.removeSmallRegions, new Float32Array()),
    resolveModel: () => called(core.resolveModel, "none"),
    "Sam2.executable": () => method(core.Sam2.prototype, "executable", "maskDecoder"),
    "Sam2.fromWeights": () => core.Sam2.fromWeights({} as core.WeightStore, wrong as core.LoadOptions),
    savFrames: () => core.savFrames({} as core.SavAnnotation, wrong),
    segmentMany: () => core.segmentMany(model, [], wrong),
    serveSam2: () => called(serveSam2, {}),
    "StreamSession.addMask": () => method(stream, "addMask", {}),
    "StreamSession.addPrompt": () => method(stream, "addPrompt", {}),
    "StreamSession.clearPrompts": () => method(stream, "clearPrompts", 1),
    "StreamSession.push": () => method(stream, "push", pixel),
    "StreamSession.removeObject": () => method(stream, "removeObject", 1),
    svgDocument: () => core.svgDocument([{ mask: bit }], wrong),
    verifyModel: () => called(core.verifyModel, "owner/model"),
    "new VideoPredictor": () => new core.VideoPredictor({ config: toyConfig } as core.Sam2, wrong),
    "VideoSession.addMask": () => method(video, "addMask", {}),
    "VideoSession.addPrompt": () => method(video, "addPrompt", {}),
    "VideoSession.clearPrompts": () => method(video, "clearPrompts", {}),
    "VideoSession.propagate": () => method(video, "propagate"),
    "VideoSession.removeObject": () => method(video, "removeObject", 1),
    videoStream: () => called(core.videoStream, []),
    writeFileAtomic: () => core.writeFileAtomic("none", new Uint8Array(), wrong),
  },
  {
    createSegment: "what a backend's package is made with",
    createRemoveBackground: "what a backend's package is made with",
    encodeChunks: "takes a host's zlib, which has more than is asked of it",
    "RandomTensors.floats": "numbers for the tests of backends",
    "SegmentResult.cutout": "as cutout",
    "SegmentResult.svg": "as svgDocument",
    serveWorker: "as serveSam2, in a worker",
    testBackend: "as conformanceCases",
  },
);
