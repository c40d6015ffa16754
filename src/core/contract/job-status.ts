import { z } from 'zod'

export const JobStatus = z.enum(['pending', 'running', 'succeeded', 'failed', 'cancelled'])
