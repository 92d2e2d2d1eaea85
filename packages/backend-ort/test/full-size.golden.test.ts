import { testFullSize } from "@masklet/core/test/goldens/full-size";
import { shared } from "@masklet/core/test/goldens/shared.node";
import { createOrtBackend } from "../src/node.ts";

testFullSize(createOrtBackend, { shared });
