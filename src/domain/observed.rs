//! The ledger: what stands in ConnectWise as far as it was read, and whether that is all of it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::ids::{AdditionId, AgreementId};
use super::ledger::{Addition, Agreement, BillCustomer, Unkept};
use super::mark::ServiceMark;
use super::writers::Writers;

/// The mirror of one ConnectWise database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    agreements: BTreeMap<AgreementId, Agreement>,
    lines: BTreeMap<AgreementId, BTreeMap<AdditionId, Addition>>,
    by_mark: BTreeMap<ServiceMark, BTreeSet<AgreementId>>,
    written: BTreeMap<Record, Timestamp>,
    unkept: BTreeMap<AdditionId, Unkept>,
    writers: Writers,
}

/// Names one record across both kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Record {
    Agreement(AgreementId),
    Line(AdditionId),
}

/// For how long a list is believed to lag behind a write's own answer when both carry the same `lastUpdated`
/// (whole seconds on the wire).
const SETTLE: SignedDuration = SignedDuration::from_mins(10);

impl Ledger {
    /// Every agreement.
    pub fn agreements(&self) -> impl Iterator<Item = &Agreement> {
        self.agreements.values()
    }

    /// One agreement.
    #[must_use]
    pub fn agreement(&self, id: AgreementId) -> Option<&Agreement> {
        self.agreements.get(&id)
    }

    /// The agreements of all generations that carry a service's mark, by id.
    #[must_use]
    pub fn marked(&self, mark: &ServiceMark) -> Vec<&Agreement> {
        let ids = self.by_mark.get(mark).into_iter().flatten();
        ids.filter_map(|id| self.agreements.get(id)).collect()
    }

    /// Every agreement that carries a mark of ours.
    pub fn ours(&self) -> impl Iterator<Item = (&ServiceMark, AgreementId)> {
        self.by_mark
            .iter()
            .flat_map(|(mark, ids)| ids.iter().map(move |id| (mark, *id)))
    }

    /// Every agreement whose lines concern us: those that carry a mark of ours, and those whose lines were read because
    /// they are to be adopted.
    pub fn followed(&self) -> impl Iterator<Item = AgreementId> {
        let ours = self.by_mark.values().flatten().copied();
        let read = self.lines.keys().copied();
        ours.chain(read).collect::<BTreeSet<_>>().into_iter()
    }

    /// The lines of an agreement, or `None` when they were never read.
    #[must_use]
    pub fn lines(&self, agreement: AgreementId) -> Option<Vec<Addition>> {
        self.lines
            .get(&agreement)
            .map(|lines| lines.values().cloned().collect())
    }

    /// The lines of an agreement as far as they were read, without copying them.
    pub fn lines_of(&self, agreement: AgreementId) -> impl Iterator<Item = &Addition> {
        self.lines
            .get(&agreement)
            .into_iter()
            .flat_map(BTreeMap::values)
    }

