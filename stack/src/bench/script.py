"""The short way to the same agreements: one create for each machine and line, no search before it and no books after."""

import json
import os
import sys
import warnings

from pyconnectwise import ConnectWiseManageAPIClient

warnings.simplefilter("ignore")
cw = ConnectWiseManageAPIClient(
    os.environ["CONNECTWISE_COMPANY"],
    os.environ["CONNECTWISE_URL"].removeprefix("https://"),
    os.environ["CONNECTWISE_CLIENT_ID"],
    os.environ["CONNECTWISE_PUBLIC_KEY"],
    os.environ["CONNECTWISE_PRIVATE_KEY"],
)
products = {item.identifier: item.id for item in cw.procurement.catalog.get(params={"pageSize": 1000})}
masters = {
    agreement.company.identifier: agreement
    for agreement in cw.finance.agreements.get(params={"pageSize": 1000})
    if agreement.parent_agreement is None
}
customers = {"acme": "AcmeCorp", "globex": "Globex"}

for machine in json.load(open(sys.argv[1], encoding="utf-8")):
    master = masters[customers[machine["folder"]]]
    agreement = cw.finance.agreements.post(
        {
            "name": machine["name"],
            "type": {"id": master.type.id},
            "company": {"id": master.company.id},
            "contact": {"id": master.contact.id},
            "parentAgreement": {"id": master.id},
            "startDate": "2026-01-01T00:00:00Z",
            "noEndingDateFlag": True,
        }
    )
    lines = {
        "CLOUD-VCPU": machine["vcpu"],
        "CLOUD-RAM-GIB": machine["memoryMib"] / 1024,
        "CLOUD-STORAGE-GIB": machine["diskMib"] / 1024,
    }
    for product, quantity in lines.items():
        cw.finance.agreements.id(agreement.id).additions.post(
            {
                "product": {"id": products[product]},
                "quantity": quantity,
                "billCustomer": "Billable",
                "effectiveDate": "2026-01-01T00:00:00Z",
            }
        )
