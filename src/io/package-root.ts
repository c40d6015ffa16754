import { fileURLToPath } from 'node:url'

/** Absolute path of the package's root, with a trailing slash: compiled files lie in `<root>/dist/src/io/`. */
export const packageRoot = fileURLToPath(new URL('../../../', import.meta.url))
