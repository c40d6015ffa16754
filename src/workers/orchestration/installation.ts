import { z } from 'zod'
import { loadQuery } from '../../io/postgres.js'
import { type Queryable, theRowOf } from '../../io/query.js'

const INSTALLATION = loadQuery('installation-id')

/** The id of the installation: of all processes that share this database. */
export async function installationId(db: Queryable): Promise<string> {
  return (await theRowOf(db, INSTALLATION, z.object({ id: z.string() }))).id
}
