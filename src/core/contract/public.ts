import { z } from 'zod'
import type { PublicEndpoint } from './endpoint.js'

/** What both ports answer without a credential. Mounted by hand; declared here for the documentation. */
const base = { method: 'GET', auth: 'none', tag: 'Service', errors: [] } as const

const Parts = z.record(z.string(), z.string()).meta({
  description: 'What is wrong with each part that does not work as it should.',
  examples: [{ postgres: 'does not answer' }],
})

export const bothPortsEndpoints: readonly PublicEndpoint[] = [
  {
    ...base,
    id: 'service.health',
    path: '/health',
    summary: 'Whether the process lives',
    reply: { 200: z.object({ status: z.literal('ok'), time: z.iso.datetime() }) },
  },
  {
    ...base,
    id: 'service.ready',
    path: '/ready',
    summary:
      'Whether it can serve; degraded when a store does not answer, 503 with the failing parts when not',
    reply: {
      200: z.object({ status: z.enum(['ready', 'degraded']), parts: Parts.optional() }),
      503: z.object({ status: z.enum(['unready', 'draining']), parts: Parts.optional() }),
    },
  },
  {
    ...base,
    id: 'service.openapi',
    path: '/openapi.json',
    summary: 'This document',
    reply: { 200: z.looseObject({}).meta({ examples: [{ openapi: '3.1.0' }] }) },
  },
  {
    ...base,
    id: 'service.openapi-yaml',
    path: '/api/v1/admin/openapi.yaml',
    summary: 'This document as YAML',
    reply: { 200: z.string().meta({ examples: ['openapi: 3.1.0\n'] }) },
    contentType: 'application/yaml',
  },
  {
    ...base,
    id: 'service.docs',
    path: '/api-docs',
    summary: 'This document as a page',
    reply: { 200: z.string().meta({ examples: ['<!doctype html>\n'] }) },
    contentType: 'text/html',
  },
]

/** Where machines that are launched find the node agent. */
export const NODE_AGENT_PATH = '/node-agent.py'

export const adminPortPublicEndpoints: readonly PublicEndpoint[] = [
  ...bothPortsEndpoints,
  {
    ...base,
    id: 'service.metrics',
    path: '/metrics',
    summary: 'Metrics of all processes under this supervisor, for Prometheus',
    reply: { 200: z.string().meta({ examples: ['crosslogic_up 1\n'] }) },
    contentType: 'text/plain',
  },
  {
    ...base,
    id: 'service.node-agent',
    path: NODE_AGENT_PATH,
    summary: 'The script that runs on a launched node beside its engine; needs Python 3 alone',
    description:
      'Holds no secret. Its ETag is its SHA-256 digest in hexadecimal, for a launch that checks what it downloaded.',
    reply: { 200: z.string().meta({ examples: ['#!/usr/bin/env python3\n'] }) },
    contentType: 'text/x-python',
  },
]
