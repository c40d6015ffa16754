import { z } from 'zod'
import type { TaskPlace } from './task.js'

/** Which machines a provider does not have. What is left out matches every machine. */
const Shortage = z.strictObject({
  /** `aws`, or `aws/us-east-1`. */
  infra: z.string().optional(),
  instanceType: z.string().optional(),
  accelerators: z.string().optional(),
  useSpot: z.boolean().optional(),
  /** How many more attempts it refuses; all when left out. */
  times: z.int().min(0).optional(),
})
export type Shortage = z.output<typeof Shortage>

const Faults = z.strictObject({
  /** How long a launch takes until its machine is there; a change holds for those that are under way too. */
  provisionMs: z.number().min(0).default(20),
  /** How long the set-up of a machine takes beside what its task does. */
  setupMs: z.number().min(0).default(0),
  /** How long the end of a cluster takes. */
  downMs: z.number().min(0).default(0),
  /** What every end of a cluster ends with, unless it is to be forgotten in any case. */
  downError: z.strictObject({ type: z.string(), message: z.string() }).nullable().default(null),
  shortages: z.array(Shortage).default([]),
  /** What the next launches end with after their provisioning; its cluster stays, as one that could not be set up does. */
  launchError: z.strictObject({ type: z.string(), message: z.string() }).nullable().default(null),
  /** The token has expired. */
  unauthorized: z.boolean().default(false),
  /** The next calls that are answered by a 503. */
  unavailable: z.int().min(0).default(0),
  /** The next calls whose connection is cut before they are heard. */
  unheard: z.int().min(0).default(0),
  /** The same, of launches alone. */
  unheardLaunches: z.int().min(0).default(0),
  /** The next calls that became requests, and whose answer is lost. */
  unanswered: z.int().min(0).default(0),
  /** The same, of launches alone. */
  unansweredLaunches: z.int().min(0).default(0),
  /** A proxy before the server ends a blocking get after this with a 504. */
  getCutMs: z.number().min(1).nullable().default(null),
  /** The next log is cut after so many lines. */
  logCutAfter: z.int().min(0).nullable().default(null),
})
export type Faults = z.output<typeof Faults>
export type FaultsInput = z.input<typeof Faults>

/** All of them at rest. */
export function noFaults(): Faults {
  return Faults.parse({})
}

/** Faults with some of them changed. @throws z.ZodError */
export function changedFaults(faults: Faults, change: unknown): Faults {
  return Faults.parse({ ...faults, ...z.record(z.string(), z.unknown()).parse(change) })
}

/** The shortage that refuses a machine, one attempt used up; undefined when nobody does. */
export function takeShortage({ shortages }: Faults, place: TaskPlace): Shortage | undefined {
  const found = shortages.find(
    ({ infra, instanceType, accelerators, useSpot, times }) =>
      times !== 0 &&
      (infra === undefined || `${place.cloud}/${place.region}/`.startsWith(`${infra}/`)) &&
      (instanceType === undefined || instanceType === place.instanceType) &&
      (accelerators === undefined || accelerators === place.accelerators) &&
      (useSpot === undefined || useSpot === place.useSpot),
  )
  if (found?.times !== undefined) found.times -= 1
  return found
}
