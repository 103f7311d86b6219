//! The office that is checked: the operator's decisions, protocol and client, one thing after the other, over the simulator
//! in this process. Its books are kept in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use connectwise_sim::{Now, seed};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use meterwise::connectwise::{AgreementsFilter, Client, Error, FieldProblem};
use meterwise::domain::book::Book;
use meterwise::domain::desired::{Desired, Service, Sight, desired, observed};
use meterwise::domain::ids::{AgreementId, AgreementTypeId, CompanyId, ContactId};
use meterwise::domain::inventory::{Inventory, Machine};
use meterwise::domain::launch::Launch;
use meterwise::domain::observed::Ledger;
use meterwise::domain::period::{Billing, Every, LateChanges, Recurrence};
use meterwise::domain::plan::{known, plan};
use meterwise::domain::protocol::{
    Known, MarkFields, Pass, QuantityDrift, Reach, Request, Response, Step,
};
use meterwise::domain::step::{absorb, step};
use meterwise::domain::terms::Terms;
use meterwise::domain::usage::{Evidence, Presence};
use rust_decimal::Decimal;

use crate::billing::instance::{Instance, client, machine, rules};
use crate::billing::settings::Setting;
use crate::billing::story::{FIRST, GRACE, Happening, midnight, site};

const MASTER: AgreementId = AgreementId(50);
/// More requests than any honest pass makes.
const LONGEST: usize = 60;

/// One machine and what is kept of it.
#[derive(Debug)]
struct Kept {
    machine: Machine,
    /// Nothing that these rules ask for.
    places: Inventory,
    gone: Option<Timestamp>,
    since: Timestamp,
    altered: Timestamp,
    book: Option<Book>,
}

pub(crate) struct Office {
    instance: Arc<Mutex<Instance>>,
    runtime: tokio::runtime::Runtime,
    client: Client,
    ledger: Ledger,
    setting: Setting,
    machines: BTreeMap<usize, Kept>,
    passes: usize,
}

fn of_quantity(fields: &[FieldProblem]) -> bool {
    fields.iter().any(|field| field.field == "quantity")
}

fn service(number: usize, kept: &Kept) -> Service {
    Service {
        reference: format!("acme/vm{number}"),
        display_name: format!("vm{number}"),
        labels: BTreeMap::new(),
        source: "vc1".into(),
        service_type: "VirtualMachine",
        class: Some(None),
        instance_uuid: kept.machine.instance_uuid.clone().unwrap(),
        clone_moref: None,
        settled_at: Timestamp::MIN,
        adopts: None,
        moved_at: None,
        first_seen: None,
        billable: true,
        resume_after: None,
        cancelled_at: None,
    }
}

impl Office {
    pub(crate) fn open(setting: &Setting) -> Self {
        let now = midnight(FIRST);
        let seed = include_str!("seed.json").replace("\"PRORATE\"", &setting.prorate.to_string());
        let mut state = seed::from_text(&seed, Now(now)).unwrap();
        let settings = state.settings_mut();
        settings.rate_per_minute = Some(0);
        settings.assume.set("read-lag", "0").unwrap();
        if setting.has_plain_marks() {
            settings.marks.agreement = "customerPO".to_owned();
            settings.marks.addition = "serialNumber".to_owned();
        }
        for (name, answer) in &setting.assume {
            settings.assume.set(name, answer).unwrap();
        }
        let instance = Arc::new(Mutex::new(Instance { state, now }));
        let runtime = tokio::runtime::Builder::new_current_thread();
        Self {
            client: client(&instance, setting),
            instance,
            runtime: { runtime }.enable_all().start_paused(true).build().unwrap(),
            ledger: Ledger::default(),
            setting: setting.clone(),
            machines: BTreeMap::new(),
            passes: 0,
        }
    }

    fn now(&self) -> Timestamp {
        self.instance.lock().unwrap().now
    }

    /// Lives what happens. An invoice answers what was charged, by machine and rule; `follow` is what comes after it.
    pub(crate) fn live(
        &mut self,
        at: Timestamp,
        happening: &Happening,
    ) -> Option<BTreeMap<String, Decimal>> {
        self.instance.lock().unwrap().now = at;
        match *happening {
            Happening::Size(number, size) => {
                let machine = machine(number, &size);
                let kept = self.machines.entry(number).or_insert_with(|| Kept {
                    machine: machine.clone(),
                    places: Inventory::empty(at),
                    gone: None,
                    since: at,
                    altered: at,
                    book: None,
                });
                (kept.machine, kept.altered) = (machine, at);
                self.settle(&[number]);
            }
            Happening::Removed(number) => {
                self.machines.get_mut(&number).unwrap().gone = Some(at);
                self.settle(&[number]);
            }
            Happening::Over(number) => self.settle(&[number]),
            Happening::Month => self.follow(),
            Happening::Invoice(month) => return Some(self.invoice(month)),
        }
        None
    }