    /// How many agreements there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.agreements.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.agreements.is_empty()
    }

    /// How many lines were read.
    #[must_use]
    pub fn line_count(&self) -> usize {
        self.lines.values().map(BTreeMap::len).sum()
    }

    /// How many lines were read that are not cancelled.
    #[must_use]
    pub fn live_line_count(&self) -> usize {
        let lines = self.lines.values().flat_map(BTreeMap::values);
        lines.filter(|line| line.cancelled_date.is_none()).count()
    }

    /// Takes an agreement as just read. Says whether anything that matters changed.
    ///
    /// A copy older than the one held is left aside: a list may lag behind what a write already answered.
    pub fn put_agreement(&mut self, agreement: Agreement, now: Timestamp) -> bool {
        let id = agreement.id;
        if let Some(held) = self.agreements.get(&id) {
            if *held == agreement
                || self.lags(
                    Record::Agreement(id),
                    agreement.last_updated,
                    held.last_updated,
                    now,
                )
            {
                return false;
            }
            if let Some((mark, _)) = held.mark.as_deref().and_then(ServiceMark::of_agreement) {
                self.by_mark.entry(mark).or_default().remove(&id);
            }
        }
        if let Some((mark, _)) = agreement
            .mark
            .as_deref()
            .and_then(ServiceMark::of_agreement)
        {
            self.by_mark.entry(mark).or_default().insert(id);
        }
        self.agreements.insert(id, agreement);
        true
    }

    /// Takes an agreement that a write of ours just returned.
    pub fn wrote_agreement(&mut self, agreement: Agreement, now: Timestamp) {
        let id = agreement.id;
        self.written.remove(&Record::Agreement(id));
        self.put_agreement(agreement, now);
        self.written.insert(Record::Agreement(id), now);
    }

    /// Takes all lines of an agreement as just listed. Says whether anything changed.
    ///
    /// A line that is held but not listed stays: a list that lags has not seen it yet, and ConnectWise keeps what is
    /// cancelled. Absence is no evidence.
    pub fn put_lines(
        &mut self,
        agreement: AgreementId,
        lines: Vec<Addition>,
        now: Timestamp,
    ) -> bool {
        let mut changed = !self.lines.contains_key(&agreement);
        self.lines.entry(agreement).or_default();
        for line in lines {
            if let Some(held) = self.lines[&agreement].get(&line.id) {
                self.writers.sees(held, &line, now);
            }
            changed |= self.put_line(agreement, line, now);
        }
        changed
    }

    /// A line is about to be changed by us.
    pub fn changes_line(&mut self, line: AdditionId, now: Timestamp) {
        self.writers.asks(line, now);
    }

    /// The lines of an agreement that somebody else was seen to change under our name since then.
    #[must_use]
    pub fn changed_by_another(&self, agreement: AgreementId, since: Timestamp) -> Vec<AdditionId> {
        let lines = self.lines_of(agreement).map(|line| line.id);
        lines
            .filter(|line| self.writers.another(*line, since))
            .collect()
    }

    /// Takes one line that a write of ours just returned.
    pub fn wrote_line(&mut self, agreement: AgreementId, line: Addition, now: Timestamp) {
        let id = line.id;
        self.writers.answered(&line);
        self.written.remove(&Record::Line(id));
        self.put_line(agreement, line, now);
        self.written.insert(Record::Line(id), now);
    }

    /// Remembers a change that was not kept, for as long as this process lives: sent again at each pass, it would be a
    /// fight that nobody wins.
    pub fn not_kept(&mut self, line: AdditionId, unkept: Unkept) {
        self.unkept.insert(line, unkept);
    }

    /// The changes to these lines that were not kept.
    #[must_use]
    pub fn unkept(&self, lines: impl Iterator<Item = AdditionId>) -> BTreeMap<AdditionId, Unkept> {
        lines
            .filter_map(|id| Some((id, self.unkept.get(&id)?.clone())))
            .collect()
    }

    fn put_line(&mut self, agreement: AgreementId, line: Addition, now: Timestamp) -> bool {
        let held = self
            .lines
            .get(&agreement)
            .and_then(|lines| lines.get(&line.id));
        if let Some(held) = held
            && (*held == line
                || self.lags(
                    Record::Line(line.id),
                    line.last_updated,
                    held.last_updated,
                    now,
                ))
        {
            return false;
        }
        self.lines
            .entry(agreement)
            .or_default()
            .insert(line.id, line);
        true
    }

    fn lags(
        &self,
        record: Record,
        read: Option<Timestamp>,
        held: Option<Timestamp>,
        now: Timestamp,
    ) -> bool {
        let just_written = self
            .written
            .get(&record)
            .is_some_and(|at| now.duration_since(*at) < SETTLE);
        read < held || (read == held && just_written)
    }
}

impl Agreement {
    /// Whether it still counts: neither cancelled nor past its end.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        !self.cancelled && self.end_date.is_none_or(|end| end >= now)
    }

    /// Whether it ended, and was last touched by anybody, before that moment.
    #[must_use]
    pub fn ended_before(&self, moment: Timestamp) -> bool {
        let ended = self.date_cancelled.or(self.end_date);
        before(ended, self.last_updated, moment)
    }
}

impl Addition {
    /// Whether it can reach an invoice.
    #[must_use]
    pub fn is_billable(&self) -> bool {
        self.cancelled_date.is_none() && self.bill_customer == Some(BillCustomer::Billable)
    }

    /// Whether it ended, and was last touched by anybody, before that moment.
    #[must_use]
    pub fn ended_before(&self, moment: Timestamp) -> bool {
        before(self.cancelled_date, self.last_updated, moment)
    }
}

/// A date may lie far from the day on which somebody wrote it down, so the record's last change counts, too; where
/// ConnectWise does not tell it, nothing is known to have been before.
fn before(ended: Option<Timestamp>, changed: Option<Timestamp>, moment: Timestamp) -> bool {
    ended.is_none_or(|ended| ended < moment) && changed.is_some_and(|changed| changed < moment)
}
