import { connect, type AddressInfo } from 'node:net'
import { createServer } from 'node:tls'
import { CERTIFICATE, CERTIFICATE_KEY } from '../../support/certificate.js'

/** A TLS server on a free port of localhost that passes everything on to a port without TLS. */
export async function startTlsFront(targetPort: number): Promise<{ port: number } & AsyncDisposable> {
  const server = createServer({ cert: CERTIFICATE, key: CERTIFICATE_KEY }, (socket) => {
    const target = connect(targetPort, '127.0.0.1')
    socket.pipe(target).pipe(socket)
    socket.on('error', () => target.destroy())
    target.on('error', () => socket.destroy())
    socket.on('close', () => target.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address: AddressInfo | string | null = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return {
    port: address.port,
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