    /// Everybody is looked at.
    pub(crate) fn follow(&mut self) {
        let is_over = |kept: &Kept| {
            let ending = kept
                .book
                .as_ref()
                .and_then(|book| book.agreement.ending.as_ref());
            ending.is_some_and(|ending| ending.done)
        };
        let open = self.machines.iter().filter(|(_, kept)| !is_over(kept));
        let all: Vec<_> = open.map(|(number, _)| *number).collect();
        self.settle(&all);
    }

    fn settle(&mut self, numbers: &[usize]) {
        let master = self
            .runtime
            .block_on(self.client.agreement(MASTER))
            .unwrap();
        let terms = self.terms(master);
        for number in numbers {
            // Each pass does what it can; the last one finds nothing to do.
            for _ in 0..4 {
                self.count(*number, &terms);
                if !self.pass(*number, &terms) {
                    break;
                }
            }
        }
    }

    fn terms(&self, master: meterwise::domain::ledger::Agreement) -> Terms {
        Terms {
            company: CompanyId(7),
            company_name: "Acme".into(),
            contact: ContactId(9),
            master,
            billing: Billing {
                mode: self.setting.mode,
                late: LateChanges::NextPeriod,
                recurrence: Recurrence::Every(Every::Months(1)),
                zone: site(),
            },
            rules: rules(&self.setting),
            overrides: Vec::new(),
            reach: Reach::Whole,
            launch: Launch::Bills,
            quantity_drift: QuantityDrift::Revert,
            mark_fields: MarkFields::default(),
            removal_grace: GRACE,
            name_template: "{{company}} {{service}}".into(),
            agreement_type: AgreementTypeId(18),
            installation: "test".into(),
            database: "acme_c".into(),
        }
    }

