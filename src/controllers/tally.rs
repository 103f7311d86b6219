//! The accounts of each customer, kept while services come and go, so that a change of one is judged against all others
//! without looking at them again. Decides nothing: judgments are `crate::domain::guard`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::controllers::context::{Name, Registry};
use crate::controllers::ledger_mirror::LedgerMirror;
use crate::domain::guard::{
    Account, Baseline, Calm, Change, Kind, Limits, Restraint, Scene, Verdict, judge, too_many,
};
use crate::domain::mark::ServiceMark;

/// The tallies of all mappings.
pub(super) type Tallies = Registry<Name, Tally>;

/// What is known of one customer's bill.
#[derive(Debug)]
pub(super) struct Tally {
    integration: String,
    ledger: Arc<LedgerMirror>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    limits: Limits,
    /// How long nothing of ours must have moved the total before it is calm.
    calm: SignedDuration,
    accounts: BTreeMap<String, Entry>,
    /// What bills under each mark of the customer, as the mapping saw it last.
    marks: BTreeMap<ServiceMark, Account>,
    baseline: Option<Baseline>,
    /// The baseline as the mapping's status has it.
    written: Option<Baseline>,
    /// Sentences that a person let through, and until when.
    approved: Vec<(Timestamp, BTreeSet<String>)>,
    judged: Option<Judged>,
    /// Whether too many lines ended or shrank, over all mappings of the integration, at the last look.
    many_ends: bool,
    /// What services were last told of.
    told: BTreeMap<String, Restraint>,
}

/// One service's account, under its mark.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    mark: ServiceMark,
    account: Account,
    /// How many of its lines end or shrink.
    shrinking: usize,
}

/// The last judgment and what it rests on beside the accounts.
#[derive(Debug)]
struct Judged {
    many_ends: bool,
    approvals: usize,
    baseline: Baseline,
    verdict: Arc<Verdict>,
    /// What services hear of it: only what is held.
    told: BTreeMap<String, Restraint>,
}

/// What a service is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Permission {
    /// What it leaves undone.
    pub(super) restraint: Restraint,
    /// Whether it may write at all: not before the mapping has written down that its customer goes live.
    pub(super) may_write: bool,
    /// Mappings that should hear of the judgment.
    pub(super) news: Vec<Name>,
}

