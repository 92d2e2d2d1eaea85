import process from "node:process";
import { shared } from "@masklet/core/test/goldens/shared.node";
import { testTam } from "@masklet/core/test/goldens/tam";
import { testTamVideo } from "@masklet/core/test/goldens/tam-video";
import { createOrtBackend } from "../src/node.ts";

testTam(createOrtBackend, { shared, slow: process.env["MASKLET_SLOW"] === "1" });
testTamVideo(createOrtBackend, { shared });
