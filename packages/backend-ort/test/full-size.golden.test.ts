import { testFullSize } from "../../core/test/goldens/full-size.ts";
import { shared } from "../../core/test/goldens/shared.node.ts";
import { createOrtBackend } from "../src/node.ts";

testFullSize(createOrtBackend, { shared });
