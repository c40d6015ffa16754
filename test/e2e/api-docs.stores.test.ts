import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Page, startChromium } from '../support/chromium.js'
import { startTestGateway } from '../support/gateway.js'

/** Types into a field of React's, which listens to events alone. */
const type = (selector: string, text: string) => `{
  const field = document.querySelector(${JSON.stringify(selector)})
  const { set } = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value')
  set.call(field, ${JSON.stringify(text)})
  field.dispatchEvent(new Event('input', { bubbles: true }))
}`

async function click(page: Page, selector: string): Promise<void> {
  const found = `document.querySelector(${JSON.stringify(selector)})`
  await page.until(found)
  await page.evaluate(`${found}.click()`)
}

/** Gives the page its credential, as a person would. */
async function authorize(page: Page, credential: string): Promise<void> {
  await click(page, '.auth-wrapper .authorize')
  await page.until("document.querySelector('.auth-container input')")
  await page.evaluate(type('.auth-container input', credential))
  await click(page, '.auth-container .authorize')
  await page.until(
    "document.querySelector('.auth-container .auth:not(.authorize)')?.textContent === 'Logout'",
  )
  await click(page, '.auth-container .btn-done')
}

/** Opens a GET, tries it out, and waits for its reply. @returns its status and body, as the page shows them */
async function tryOut(page: Page, path: string): Promise<{ status: string; body: string }> {
  const block = `.opblock-get:has([data-path="${path}"])`
  await click(page, `${block} .opblock-summary-control`)
  await click(page, `${block} .try-out__btn`)
  await click(page, `${block} .execute`)
  const cell = (name: string) => `document.querySelector('${block} .live-responses-table ${name}')`
  await page.until(cell('.response-col_status'))
  const text = async (name: string) => String(await page.evaluate(`${cell(name)}.textContent`))
  return {
    status: (await text('tbody .response-col_status')).slice(0, 3),
    body: await text('tbody .response-col_description'),
  }
}

test('both reference pages load from their own port alone, and try requests out', async () => {
  await using gateway = await startTestGateway()
  const tenant = await gateway.createTenant()
  const model = await gateway.createModel('docs-model')
  await using browser = await startChromium()
  for (const { url, credential, path, shown } of [
    {
      url: gateway.adminUrl,
      credential: gateway.adminToken,
      path: '/admin/models',
      shown: model,
    },
    {
      url: gateway.url,
      credential: tenant.key,
      path: '/v1/usage',
      shown: 'total_requests',
    },
  ]) {
    const page = await browser.open(`${url}/api-docs`)
    await page.until("document.querySelectorAll('.opblock').length > 5")
    await authorize(page, credential)
    const { status, body } = await tryOut(page, path)
    assert.equal(status, '200', body)
    assert.ok(body.includes(shown), body)
    const elsewhere = page.requested.filter(
      (address) => !address.startsWith(url) && !address.startsWith('data:'),
    )
    assert.deepEqual(elsewhere, [])
    assert.deepEqual(page.errors, [])
  }
})
