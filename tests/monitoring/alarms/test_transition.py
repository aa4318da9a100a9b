"""The state machine of a cause: what opens, what pages, what closes, whatever order the windows come in."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.alarms.message import Change, Page
from monitoring.alarms.policy import Policy
from monitoring.alarms.state import KEPT_WINDOWS, CauseState, Phase, SubjectState, decode, encode, incident_key
from monitoring.alarms.transition import observe, supersede
from monitoring.errors import MonitoringError, UsageError
from monitoring.result import CauseKind, Grade, Urgency
from tests.monitoring.alarms.examples import HOUR, START, cause, window

POLICY = Policy()
EMPTY = SubjectState("flights", "AllTraffic")


def run(windows, policy=POLICY, state=EMPTY):
    """Applies windows in order; returns the state and every change."""
    changes = []
    for seen in windows:
        state, new = observe(state, seen, policy)
        changes += new
    return state, changes


def kinds(changes):
    return [str(entry.change) for entry in changes]


def only(state: SubjectState) -> CauseState:
    [held] = state.causes.values()
    return held


def pages(changes):
    return [
        entry for entry in changes if entry.change in (Change.NEW, Change.WORSE) and entry.state.page is not Page.NONE
    ]


def test_flapping_is_one_episode_with_one_page_and_one_resolve():
    shown = [1, 0] * 12 + [0] * 12
    state, changes = run(window(hour, *([cause()] * present)) for hour, present in enumerate(shown))
    assert kinds(changes) == ["new", "recovered"]
    assert only(state).falls == 12
    assert only(state).phase is Phase.OK


def test_a_cause_closes_only_after_the_quiet_time():
    state, _ = run([window(0, cause()), *(window(hour) for hour in range(1, 6))])
    assert only(state).phase is Phase.RECOVERING
    state, changes = run([window(6)], state=state)
    assert kinds(changes) == ["recovered"]


def test_nothing_is_reported_while_a_page_lasts():
    _, changes = run(window(hour, cause()) for hour in range(100))
    assert kinds(changes) == ["new"]


def test_drift_that_lasts_is_one_message_a_day_and_never_a_page():
    drift = cause("drift:weather", Grade.LARGE, Urgency.PAGE)
    _, changes = run(window(hour, drift) for hour in range(49))
    assert kinds(changes) == ["new", "reminder", "reminder"]
    assert pages(changes) == []


def test_a_rule_of_the_user_lets_drift_page():
    policy = Policy(urgency={"drift:wea*": Urgency.PAGE})
    _, changes = run([window(0, cause("drift:weather")), window(1, cause("drift:carrier"))], policy)
    assert [entry.state.cause.key for entry in pages(changes)] == ["drift:weather"]


def test_a_note_is_remembered_and_not_reported():
    state, changes = run([window(0, cause(urgency=Urgency.NOTE)), *(window(hour) for hour in range(1, 9))])
    assert changes == []
    assert only(state).episode == 1


def test_a_higher_grade_pages_again_and_a_lower_one_does_not():
    grades = [Grade.SMALL, Grade.MEDIUM, Grade.SMALL, Grade.MEDIUM, Grade.LARGE, Grade.SMALL, Grade.LARGE]
    _, changes = run(window(hour, cause(grade=grade)) for hour, grade in enumerate(grades))
    assert kinds(changes) == ["new", "worse", "worse"]
    assert [entry.state.page_key.rpartition("/")[2] for entry in changes] == ["1", "1.2", "1.3"]


def test_the_first_window_of_a_cause_to_confirm_is_only_a_suspicion():
    policy = Policy(confirm=2)
    state, changes = run([window(0, cause()), window(1), window(2, cause())], policy)
    assert changes == []
    assert only(state).phase is Phase.SUSPECTED
    state, changes = run([window(3, cause())], policy, state)
    assert kinds(changes) == ["new"]
    assert only(state).episode == 1


def test_a_column_that_could_not_be_judged_does_not_recover():
    drift = cause("drift:weather", columns=("temp", "dewp"))
    blind = [window(hour, unknown=frozenset({"temp", "dewp", "humid"})) for hour in range(1, 30)]
    state, changes = run([window(0, drift), *blind])
    assert kinds(changes) == ["new"]
    assert only(state).phase is Phase.OPEN


def test_a_run_that_judged_nothing_closes_only_missing_data():
    blind = frozenset({CauseKind.NO_DATA, CauseKind.INCOMPLETE})
    state, _ = run([window(0, cause(), cause("no_data:all")), *(window(h, kinds=blind) for h in range(1, 9))])
    assert {held.cause.key: held.phase for held in state.causes.values()} == {
        "completeness:wind_gust": Phase.OPEN,
        "no_data:all": Phase.OK,
    }


def test_another_monitor_does_not_close_a_cause():
    daily = [window(0, monitor="daily", length=24), window(24, monitor="daily", length=24)]
    state, changes = run([window(0, cause()), *daily])
    assert kinds(changes) == ["new"]
    assert only(state).phase is Phase.OPEN


def test_a_late_window_reports_what_it_saw_and_pages_nobody():
    _, changes = run([window(0), window(2), window(1, cause())])
    assert kinds(changes) == ["late"]
    assert pages(changes) == []


def test_a_late_window_within_the_last_episode_is_not_another_episode():
    quiet = [window(hour) for hour in range(4, 12)]
    state, changes = run([window(0, cause()), window(2, cause()), *quiet, window(1, cause())])
    assert kinds(changes) == ["new", "recovered"]
    assert only(state).episode == 1


def test_a_repeated_window_changes_nothing():
    windows = [window(0, cause()), *(window(hour) for hour in range(1, 9)), window(9, cause("drift:weather"))]
    state, _ = run(windows)
    again, changes = run(windows, state=state)
    assert again == state
    assert changes == []


def test_a_window_that_is_older_than_all_that_are_remembered_changes_nothing():
    state, _ = run(window(hour) for hour in range(100, 100 + KEPT_WINDOWS + 5))
    assert run([window(101, cause())], state=state) == (state, [])
    _, changes = run([window(106, cause(), edition="judged again")], state=state)
    assert kinds(changes) == ["late"]


def test_a_window_that_is_judged_at_last_counts_once_more():
    first = window(0, cause("no_data:all"), kinds=frozenset({CauseKind.NO_DATA}), edition="not judged")
    _, changes = run([first, window(0, cause("drift:weather")), *(window(hour) for hour in range(1, 9))])
    assert kinds(changes) == ["new", "new", "recovered", "recovered"]


def test_pages_over_the_budget_share_one_incident():
    policy = Policy(pages_per_month=3)
    keys = [f"{kind}:c{number}" for number, kind in enumerate(["completeness", "data_type", "quality"] * 2)]
    _, changes = run([window(0, *(cause(key) for key in keys))], policy)
    found = [entry.state for entry in changes]
    assert sorted(held.page for held in found) == [Page.OWN] * 3 + [Page.SUMMARY] * 3
    assert len({held.page_key for held in found}) == 4
    assert {held.page_key for held in found if held.page is Page.SUMMARY} == {
        "flights/AllTraffic/-/over-budget/2026-11"
    }


def test_the_budget_starts_again_with_the_month():
    policy = Policy(pages_per_month=1)
    late_november, december = window(27 * 24, cause("completeness:a")), window(30 * 24, cause("completeness:b"))
    _, changes = run([late_november, december], policy)
    assert [entry.state.page for entry in pages(changes)] == [Page.OWN, Page.OWN]


def test_the_old_versions_episodes_close_as_superseded():
    old, new = cause("drift:weather"), cause("drift:weather")
    state, _ = run([window(0, old, cause("no_data:all")), window(1, new, version="4")])
    state, changes = supersede(state, "4", START + 2 * HOUR)
    assert [(str(entry.change), entry.state.version) for entry in changes] == [
        ("superseded", "3"),
        ("superseded", "3"),
    ]
    assert [(held.version, held.episode) for held in state.open_causes()] == [("4", 2)]
    assert supersede(state, "4", START + 2 * HOUR) == (state, [])


def test_a_late_window_of_the_old_version_closes_nothing_of_the_new_one():
    state, _ = run([window(5, cause("drift:weather"), version="4")])
    assert supersede(state, "3", START + 3 * HOUR) == (state, [])


def test_incidents_have_keys_by_endpoint_variant_version_and_cause():
    found = {
        incident_key(endpoint, "AllTraffic", "3", key, "1")
        for endpoint, key in itertools.product(["flights", "hotels"], ["drift:wind_gust", "drift:carrier"])
    }
    assert len(found) == 4
    long = [incident_key("flights", "AllTraffic", "3", "drift:" + "x" * 300 + end, "1") for end in "ab"]
    assert len(set(long)) == 2
    assert max(map(len, long)) <= 255


def test_a_state_that_is_not_ours_is_refused_by_name():
    with pytest.raises(MonitoringError, match=r"s3://b/alarms/x is not an alarm state"):
        decode(b'{"endpoint": 1}', "s3://b/alarms/x")
    with pytest.raises(MonitoringError, match="version 9"):
        decode(b'{"endpoint": "e", "variant": "v", "version": 9}', "x")


@pytest.mark.parametrize("wrong", [{"quiet_hours": -1}, {"confirm": 0}, {"pages_per_month": 0}])
def test_a_policy_that_cannot_work_is_refused(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Policy(**wrong)


KEYS = ("completeness:a", "data_type:b", "drift:c")
PRESENT = st.lists(st.sets(st.sampled_from(KEYS)), min_size=1, max_size=25)


def history(shown):
    return [window(hour, *(cause(key) for key in sorted(keys))) for hour, keys in enumerate(shown)]


@given(PRESENT, st.data())
def test_repeated_and_swapped_windows_page_no_more_than_the_ordered_ones(shown, data):
    windows = history(shown)
    mixed = data.draw(st.permutations(windows + data.draw(st.lists(st.sampled_from(windows), max_size=10))))
    _, changes = run(mixed)
    paged = [(entry.state.cause.key, entry.state.page_key) for entry in pages(changes)]
    assert len(paged) == len(set(paged))
    heard = {entry.state.cause.key for entry in changes}
    assert heard == {key for keys in shown for key in keys}


@given(PRESENT, st.data())
def test_after_a_quiet_time_nothing_is_open_and_every_page_is_closed(shown, data):
    mixed = data.draw(st.permutations(history(shown)))
    quiet = [window(len(shown) + hour) for hour in range(8)]
    state, changes = run([*mixed, *quiet])
    assert state.open_causes() == []
    opened = {(e.state.cause.key, e.state.episode) for e in changes if e.change is Change.NEW}
    closed = [(e.state.cause.key, e.state.episode) for e in changes if e.change is Change.RECOVERED]
    assert sorted(opened) == sorted(closed)


@given(PRESENT)
def test_episodes_are_numbered_in_order_and_a_state_survives_its_encoding(shown):
    state, changes = run(history(shown))
    for key in KEYS:
        numbers = [e.state.episode for e in changes if e.change is Change.NEW and e.state.cause.key == key]
        assert numbers == list(range(1, len(numbers) + 1))
    assert decode(encode(state), "here") == state


def test_a_day_that_holds_the_hours_of_a_closed_episode_opens_no_second_one():
    state, changes = run([window(9, cause()), *(window(hour) for hour in range(10, 24))])
    assert kinds(changes) == ["new", "recovered"]
    after, changes = run([window(0, cause(), monitor="daily", length=24)], state=state)
    assert changes == []
    assert only(after).episode == 1
    _, changes = run([window(30, cause())], state=after)
    assert kinds(changes) == ["new"]