impl Tally {
    /// The tally of a mapping; the one that is there if it counts in the same ledger. `calm` is how long nothing of ours
    /// must have moved a total before it is one to measure against.
    pub(super) fn of(
        tallies: &Tallies,
        mapping: &Name,
        integration: &str,
        ledger: &Arc<LedgerMirror>,
        calm: SignedDuration,
    ) -> Arc<Self> {
        let same = |tally: &Arc<Self>| Arc::ptr_eq(&tally.ledger, ledger);
        tallies.get(mapping).filter(same).unwrap_or_else(|| {
            let tally = Arc::new(Self {
                integration: integration.to_owned(),
                ledger: ledger.clone(),
                state: Mutex::new(State {
                    calm,
                    ..State::default()
                }),
            });
            tallies.put(mapping.clone(), tally.clone());
            tally
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what the mapping declares and sees: limits, approvals, and what bills under every mark of the customer.
    pub(super) fn declare(
        &self,
        limits: Limits,
        approved: Vec<(Timestamp, BTreeSet<String>)>,
        marks: BTreeMap<ServiceMark, Account>,
    ) {
        let mut state = self.state();
        state.limits = limits;
        state.approved = approved;
        state.marks = marks;
        state.judged = None;
    }

    /// Keeps the accounts of these services only.
    pub(super) fn keep(&self, services: &BTreeSet<String>) {
        let mut state = self.state();
        state
            .accounts
            .retain(|service, _| services.contains(service));
        state.judged = None;
    }

    /// Whether a service has an account.
    pub(super) fn knows(&self, service: &str) -> bool {
        self.state().accounts.contains_key(service)
    }

    /// Takes a service's account.
    pub(super) fn put(&self, service: &str, mark: &ServiceMark, account: Account) {
        let mut state = self.state();
        let shrinking = account.changes.iter().map(Change::shrinking).sum();
        let entry = Entry {
            mark: mark.clone(),
            account,
            shrinking,
        };
        if state.accounts.get(service) != Some(&entry) {
            state.accounts.insert(service.to_owned(), entry);
            state.judged = None;
        }
    }

    /// Forgets a service of which nothing can be said for now; what it bills still counts.
    pub(super) fn forget(&self, service: &str) {
        let mut state = self.state();
        if state.accounts.remove(service).is_some() {
            state.judged = None;
        }
    }

    /// What a mapping's status remembers; only the first time.
    pub(super) fn remember(&self, baseline: Option<Baseline>) {
        let mut state = self.state();
        if state.baseline.is_none() && state.written.is_none() {
            state.written.clone_from(&baseline);
            state.baseline = baseline;
        }
    }

    /// The judgment as of now.
    pub(super) fn judge(&self, tallies: &Tallies, now: Timestamp) -> Arc<Verdict> {
        let many_ends = self.many_ends(tallies);
        self.state().judge(many_ends, now)
    }

    /// What a service may do now.
    pub(super) fn permission(
        &self,
        tallies: &Tallies,
        service: &str,
        now: Timestamp,
    ) -> Permission {
        let many_ends = self.many_ends(tallies);
        let mut state = self.state();
        let flipped = state.many_ends != many_ends;
        state.many_ends = many_ends;
        let verdict = state.judge(many_ends, now);
        let restraint = verdict.restraints.get(service).cloned().unwrap_or_default();
        let mut news = !state.is_told();
        let mut may_write = true;
        if verdict.moves {
            let kept = state.baseline.clone().unwrap_or(Baseline::Empty);
            let kept = kept.kept(state.calm, now);
            if matches!(kept, Baseline::GoingLive(_)) && state.written.as_ref() != Some(&kept) {
                (may_write, news) = (false, true);
            } else {
                news |= state.baseline.as_ref() != Some(&kept);
                state.baseline = Some(kept);
            }
        }
        drop(state);
        let all = tallies.all().into_iter();
        let concerned = all.filter(|(_, tally)| {
            let same = std::ptr::eq(tally.as_ref(), self);
            (same && news) || (flipped && tally.integration == self.integration)
        });
        Permission {
            restraint,
            may_write,
            news: concerned.map(|(name, _)| name).collect(),
        }
    }

    /// Which services must hear of the judgment; from now on they have. What is to be remembered is answered with them.
    pub(super) fn publish(
        &self,
        verdict: &Verdict,
        complete: bool,
        now: Timestamp,
    ) -> (BTreeSet<String>, Option<Baseline>) {
        let mut state = self.state();
        let mut baseline = state.baseline.clone().unwrap_or(Baseline::Empty);
        if verdict.moves {
            baseline = baseline.kept(state.calm, now);
        } else if complete
            && !verdict.begins
            && !verdict.total.is_nothing()
            && baseline.total().is_none()
        {
            // Everything that was to be billed for the first time is billed.
            baseline = Baseline::agreed(&verdict.total, now);
        }
        let next = told(verdict);
        state.baseline = Some(baseline.clone());
        let services = state.told.keys().chain(next.keys());
        let changed = services.filter(|service| state.told.get(*service) != next.get(*service));
        let changed = changed.cloned().collect();
        state.told = next;
        // A total that nothing of ours has moved is seen again any time; what is worth remembering is what was before.
        let worth = match (&baseline, &state.written) {
            (Baseline::Empty | Baseline::Calm(..), Some(Baseline::GoingLive(_))) => Some(baseline),
            (Baseline::Empty | Baseline::Calm(..), written) => written.clone(),
            _ => Some(baseline),
        };
        (changed, worth)
    }

    /// The mapping's status remembers this now. Says whether services may have waited for it.
    pub(super) fn wrote(&self, baseline: Option<Baseline>) -> bool {
        let mut state = self.state();
        let live = matches!(baseline, Some(Baseline::GoingLive(_)));
        let waited = live && state.written != baseline;
        state.written = baseline;
        waited
    }

    /// A person agreed to what is approved: from now on that is what a total is measured against.
    pub(super) fn agreed(
        &self,
        tallies: &Tallies,
        approved: (Timestamp, BTreeSet<String>),
        now: Timestamp,
    ) {
        let many_ends = self.many_ends(tallies);
        let mut state = self.state();
        state.approved.push(approved);
        state.judged = None;
        let verdict = state.judge(many_ends, now);
        state.baseline = Some(Baseline::agreed(&verdict.total, now));
    }

    /// How many lines of the customer end or shrink.
    fn shrinking(&self) -> usize {
        let state = self.state();
        state.accounts.values().map(|entry| entry.shrinking).sum()
    }

    /// Whether too many lines end or shrink, over all mappings of the integration.
    fn many_ends(&self, tallies: &Tallies) -> bool {
        let all = tallies.all();
        let of_same = all
            .iter()
            .filter(|(_, tally)| tally.integration == self.integration);
        let shrinking: usize = of_same.map(|(_, tally)| tally.shrinking()).sum();
        let limits = self.state().limits.clone();
        shrinking > limits.lines && {
            let lines = self.ledger.read(|state| state.ledger.live_line_count());
            too_many(shrinking, lines, &limits)
        }
    }
}

impl State {
    fn judge(&mut self, many_ends: bool, now: Timestamp) -> Arc<Verdict> {
        let approved = self.approved.iter().filter(|(until, _)| *until > now);
        let approvals = approved.clone().count();
        let stands = |judged: &&Judged| {
            judged.many_ends == many_ends
                && judged.approvals == approvals
                && self.baseline.as_ref() == Some(&judged.baseline)
                && self.at(&judged.baseline, &judged.verdict, now) == judged.baseline
        };
        if let Some(judged) = self.judged.as_ref().filter(stands) {
            return judged.verdict.clone();
        }
        let approved = approved
            .flat_map(|(_, sentences)| sentences.iter().cloned())
            .collect();
        let known: BTreeSet<_> = self.accounts.values().map(|entry| &entry.mark).collect();
        let mut beside = Account::default();
        for (_, account) in self.marks.iter().filter(|(mark, _)| !known.contains(mark)) {
            beside.join(account);
        }
        let accounts = self.accounts.iter();
        let accounts = accounts.map(|(service, entry)| (service.as_str(), &entry.account));
        let accounts = accounts.collect();
        let weigh = |baseline: Option<&Baseline>| {
            judge(&Scene {
                accounts: &accounts,
                beside: &beside,
                baseline: baseline.and_then(Baseline::total),
                limits: &self.limits,
                approved: &approved,
                many_ends,
            })
        };
        let mut verdict = weigh(self.baseline.as_ref());
        let baseline = match self.baseline.clone() {
            Some(baseline) => self.at(&baseline, &verdict, now),
            None => Baseline::first(&verdict.total),
        };
        if self.baseline.as_ref() != Some(&baseline) {
            verdict = weigh(Some(&baseline));
        }
        self.baseline = Some(baseline.clone());
        let verdict = Arc::new(verdict);
        self.judged = Some(Judged {
            many_ends,
            approvals,
            baseline,
            verdict: verdict.clone(),
            told: told(&verdict),
        });
        verdict
    }

    /// What a baseline is by now, with what a judgment by it holds.
    fn at(&self, baseline: &Baseline, verdict: &Verdict, now: Timestamp) -> Baseline {
        let calm = Calm {
            interval: self.calm,
            pending: verdict.kinds.keys().any(|kind| Kind::is_total(*kind)),
        };
        baseline.clone().at(&verdict.total, calm, now)
    }

    /// Whether services have heard all that the last judgment says.
    fn is_told(&self) -> bool {
        self.judged
            .as_ref()
            .is_some_and(|judged| judged.told == self.told)
    }
}

/// What services hear of a judgment: only what is held.
fn told(verdict: &Verdict) -> BTreeMap<String, Restraint> {
    let held = |restraint: &Restraint| restraint.whole.is_some() || !restraint.lines.is_empty();
    let restraints = verdict.restraints.iter();
    let restraints = restraints.filter(|(_, restraint)| held(restraint));
    let told = restraints.map(|(service, restraint)| {
        let told = Restraint {
            prices: BTreeMap::new(),
            ..restraint.clone()
        };
        (service.clone(), told)
    });
    told.collect()
}
