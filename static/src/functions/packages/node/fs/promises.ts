// `node:fs/promises`.
import { promises } from '../fs.ts';

export const {
  readFile, access, stat, lstat, realpath, appendFile, chmod, chown, copyFile, cp, link, mkdir, mkdtemp, open, opendir, readdir, readlink, rename, rm, rmdir, symlink, truncate, unlink,
  utimes, watch, writeFile, constants,
} = promises;
export default promises;
