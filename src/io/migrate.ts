export { MigrationError, readMigrations } from './migration-files.js'
export type { MigrationResult } from './migration-files.js'
export { migratePostgres, postgresVersion, waitForVersion } from './migrate-postgres.js'
export { migrateClickHouse } from './migrate-clickhouse.js'
