"""pyconnectwise, unmodified: list, page, filter, create, patch, count, and get errors."""

import json
import os
import warnings

from pyconnectwise import ConnectWiseManageAPIClient
from pyconnectwise.exceptions import (
    AuthenticationFailedException,
    MalformedRequestException,
    NotFoundException,
    ObjectExistsError,
    PermissionsFailedException,
)

checks = 0


def check(condition, what):
    global checks
    checks += 1
    if not condition:
        raise SystemExit(f"pyconnectwise: {what}")


def refuses(exception, call, what):
    try:
        call()
    except exception as error:
        check(True, what)
        return error
    raise SystemExit(f"pyconnectwise: {what}: not refused")


def client(public, private):
    return ConnectWiseManageAPIClient(
        os.environ["CONNECTWISE_COMPANY"],
        os.environ["CONNECTWISE_URL"].removeprefix("https://"),
        os.environ["CONNECTWISE_CLIENT_ID"],
        public,
        private,
    )


warnings.simplefilter("ignore")
cw = client(os.environ["CONNECTWISE_PUBLIC_KEY"], os.environ["CONNECTWISE_PRIVATE_KEY"])
check(cw.codebase == "v2026_1/", "codebase")
check(cw.system.info.get().version.startswith("v2026.1"), "system info")

agreements = cw.finance.agreements
made = [
    agreements.post(
        {
            "name": f"py-{i}",
            "type": {"id": 18},
            "company": {"id": 250},
            "contact": {"id": 7},
            "parentAgreement": {"id": 55},
            "startDate": "2026-01-01T00:00:00Z",
            "noEndingDateFlag": True,
            "customFields": [{"id": 5, "value": f"py1-{i}"}],
        }
    )
    for i in range(30)
]
check(all(a.id for a in made), "ids of what was made")
check(made[0].parent_agreement.name == "Acme Master", "the parent's name")
check(made[0].agreement_status == "Active", "the status")

names = [a.name for a in agreements.paginated(1, 7, {"conditions": 'name like "py-*"', "orderBy": "id"}).all()]
check(names == [f"py-{i}" for i in range(30)], f"paging: {names}")
check(agreements.count.get(params={"conditions": 'name like "py-*"'}).count == 30, "count")
found = agreements.get(params={"customFieldConditions": 'caption="meterwise" AND value="py1-3"'})
check([a.name for a in found] == ["py-3"], "custom field search")
found = agreements.get(params={"conditions": "parentAgreement/id=55 and company/identifier='AcmeCorp'", "pageSize": 1000})
check(len(found) == 30, "conditions on references")

one = agreements.id(made[0].id)
additions = one.additions
line = additions.post(
    {
        "product": {"id": 77},
        "quantity": 0,
        "billCustomer": "DoNotBill",
        "effectiveDate": "2026-01-01T00:00:00Z",
        "customFields": [{"id": 6, "value": "py1-0-vcpu"}],
    }
)
check(line.bill_customer == "DoNotBill" and line.quantity == 0, "an inert line")
line = additions.id(line.id).patch(
    [
        {"op": "replace", "path": "quantity", "value": 12.5},
        {"op": "replace", "path": "billCustomer", "value": "Billable"},
    ]
)
check(line.ext_price == 156.25 and line.agreement_status == "Active", "a patched line")
check(len(additions.get()) == 1 and additions.count.get().count == 1, "lines of an agreement")
check(one.patch([{"op": "replace", "path": "customerPO", "value": "PO-1"}]).customer_po == "PO-1", "a patched agreement")

check(len(cw.company.companies.get()) == 5, "companies")
check(cw.company.companies.id(250).get().default_contact.name == "Wile Coyote", "a company")
check(len(cw.company.companies.id(250).sites.get()) == 2, "sites")
check(len(cw.company.contacts.get(params={"conditions": "company/id=250"})) == 2, "contacts")
check({t.name for t in cw.finance.agreements.types.get()} >= {"Managed Services"}, "agreement types")
check(any(c.billing_options == "Monthly" for c in cw.finance.billing_cycles.get()), "billing cycles")
check(len(cw.procurement.catalog.get(params={"conditions": "identifier='CLOUD-VCPU'"})) == 1, "catalogue")
check(len(cw.procurement.unit_of_measures.get()) == 3, "units of measure")
check(len(cw.system.user_defined_fields.get()) == 2, "custom field definitions")
check(len(cw.system.info.members.get()) == 2, "members")
check(cw.finance.agreements.id(55).get().next_invoice_date is not None, "the next invoice date")

error = refuses(MalformedRequestException, lambda: agreements.post({"name": "x"}), "a POST without what it needs")
check("MissingRequiredField" in error.response.text, "the code of a missing field")
refuses(NotFoundException, lambda: agreements.id(99999).get(), "an agreement that is not there")
refuses(MalformedRequestException, lambda: agreements.get(params={"conditions": "nonsense=1"}), "a bad condition")
refuses(PermissionsFailedException, lambda: one.delete(), "a DELETE without the right")
callback = {"url": "https://x.example/?recordId=", "objectId": 1, "type": "agreement", "level": "owner"}
cw.system.callbacks.post(callback)
refuses(ObjectExistsError, lambda: cw.system.callbacks.post(callback), "a callback twice")
refuses(
    AuthenticationFailedException,
    lambda: client("nobody", "nothing").finance.agreements.get(),
    "keys that are not known",
)
print(json.dumps({"client": "pyconnectwise", "checks": checks}))
