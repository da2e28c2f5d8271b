//! What only the doctor wants to know of the API: leases, budgets that let no pod go, who answers for names.
//!
//! Of each object only the words that matter are asked for. How old a lease is, the clock of the main that is asked says: it
//! is kept with those of whoever renews leases.

use fmp_core::observed::{ApiHealth, BudgetSeen, EndpointSeen, Fact, LeaseSeen, LoadBalancerSeen};
use time::{Date, Month};

use super::{Answers, Unanswered, api::get};

/// The question for the main's own clock.
const CLOCK: &str = "clock";

const LEASES: &str = r#"jsonpath={range .items[*]}{.metadata.namespace}|{.metadata.name}|{.spec.leaseDurationSeconds}|{.spec.renewTime}|{.spec.holderIdentity}{"\n"}{end}"#;

const BUDGETS: &str = r#"jsonpath={range .items[*]}{.metadata.namespace}|{.metadata.name}|{.status.disruptionsAllowed}|{.status.expectedPods}|{.status.currentHealthy}|{.status.desiredHealthy}{"\n"}{end}"#;

const ENDPOINTS: &str =
    r#"jsonpath={range .items[*].endpoints[*]}{.targetRef.name}|{.nodeName}|{.conditions.ready}{"\n"}{end}"#;

/// The addresses come last, with spaces between them.
const LOAD_BALANCERS: &str = r#"jsonpath={range .items[?(@.spec.type=="LoadBalancer")]}{.metadata.namespace}|{.metadata.name}|{.spec.externalTrafficPolicy}|{.spec.loadBalancerClass}|{.status.loadBalancer.ingress[*].ip}{"\n"}{end}"#;

/// The slices of the Service that stands for the cluster's DNS, whoever brought it.
const OF_DNS: &str = "--namespace=kube-system --selector=kubernetes.io/service-name=kube-dns";

/// Lines for the probe.
pub(super) fn questions() -> String {
    [
        format!("ask {CLOCK} date +%s\n"),
        get("leases", "leases.coordination.k8s.io --all-namespaces", LEASES),
        get("budgets", "poddisruptionbudgets.policy --all-namespaces", BUDGETS),
        get("dns", &format!("endpointslices.discovery.k8s.io {OF_DNS}"), ENDPOINTS),
        get("load-balancers", "services --all-namespaces", LOAD_BALANCERS),
    ]
    .concat()
}

/// Reads the answers.
pub(super) fn read(answers: &Answers) -> ApiHealth {
    let now = answers.get(CLOCK).ok().and_then(|text| text.trim().parse::<i64>().ok());
    let leases = match now {
        Some(now) => lines(answers, "leases", |line| lease(line, now)),
        None => Fact::Unknown("the main did not say what time it is".to_owned()),
    };
    let budgets = lines(answers, "budgets", budget).map_known(|budgets| budgets.into_iter().collect());
    let load_balancers = lines(answers, "load-balancers", load_balancer);
    ApiHealth { leases, budgets, dns: lines(answers, "dns", endpoint), load_balancers }
}

/// What each line of an answer tells; those that tell nothing are left out.
fn lines<T>(answers: &Answers, question: &str, read: impl Fn(&str) -> Option<T>) -> Fact<Vec<T>> {
    match answers.get(question) {
        Ok(text) => Fact::Known(text.lines().filter_map(read).collect()),
        Err(Unanswered { why, .. }) => Fact::Unknown(why),
    }
}

/// One that the cluster rests on. The holder comes last: it may hold anything.
fn lease(line: &str, now: i64) -> Option<LeaseSeen> {
    let [namespace, name, lasts, renewed, holder] = line.splitn(5, '|').collect::<Vec<_>>()[..] else { return None };
    let counts =
        namespace == LeaseSeen::OF_NODES || (namespace == "kube-system" && LeaseSeen::CONTROLLERS.contains(&name));
    let (age_s, lasts_s) = (now - unix_s(renewed)?, lasts.parse().ok()?);
    let (namespace, name, holder) = (namespace.to_owned(), name.to_owned(), holder.to_owned());
    counts.then_some(LeaseSeen { namespace, name, holder, age_s, lasts_s })
}

fn budget(line: &str) -> Option<BudgetSeen> {
    let [namespace, name, numbers @ ..] = &line.split('|').collect::<Vec<_>>()[..] else { return None };
    // A figure of zero may be left out.
    let figure = |at: usize| numbers.get(at).map_or(0, |word| word.parse().unwrap_or_default());
    let [spare, pods, healthy, needed] = [0, 1, 2, 3].map(figure);
    let (namespace, name) = ((*namespace).to_owned(), (*name).to_owned());
    (spare == 0 && pods > 0).then_some(BudgetSeen { namespace, name, pods, healthy, needed })
}