    fn presence(kept: &Kept) -> Presence<'_> {
        match kept.gone {
            Some(at) => Presence::Gone {
                at,
                evidence: Evidence::RemovalEvent,
            },
            None => Presence::Present(&kept.machine, &kept.places),
        }
    }

    /// Counts on, as the operator does before it decides.
    fn count(&mut self, number: usize, terms: &Terms) {
        let now = self.now();
        let kept = self.machines.get_mut(&number).unwrap();
        let Some(book) = kept.book.as_ref().filter(|book| !book.is_empty()) else {
            return;
        };
        let sight = Sight {
            presence: Self::presence(kept),
            appeared: Some(kept.since),
            changed: Some(kept.altered),
            blind: None,
        };
        let meters = observed(
            &service(number, kept),
            terms,
            &book.meters,
            &sight,
            |_| false,
            now,
        );
        kept.book.as_mut().unwrap().meters = meters;
    }

    fn desired(&self, number: usize, terms: &Terms) -> Desired {
        let kept = &self.machines[&number];
        let service = service(number, kept);
        let meters = kept.book.as_ref().map(|book| &book.meters);
        desired(&service, terms, meters, &Self::presence(kept), self.now())
    }

    /// One pass, if there is something to do. Says whether something was written.
    fn pass(&mut self, number: usize, terms: &Terms) -> bool {
        let goal = self.desired(number, terms).goal;
        self.passes += 1;
        let now = self.now();
        let book = self.machines[&number].book.clone();
        let mut pass = Pass {
            attempt: format!("p-{}", self.passes),
            quarantine: SignedDuration::from_mins(10),
            known: Known::default(),
        };
        if !plan(&goal, book.as_ref(), &self.ledger, &pass, now).due {
            return false;
        }
        pass.known = known(&self.ledger, &goal, book.as_ref());
        let mut wrote = false;
        for _ in 0..LONGEST {
            let Step::Ask(request) = step(&goal, &pass, now) else {
                return wrote;
            };
            let Some(response) = self.ask(number, &request) else {
                return wrote;
            };
            wrote |= request.is_external_write() && !matches!(response, Response::Refused(_));
            absorb(&mut pass, &request, response);
        }
        panic!("a pass does not end");
    }

    /// One request; no answer where it fails for good.
    fn ask(&mut self, number: usize, request: &Request) -> Option<Response> {
        let (client, runtime, now) = (&self.client, &self.runtime, self.now());
        let ledger = &mut self.ledger;
        Some(match request {
            Request::ReadBook => Response::Book(self.machines[&number].book.clone().map(Box::new)),
            Request::WriteBook(book) => {
                self.machines.get_mut(&number).unwrap().book = Some((**book).clone());
                Response::BookWritten
            }
            Request::FindAgreements(mark) => {
                let filter = AgreementsFilter::Marked(mark.clone());
                let found = runtime.block_on(client.agreements(&filter)).ok()?;
                for agreement in &found {
                    ledger.put_agreement(agreement.clone(), now);
                }
                Response::Agreements(found)
            }
            Request::ReadAgreement(id) => {
                let found = runtime.block_on(client.agreement(*id)).ok()?;
                Response::Agreements(vec![found])
            }
            Request::MarkAgreement(..) => panic!("nothing is adopted here"),
            Request::ListLines(id) => {
                let lines = runtime.block_on(client.additions(*id)).ok()?;
                ledger.put_lines(*id, lines, now);
                Response::Lines(ledger.lines(*id).unwrap_or_default())
            }
            Request::MakeAgreement(new) => {
                let made = runtime.block_on(client.create_agreement(new)).ok()?;
                ledger.wrote_agreement(made.clone(), now);
                ledger.put_lines(made.id, Vec::new(), now);
                Response::Agreement(Box::new(made))
            }
            Request::MakeLine(agreement, _, new) => {
                match runtime.block_on(client.create_addition(*agreement, new)) {
                    Ok(made) => {
                        ledger.wrote_line(*agreement, made.clone(), now);
                        Response::Line(Box::new(made))
                    }
                    Err(Error::Invalid { fields, .. })
                        if new.quantity.is_zero() && of_quantity(&fields) =>
                    {
                        Response::NoZero
                    }
                    Err(why) => Response::Refused(why.to_string()),
                }
            }
            Request::ChangeLine(agreement, line, _, changes) => {
                match runtime.block_on(client.change_addition(*agreement, *line, changes)) {
                    Ok(changed) => {
                        ledger.wrote_line(*agreement, changed.clone(), now);
                        Response::Line(Box::new(changed))
                    }
                    Err(why) => Response::Refused(why.to_string()),
                }
            }
            Request::CancelAgreement(id, cancellation) => {
                let cancelled = client.cancel_agreement(*id, cancellation);
                let cancelled = runtime.block_on(cancelled).ok()?;
                ledger.wrote_agreement(cancelled.clone(), now);
                Response::Agreement(Box::new(cancelled))
            }
        })
    }

    /// The simulator's own invoice run, by machine and rule.
    fn invoice(&mut self, month: Date) -> BTreeMap<String, Decimal> {
        let mut instance = self.instance.lock().unwrap();
        let now = Now(instance.now);
        let today = instance.now.to_zoned(site()).date();
        let (bill, _) = connectwise_sim::billing::invoice(
            &mut instance.state,
            i64::from(MASTER.0),
            Some(today),
            now,
        )
        .unwrap();
        assert_eq!(bill.get("from").as_str(), Some(month.to_string().as_str()));
        let mut marks = BTreeMap::new();
        for (number, kept) in &self.machines {
            for (rule, line) in kept.book.iter().flat_map(|book| &book.lines) {
                let book = kept.book.as_ref().unwrap();
                let mark = book.line_mark(rule, line.generation);
                let mark = mark.split('.').next().unwrap().to_owned();
                marks.insert(mark, format!("{number} {rule}"));
            }
        }
        let mut charged = BTreeMap::new();
        for line in bill.get("lines").items() {
            let amount = line.get("amount").as_num().unwrap();
            let what = line.get("what").as_str().unwrap();
            // Days that an earlier invoice should have held, or should not: no closed period was to be changed.
            assert!(
                !matches!(what, "caught up" | "credit"),
                "{} {line:?}",
                self.setting
            );
            let mark = line
                .get("mark")
                .as_str()
                .unwrap()
                .split('.')
                .next()
                .unwrap();
            if !amount.is_zero() {
                *charged.entry(marks[mark].clone()).or_default() += amount;
            }
        }
        charged
    }
}
