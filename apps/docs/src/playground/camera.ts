/** A picture from the camera. */
import { messageOf } from "../live/engine.ts";
import { part, say } from "./page.ts";
import { open } from "./pictures.ts";

let stream: MediaStream | undefined;

export async function startCamera(): Promise<void> {
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    const view = part<HTMLVideoElement>("camera-view");
    view.srcObject = stream;
    part("camera-box").hidden = false;
    await view.play();
    part("shoot").focus();
  } catch (error) {
    say(`The camera could not be started: ${messageOf(error)}`);
    stopCamera();
  }
}

export function stopCamera(): void {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = undefined;
  part<HTMLVideoElement>("camera-view").srcObject = null;
  part("camera-box").hidden = true;
}

export async function shoot(): Promise<void> {
  const view = part<HTMLVideoElement>("camera-view");
  const canvas = new OffscreenCanvas(view.videoWidth, view.videoHeight);
  canvas.getContext("2d")?.drawImage(view, 0, 0);
  stopCamera();
  await open(await canvas.convertToBlob(), "camera.png", true);
}
