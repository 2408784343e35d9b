import { homedir } from "node:os";
import { join } from "node:path";

/** A path with the home folder in the place of a leading `~`. A shell does that; a client's configuration does not. */
export const expandHome = (path: string): string =>
  /^~(?:[\\/]|$)/.test(path) ? join(homedir(), path.slice(1)) : path;
