//! The budget under paused time. Nothing here sends anything.

use super::*;

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

async fn read(budget: &Arc<Budget>) -> Permit {
    budget.admit(Class::Read, soon()).await.expect("admitted")
}

#[tokio::test(start_paused = true)]
async fn no_minute_holds_more_than_the_ceiling() {
    for ceiling in [1, 7, 60, 100, 1000] {
        let budget = Budget::new(ceiling);
        let begin = Instant::now();
        let mut sent = 0;
        while begin.elapsed() < MINUTE {
            drop(read(&budget).await);
            sent += 1;
        }
        // The last one left when the minute was over.
        assert!(sent - 1 <= ceiling, "{sent} of {ceiling}");
        assert!(sent >= ceiling - ceiling / 20, "{sent} of {ceiling}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_leaves_before_retry_after() {
    let budget = Budget::new(1000);
    let permit = read(&budget).await;
    let silence = budget.throttled(&permit, Some(Duration::from_secs(7)));
    drop(permit);
    assert_eq!(silence, Duration::from_secs(7));
    assert_eq!(budget.pace().per_minute, 500);
    assert_eq!(budget.pace().embargo, Some(silence));
    let begin = Instant::now();
    drop(budget.admit(Class::Write, soon()).await.expect("admitted"));
    assert!(begin.elapsed() >= silence);
    drop(read(&budget).await);
    assert!(begin.elapsed() > silence, "no burst after a silence");
}

#[tokio::test(start_paused = true)]
async fn new_keys_do_not_make_a_silence_forgotten() {
    let quota = Quota::default();
    quota.0.set_ceiling(1000);
    let permit = read(&quota.0).await;
    let silence = quota.0.throttled(&permit, Some(Duration::from_secs(7)));
    drop(permit);
    // The next client of the same database, with another ceiling.
    let heir = quota.clone();
    heir.0.set_ceiling(2000);
    assert_eq!(heir.0.pace().embargo, Some(silence));
    assert_eq!(heir.0.pace().per_minute, 500, "and stays slow");
    heir.0.set_ceiling(300);
    assert_eq!(heir.0.pace().per_minute, 300, "but never above the ceiling");
    let begin = Instant::now();
    drop(read(&heir.0).await);
    assert!(begin.elapsed() >= silence);
}

#[tokio::test(start_paused = true)]
async fn a_long_silence_is_told_instead_of_waited_for() {
    let budget = Budget::new(1000);
    let permit = read(&budget).await;
    let silence = budget.throttled(&permit, Some(Duration::from_secs(3600)));
    drop(permit);
    assert_eq!(silence, LONGEST_EMBARGO);
    let begin = Instant::now();
    assert_eq!(budget.admit(Class::Read, soon()).await.err(), Some(silence));
    assert_eq!(
        budget.admit(Class::Write, soon()).await.err(),
        Some(silence)
    );
    assert!(begin.elapsed().is_zero());
}

#[tokio::test(start_paused = true)]
async fn without_retry_after_the_silence_doubles_and_the_pace_recovers_step_by_step() {
    let budget = Budget::new(1000);
    for seconds in [2, 4, 8] {
        let permit = read(&budget).await;
        assert_eq!(
            budget.throttled(&permit, None),
            Duration::from_secs(seconds)
        );
        drop(permit);
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }
    assert_eq!(budget.pace().per_minute, 125);
    for _ in 0..200 {
        tokio::time::advance(RAISE_EVERY).await;
        budget.served();
    }
    assert_eq!(budget.pace().per_minute, 1000);
}

#[tokio::test(start_paused = true)]
async fn requests_in_flight_together_halve_the_pace_once() {
    let budget = Budget::new(1000);
    let first = read(&budget).await;
    let second = read(&budget).await;
    tokio::time::advance(Duration::from_millis(5)).await;
    budget.throttled(&first, None);
    budget.throttled(&second, None);
    assert_eq!(budget.pace().per_minute, 500);
}

#[tokio::test(start_paused = true)]
async fn reads_yield_to_writes() {
    let budget = Budget::new(60);
    // The whole burst is used up, so everything queues.
    for _ in 0..6 {
        drop(read(&budget).await);
    }
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for (name, class) in [
        ("r1", Class::Read),
        ("r2", Class::Read),
        ("w1", Class::Write),
        ("w2", Class::Write),
    ] {
        let (budget, order) = (Arc::clone(&budget), Arc::clone(&order));
        tasks.push(tokio::spawn(async move {
            let permit = budget.admit(class, soon()).await.expect("admitted");
            order.lock().expect("order").push(name);
            drop(permit);
        }));
        tokio::task::yield_now().await;
    }
    for task in tasks {
        task.await.expect("a task");
    }
    assert_eq!(*order.lock().expect("order"), ["w1", "w2", "r1", "r2"]);
}

#[tokio::test(start_paused = true)]
async fn slots_are_bounded_and_one_is_kept_for_writes() {
    let budget = Budget::new(1000);
    let reads = [
        read(&budget).await,
        read(&budget).await,
        read(&budget).await,
    ];
    let waiting = tokio::spawn({
        let budget = Arc::clone(&budget);
        async move { drop(read(&budget).await) }
    });
    let write = budget
        .admit(Class::Write, soon())
        .await
        .expect("the kept slot");
    let begin = Instant::now();
    assert!(
        budget.admit(Class::Write, soon()).await.is_err(),
        "all four are taken"
    );
    assert_eq!(begin.elapsed(), Duration::from_secs(30));
    assert!(!waiting.is_finished());
    drop((reads, write));
    waiting.await.expect("the read");
    assert_eq!(budget.pace().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_write_lets_reads_go_on() {
    let budget = Budget::new(60);
    for _ in 0..6 {
        drop(read(&budget).await);
    }
    let write = tokio::time::timeout(
        Duration::from_millis(10),
        budget.admit(Class::Write, soon()),
    );
    assert!(write.await.is_err());
    drop(read(&budget).await);
}

#[test]
fn retry_after_is_seconds_or_a_date_and_never_garbage() {
    let now: Timestamp = "2026-11-22T14:00:00Z".parse().expect("a time");
    let seconds = |header| retry_after(header, now).map(|wait| wait.as_secs());
    assert_eq!(seconds("0"), Some(0));
    assert_eq!(seconds(" 7 "), Some(7));
    assert_eq!(seconds("3600"), Some(600));
    assert_eq!(seconds("Sun, 22 Nov 2026 14:00:30 GMT"), Some(30));
    assert_eq!(seconds("Sun, 22 Nov 2026 13:00:00 GMT"), Some(0));
    assert_eq!(seconds("-5"), None);
    assert_eq!(seconds("soon"), None);
    assert_eq!(seconds(""), None);
}
