// connectwise-rest, unmodified: list, page, filter, create, patch, bundle, and get errors.

const { ManageAPI } = require('connectwise-rest')

let checks = 0

function check(condition, what) {
  checks += 1
  if (!condition) {
    console.error(`connectwise-rest: ${what}`)
    process.exit(1)
  }
}

async function refuses(status, call, what) {
  try {
    await call()
  } catch (error) {
    check(error.status === status, `${what}: ${error.status} instead of ${status} (${error.message})`)
    return error.data
  }
  check(false, `${what}: not refused`)
}

function client(publicKey, privateKey) {
  return new ManageAPI({
    companyId: process.env.CONNECTWISE_COMPANY,
    companyUrl: process.env.CONNECTWISE_URL.replace('https://', ''),
    clientId: process.env.CONNECTWISE_CLIENT_ID,
    entryPoint: 'v4_6_release',
    publicKey,
    privateKey,
    retry: false,
    logger: () => {},
  })
}

async function main() {
  const cw = client(process.env.CONNECTWISE_PUBLIC_KEY, process.env.CONNECTWISE_PRIVATE_KEY)
  const finance = cw.FinanceAPI
  const info = await cw.SystemAPI.getSystemInfo()
  check(info.version.startsWith('v2026.1'), 'system info')

  for (let i = 0; i < 25; i++) {
    const made = await finance.postFinanceAgreements({
      name: `js-${i}`,
      type: { id: 18 },
      company: { id: 251 },
      contact: { id: 9 },
      parentAgreement: { id: 56 },
      startDate: '2026-01-01T00:00:00Z',
      noEndingDateFlag: true,
      customFields: [{ id: 5, value: `js1-${i}` }],
    })
    check(made.id > 0 && made.customFields[0].value === `js1-${i}`, 'what was made')
  }
  const all = await cw.paginate(
    finance.getFinanceAgreements,
    { startPage: 1, pageSize: 10 },
    { conditions: "name like 'js-*'", orderBy: 'id asc' },
  )
  check(all.map((a) => a.name).join() === [...Array(25).keys()].map((i) => `js-${i}`).join(), 'paging')
  const exact = await cw.paginate(
    finance.getFinanceAgreements,
    { startPage: 1, pageSize: 5 },
    { conditions: "name like 'js-*'" },
  )
  check(exact.length === 25, 'paging that ends on a full page')
  const count = await finance.getFinanceAgreementsCount({ conditions: "name like 'js-*'" })
  check(count.count === 25, 'count')
  const marked = await finance.getFinanceAgreements({
    customFieldConditions: 'caption="meterwise" AND value="js1-7"',
  })
  check(marked.length === 1 && marked[0].name === 'js-7', 'custom field search')
  const short = await finance.getFinanceAgreements({ fields: 'id,company/identifier', pageSize: 1 })
  check(Object.keys(short[0]).join() === 'id,company', 'fields')

  const id = marked[0].id
  const line = await finance.postFinanceAgreementsByParentIdAdditions(id, {
    product: { id: 78 },
    quantity: 4,
    billCustomer: 'Billable',
    effectiveDate: '2026-01-01T00:00:00Z',
    customFields: [{ id: 6, value: 'js1-7-ram' }],
  })
  check(line.extPrice === 25 && line.uom === 'GiB', 'a line')
  const patched = await finance.patchFinanceAgreementsByParentIdAdditionsById(line.id, id, [
    { op: 'replace', path: 'quantity', value: 8 },
  ])
  check(patched.extPrice === 50, 'a patched line')
  const lines = await finance.getFinanceAgreementsByParentIdAdditions(id, {})
  check(lines.length === 1, 'lines of an agreement')
  const cancelled = await finance.patchFinanceAgreementsById(id, [
    { op: 'replace', path: 'cancelledFlag', value: true },
    { op: 'replace', path: 'dateCancelled', value: '2026-02-01T00:00:00Z' },
  ])
  check(cancelled.agreementStatus === 'Cancelled', 'a cancelled agreement')

  const companies = await cw.CompanyAPI.getCompanyCompanies({ conditions: "identifier='Globex'" })
  check(companies.length === 1 && companies[0].defaultContact.name === 'Hank Scorpio', 'companies')
  check((await cw.ProcurementAPI.getProcurementCatalog({ pageSize: 1000 })).length === 4, 'catalogue')
  check((await cw.SystemAPI.getSystemUserDefinedFields({})).length === 2, 'custom field definitions')
  const bundle = await cw.SystemAPI.postSystemBundles({
    requests: [
      { sequenceNumber: 1, resourceType: 'company', version: '2025.1', apiRequest: { id: 251 } },
      { sequenceNumber: 2, resourceType: 'nonsense', version: '2025.1', apiRequest: {} },
    ],
  })
  check(bundle.results.map((r) => r.success).join() === 'true,false', 'a bundle')

  const error = await refuses(400, () => finance.postFinanceAgreements({ name: 'x' }), 'a POST without what it needs')
  check(error.code === 'InvalidObject', 'the code of a bad object')
  await refuses(404, () => finance.getFinanceAgreementsById(99999), 'an agreement that is not there')
  await refuses(403, () => finance.deleteFinanceAgreementsById(id), 'a DELETE without the right')
  await refuses(401, () => client('nobody', 'nothing').SystemAPI.getSystemInfo(), 'keys that are not known')
  console.log(JSON.stringify({ client: 'connectwise-rest', checks }))
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
