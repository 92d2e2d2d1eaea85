/** The version of both runtimes that is tested, and that package.json asks for. */
export const ortVersion = "1.30.0";
