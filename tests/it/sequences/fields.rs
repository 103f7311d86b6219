//! Which fields of the specs the sequences set, and to what. A slot of the rate card holds rules that are declared
//! together: the versions of one, or the tiers of one property.

/// A place in what is declared, and what it may say; `null` takes it away.
pub(super) type Field = (&'static str, &'static str, &'static [&'static str]);

/// Everything that an edit can do. The first is what stands at the beginning.
pub(super) const FIELDS: &[Field] = &[
    (
        "RateCard",
        "/rules/0",
        &[
            r#"[{"name":"vcpu","property":"vcpu","unit":"vCPU","product":{"identifier":"CLOUD-VCPU"}}]"#,
            r#"[{"name":"vcpu","property":"vcpu","unit":"vCPU","product":{"id":1},"minimum":"2","maximum":"9","lessIncluded":"1","serviceTypes":["VirtualMachine"],"basis":"Allocated"}]"#,
            r#"[{"name":"vcpu","property":"vcpu","unit":"vCPU","product":{"id":4},"rounding":{"mode":"Up","step":"4"}}]"#,
            r#"[{"name":"cores","property":"vcpu","unit":"vCPU","product":{"id":1}}]"#,
            r#"[{"name":"vcpu","property":"vcpu","unit":"GiB","product":{"id":1}}]"#,
            r#"[{"name":"vcpu","property":"vcpu","unit":"vCPU","product":{"identifier":"NO-SUCH-PRODUCT"}}]"#,
            r#"[{"name":"vcpu","property":"vcpu","unit":"vCPU","product":{"id":1},"validUntil":"2026-03-12T00:00:00Z"},{"name":"vcpu","property":"vcpu","unit":"vCPU","version":2,"product":{"id":4},"minimum":"3","validFrom":"2026-03-12T00:00:00Z"}]"#,
            r#"[{"name":"vcpu","property":"vcpu","unit":"vCPU","product":{"id":1},"validUntil":"2026-03-13T00:00:00Z"},{"name":"vcpu","property":"vcpu","unit":"vCPU","version":2,"product":{"id":1},"validFrom":"2026-03-12T00:00:00Z"}]"#,
            r#"[{"name":"few","property":"vcpu","unit":"vCPU","match":{"size":{"upTo":"8"}},"product":{"id":1}},{"name":"many","property":"vcpu","unit":"vCPU","match":{"size":{"over":"8"}},"product":{"id":4}}]"#,
            r#"[{"name":"vcpu","property":"vcpu","unit":"vCPU","product":{"id":1},"change":"Prorate"}]"#,
            r#"[{"name":"vcpu","property":"vcpu","unit":"vCPU","product":{"id":1},"validUntil":"2026-03-11T00:00:00Z"}]"#,
            r#"[{"name":"vcpu","property":"vcpu","unit":"vCPU","product":{"id":1},"aggregation":"Average","gaps":"Exclude"}]"#,
        ],
    ),
    (
        "RateCard",
        "/rules/1",
        &[
            r#"[{"name":"memory","property":"memory","unit":"GiB","product":{"identifier":"CLOUD-RAM"}}]"#,
            r#"[{"name":"memory","property":"memory","unit":"GiB","product":{"identifier":"CLOUD-RAM-FAST"}}]"#,
            r#"[{"name":"memory","property":"memory","unit":"MiB","product":{"id":2},"maximum":"20000","blockSize":"512"}]"#,
            r#"[{"name":"memory","property":"memory","unit":"GB","product":{"id":2},"rounding":{"mode":"Nearest","step":"1"}}]"#,
            r#"[{"name":"memory","property":"memory","unit":"GiB","product":{"id":2},"minimum":"9","maximum":"8"}]"#,
            r#"[{"name":"windows","property":"memory","unit":"GiB","match":{"guest":"windows"},"product":{"id":22}},{"name":"memory","property":"memory","unit":"GiB","product":{"id":2},"change":"Prorate"}]"#,
            r#"[{"name":"memory","property":"memory","unit":"GiB","product":{"id":2},"aggregation":"P95","gaps":"Hold","change":"Prorate"}]"#,
        ],
    ),
    (
        "RateCard",
        "/rules/2",
        &[
            r#"[{"name":"disk","property":"storage.provisioned","unit":"GiB","product":{"id":3}}]"#,
            r#"[]"#,
            r#"[{"name":"disk","property":"storage.provisioned","unit":"GB","product":{"id":3},"rounding":{"mode":"Down","step":"0.5"}}]"#,
            r#"[{"name":"disk","property":"storage.provisioned","unit":"TiB","product":{"id":3},"rounding":{"mode":"Up","step":"0.25"},"lessIncluded":"0.25"}]"#,
            r#"[{"name":"disk","property":"storage.provisioned","unit":"GiB","product":{"id":3},"rounding":{"mode":"Up","step":"0"}}]"#,
            r#"[{"name":"gold","property":"storage.provisioned","unit":"GiB","match":{"datastores":["gold-*"]},"product":{"id":4}},{"name":"disk","property":"storage.provisioned","unit":"GB","product":{"id":3}}]"#,
            r#"[{"name":"tagged","property":"storage.provisioned","unit":"GiB","match":{"datastoreTags":[{"category":"tier","name":"fast"}],"datastoreClusters":["pod-1"]},"product":{"id":3},"minimum":"50"},{"name":"disk","property":"storage.provisioned","unit":"GiB","product":{"id":4},"change":"Prorate"}]"#,
            r#"[{"name":"large","property":"storage.provisioned","unit":"GiB","match":{"size":{"over":"200"}},"product":{"id":4}},{"name":"small","property":"storage.provisioned","unit":"GB","match":{"size":{"upTo":"100"}},"product":{"id":3}}]"#,
            r#"[{"name":"safe","property":"storage.provisioned","unit":"GiB","match":{"storagePolicies":["Gold *"]},"product":{"id":4}},{"name":"disk","property":"storage.provisioned","unit":"GiB","product":{"id":3}}]"#,
            r#"[{"name":"disk","property":"storage.provisioned","unit":"GiB","product":{"id":3},"aggregation":"Peak"}]"#,
        ],
    ),
    (
        "CustomerMapping",
        "/overrides",
        &[
            "null",
            r#"[{"rules":[{"name":"vcpu","property":"vcpu","unit":"vCPU","product":{"id":4},"maximum":"6"}]}]"#,
            r#"[{"match":{"services":["web-*"]},"rules":[{"name":"memory","property":"memory","unit":"GiB","product":{"id":22},"validUntil":"2026-03-12T00:00:00Z"}]}]"#,
            r#"[{"match":{"services":["web-1"],"labels":{"tier":"gold"}},"rules":[{"name":"first","property":"storage.provisioned","unit":"GiB","match":{"datastores":["gold-01"]},"product":{"id":4},"minimum":"70"}]},{"match":{"services":["sql-*"]},"rules":[{"name":"vcpu","property":"vcpu","unit":"vCPU","product":{"id":22}}]}]"#,
            r#"[{"match":{"labels":{"tier":"silver"}},"rules":[{"name":"vcpu","property":"vcpu","unit":"vCPU","product":{"id":22}}]}]"#,
            r#"[{"rules":[{"name":"vcpu","property":"vcpu","unit":"vCPU","product":{"identifier":"NO-SUCH-PRODUCT"}}]}]"#,
            r#"[{"rules":[{"name":"vcpu","property":"vcpu","unit":"vCPU","product":{"id":1},"aggregation":"Average"}]}]"#,
        ],
    ),
    (
        "CustomerMapping",
        "/company",
        &[
            r#"{"identifier":"Acme"}"#,
            r#"{"id":7}"#,
            r#"{"name":"Acme"}"#,
            r#"{"id":77}"#,
        ],
    ),
    ("CustomerMapping", "/contact", &["null", r#"{"id":9}"#]),
    (
        "CustomerMapping",
        "/masterAgreement",
        &[
            r#"{"id":50}"#,
            r#"{"name":"Acme Master"}"#,
            r#"{"name":"No such master"}"#,
        ],
    ),
    (
        "CustomerMapping",
        "/mode",
        &[r#""Sync""#, r#""CreateOnly""#, r#""Observe""#],
    ),
    ("CustomerMapping", "/suspend", &["false", "true"]),
    (
        "CustomerMapping",
        "/billing",
        &[r#""Advance""#, r#""Arrears""#],
    ),
    (
        "CustomerMapping",
        "/lateChanges",
        &[r#""NextPeriod""#, r#""Hold""#],
    ),
    (
        "CustomerMapping",
        "/quantityDrift",
        &[r#""Revert""#, r#""Keep""#],
    ),
    (
        "CustomerMapping",
        "/removalGrace",
        &[r#""30m""#, r#""12h""#],
    ),
    (
        "CloudService",
        "/billable",
        &[
            "null",
            r#"{"value":false,"reason":"a trial"}"#,
            r#"{"value":false,"reason":"a trial","until":"2026-03-12T00:00:00Z"}"#,
            r#"{"value":true,"reason":"paid"}"#,
        ],
    ),
    (
        "CloudService",
        "/displayName",
        &["null", r#""web of the shop""#],
    ),
    (
        "CloudService",
        "/deletionPolicy",
        &[r#""Retain""#, r#""Cancel""#],
    ),
    (
        "CloudService",
        "/external",
        &[
            "null",
            r#"{"agreementId":52}"#,
            r#"{"agreementId":52,"additions":[{"rule":"vcpu","id":901}]}"#,
        ],
    ),
    (
        "CloudService",
        "/resumeAfter",
        &[
            "null",
            r#""2026-03-10T18:00:00Z""#,
            r#""2026-03-12T18:00:00Z""#,
        ],
    ),
    ("CloudService", "/suspend", &["false", "true"]),
    (
        "ConnectWiseIntegration",
        "/mode",
        &[r#""Sync""#, r#""Observe""#],
    ),
    (
        "ConnectWiseIntegration",
        "/agreementType",
        &[r#"{"id":19}"#, r#"{"name":"Cloud Service"}"#],
    ),
    (
        "ConnectWiseIntegration",
        "/nameTemplate",
        &[
            r#""{{company}} - {{service}}""#,
            r#""cloud: {{ service }}""#,
        ],
    ),
    (
        "ConnectWiseIntegration",
        "/timeZone",
        &[
            "null",
            r#""Europe/Berlin""#,
            r#""America/Phoenix""#,
            r#""Mars/Olympus""#,
        ],
    ),
];

/// Where a field stands among them.
pub(super) fn field(path: &str) -> usize {
    let at = FIELDS.iter().position(|(_, of, _)| *of == path);
    at.expect("a field of this name")
}
