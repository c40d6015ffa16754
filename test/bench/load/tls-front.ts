import { connect, type AddressInfo } from 'node:net'
import { createServer } from 'node:tls'

/** For localhost and 127.0.0.1, signed by itself, good for a century; secures nothing. */
export const CERTIFICATE = `
-----BEGIN CERTIFICATE-----
MIIBmjCCAUGgAwIBAgIUW7U0JHSobphtoPtL5W31oNp7qsAwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNTE2MjEyM1oYDzIxMjYxMTAx
MTYyMTIzWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARfeBCBFBC2kES3tB6RphHh+2arksaqyYNDg1Lujk8knsBPy+o2Mdhz
r2CFuyxGfkvAySlt3ocsptzEkN9RICngo28wbTAdBgNVHQ4EFgQUxUtjVHlIKhEp
iu7qksot4rdVZwswHwYDVR0jBBgwFoAUxUtjVHlIKhEpiu7qksot4rdVZwswDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDRwAwRAIgXKXzDTZiPHKJwWbJVYumib2MC9bKELFc8o/rVnbFXvkCIGHf
uIpk6yvSdAi1IiCvrNmpbT7lLxBjGBwVHW7d9HZC
-----END CERTIFICATE-----
`

const KEY = `
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgVhZqLgK3pxaUjGCm
ksaJRLjg0pfskwhFLye9J/ywmvihRANCAARfeBCBFBC2kES3tB6RphHh+2arksaq
yYNDg1Lujk8knsBPy+o2Mdhzr2CFuyxGfkvAySlt3ocsptzEkN9RICng
-----END PRIVATE KEY-----
`

/** A TLS server on a free port of localhost that passes everything on to a port without TLS. */
export async function startTlsFront(targetPort: number): Promise<{ port: number } & AsyncDisposable> {
  const server = createServer({ cert: CERTIFICATE, key: KEY }, (socket) => {
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
