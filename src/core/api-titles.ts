/** What the API reference of a port is called. */
export const API_TITLES = {
  admin: 'CrossLogic Gateway: admin API',
  tenant: 'CrossLogic Gateway: tenant API',
} as const

/** A port that has an API reference. */
export type ApiPort = keyof typeof API_TITLES
