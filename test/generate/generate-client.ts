/** `npm run generate`: writes the generated files of the client (src/core/client) from the contract. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { packageRoot } from '../../src/io/package-root.js'
import { clientSources } from './client-source.js'

for (const [path, source] of await clientSources()) await writeFile(join(packageRoot, path), source)