/// One of a class is somebody else's.
fn load_balancer(line: &str) -> Option<LoadBalancerSeen> {
    let [namespace, name, policy, class, addresses] = line.split('|').collect::<Vec<_>>()[..] else { return None };
    class.is_empty().then(|| LoadBalancerSeen {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        is_local: policy == "Local",
        addresses: addresses.split(' ').filter_map(|word| word.parse().ok()).collect(),
    })
}

fn endpoint(line: &str) -> Option<EndpointSeen> {
    let [pod, node, ready] = line.split('|').collect::<Vec<_>>()[..] else { return None };
    let node = (!node.is_empty()).then(|| node.to_owned());
    // What does not say is to be taken for ready, as the API says.
    Some(EndpointSeen { pod: pod.to_owned(), node, ready: ready != "false" })
}

/// Seconds since 1970 of a time such as `2026-01-31T23:59:58.123456Z`, as the API writes them all.
fn unix_s(time: &str) -> Option<i64> {
    let (date, clock) = time.strip_suffix('Z')?.split_once('T')?;
    let two = |text: &str, between: char| {
        let (first, second) = text.split_once(between)?;
        Some((first.parse::<u8>().ok()?, second.parse::<u8>().ok()?))
    };
    let ((year, days), (hours, clock)) = (date.split_once('-')?, clock.split_once(':')?);
    let ((month, day), (minutes, seconds)) = (two(days, '-')?, two(clock.split('.').next()?, ':')?);
    let date = Date::from_calendar_date(year.parse().ok()?, Month::try_from(month).ok()?, day).ok()?;
    Some(date.with_hms(hours.parse().ok()?, minutes, seconds).ok()?.assume_utc().unix_timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_the_api_is_read() {
        assert_eq!(unix_s("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(unix_s("2026-01-31T23:59:58.123456Z"), Some(1_769_903_998));
        assert_eq!(unix_s("2024-02-29T12:00:00.000000Z"), Some(1_709_208_000));
        for wrong in ["", "2026-13-01T00:00:00Z", "2026-01-01T00:00Z", "2026-01-01 00:00:00Z", "x-01-01T00:00:00Z"] {
            assert_eq!(unix_s(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_lease_is_as_old_as_the_mains_clock_says() {
        let read = |line: &str| lease(line, 1_769_904_100).map(|lease| (lease.name, lease.age_s, lease.holder));
        let of_node = read("kube-node-lease|work-1|40|2026-01-31T23:59:58.123456Z|work-1");
        assert_eq!(of_node, Some(("work-1".into(), 102, "work-1".into())));
        let of_controller = read("kube-system|kube-scheduler|15|2026-02-01T00:01:38.000000Z|main-1_a|b");
        assert_eq!(of_controller, Some(("kube-scheduler".into(), 2, "main-1_a|b".into())));
        assert_eq!(read("kube-system|apiserver-x|3600|2026-02-01T00:01:38.000000Z|apiserver-x"), None);
        assert_eq!(read("kube-node-lease|work-1|||"), None);
        assert_eq!(read("garbled"), None);
    }

    #[test]
    fn a_budget_is_told_where_it_lets_no_pod_go() {
        let read = |line: &str| budget(line).map(|seen| (seen.pods, seen.healthy, seen.needed));
        assert_eq!(read("shop|web|0|3|2|2"), Some((3, 2, 2)));
        assert_eq!(read("shop|web||3||3"), Some((3, 0, 3)));
        assert_eq!(read("shop|web|1|3|3|2"), None);
        assert_eq!(read("shop|none|0|0|0|0"), None);
    }

    #[test]
    fn a_load_balancer_without_a_class_is_told_with_its_addresses() {
        let read = |line: &str| {
            let seen = load_balancer(line)?;
            Some((seen.name, seen.is_local, seen.addresses.iter().map(ToString::to_string).collect::<Vec<_>>()))
        };
        let two = vec!["192.0.2.30".to_owned(), "192.0.2.31".to_owned()];
        assert_eq!(read("shop|web|Cluster||192.0.2.30 192.0.2.31"), Some(("web".to_owned(), false, two)));
        assert_eq!(read("shop|db|Local||"), Some(("db".to_owned(), true, Vec::new())));
        assert_eq!(read("shop|other|Cluster|example.com/theirs|192.0.2.9"), None);
        assert_eq!(read("garbled"), None);
    }

    #[test]
    fn an_endpoint_is_ready_unless_it_says_otherwise() {
        let read = |line: &str| endpoint(line).map(|seen| (seen.node, seen.ready));
        assert_eq!(read("coredns-1|work-1|true"), Some((Some("work-1".into()), true)));
        assert_eq!(read("coredns-1||false"), Some((None, false)));
        assert_eq!(read("coredns-1||"), Some((None, true)));
        assert_eq!(read(""), None);
    }
}
