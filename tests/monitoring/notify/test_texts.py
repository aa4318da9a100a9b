"""What people read: a Slack message, an incident, an all-clear; limits, escapes, and what to do tonight."""

import datetime as dt
import json

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from monitoring.alarms.message import Change
from monitoring.alarms.policy import Policy
from monitoring.notify.incident_text import event_of, summary_event
from monitoring.notify.plain_text import incident_lines, slack_lines
from monitoring.notify.slack_text import MAX_BLOCKS_TEXT, mark_repeat, post_of
from monitoring.result import Grade, Urgency
from tests.monitoring.alarms.examples import cause, window
from tests.monitoring.notify.event_schema import EVENT, MAX_BODY
from tests.monitoring.notify.https_servers import blocks_problem
from tests.monitoring.notify.messages import conversation, one

DRIFT = cause("drift:weather", Grade.LARGE, Urgency.MESSAGE, ("temp", "dewp"))


def shown(text, blocks):
    parts = [text]
    for block in blocks:
        parts += [block["text"]["text"]] if "text" in block else []
        parts += [entry["text"] for entry in block.get("elements", ()) if isinstance(entry.get("text"), str)]
    return "\n".join(parts)


def post(message, all_over=False):
    title, text, blocks = post_of(message, list(message.items), [], all_over)
    assert blocks_problem({"text": text, "blocks": list(blocks)}) == ""
    return title, text, blocks


def whole_event(message, item):
    event = event_of(message, item)
    document = {"routing_key": "0" * 32, "event_action": "trigger", "dedup_key": item.page_key or "k", **event}
    jsonschema.validate(document, EVENT)
    assert len(json.dumps(document).encode()) < MAX_BODY
    return event


def test_drift_alone_says_that_it_can_wait_until_morning():
    _, text, blocks = post(one(DRIFT))
    assert text == (
        "The weather is unlike training, and the predicted risk is too low flights / AllTraffic. "
        "Nothing is broken. It can wait until morning."
    )
    seen = shown(text, blocks)
    assert "▂▅█ *drift:weather is wrong.*" in seen
    assert "`temp`, `dewp`" in seen
    assert "*Not judged* `weekday`: too few hours" in seen
    assert "Trend: s3://acme/trend.html" in seen
    assert [entry["url"] for block in blocks if block["type"] == "actions" for entry in block["elements"]] == [
        "https://reports.example/1.html"
    ]


def test_what_is_broken_says_what_to_do_tonight():
    _, text, _ = post(one(cause("no_data:all"), DRIFT))
    assert text.endswith("Act tonight. Switch to the fallback ranking.")


def test_when_all_is_well_again_one_line_says_so_and_how_often_it_flapped():
    shown_at = [1, 0, 1, 0, 0, 0, 0, 0, 0, 0]
    messages = conversation(*(window(hour, *([DRIFT] * present)) for hour, present in enumerate(shown_at)))
    _, text, blocks = post(messages[-1], all_over=True)
    assert text == (
        "✓ flights / AllTraffic is back to ordinary. drift:weather is wrong: over after 3 h. It flapped 2 times."
    )
    assert len(blocks) == 3


def test_a_reminder_is_one_line():
    messages = conversation(*(window(hour, DRIFT) for hour in range(26)))
    _, text, blocks = post(messages[-1])
    assert text == (
        "Still open on flights / AllTraffic: drift:weather is wrong (since Nov 2 00:00). It can wait until morning."
    )
    assert len(blocks) == 1


def test_at_most_five_causes_are_shown_and_the_others_are_counted():
    _, _, blocks = post(one(*(cause(f"drift:c{number:02}") for number in range(9))))
    seen = shown("", blocks)
    assert seen.count("is wrong.") == 5
    assert "and 4 more in the report" in seen


def test_a_column_that_calls_a_channel_is_escaped():
    _, text, blocks = post(one(cause("drift:<!channel>", columns=("<!channel>", "a`b"))))
    seen = shown(text, blocks)
    assert "<!channel>" not in seen
    assert "`&lt;!channel&gt;`, `a’b`" in seen


def test_a_repeat_is_marked_at_its_start():
    _, text, blocks = post(one(DRIFT))
    text, blocks = mark_repeat(text, blocks)
    assert text.startswith("(may be a repeat) ")
    assert blocks[0]["elements"][0]["text"] == "(may be a repeat)"


def test_an_incident_reads_from_what_to_what_to_do():
    message = one(cause("quality:prediction_risk", Grade.LARGE), DRIFT)
    item = message.items[0]
    event = whole_event(message, item)
    payload = event["payload"]
    assert payload["summary"] == "flights / AllTraffic: quality:prediction_risk is wrong (large)"
    assert (payload["severity"], payload["group"], payload["class"]) == ("error", "quality", "quality")
    assert (payload["source"], payload["component"]) == ("flights/AllTraffic", "flights-delay 3")
    assert list(payload["custom_details"]) == [
        "What", "How bad", "Since", "Not the cause", "Do tonight", "Do tomorrow", "Also open", "Window", "Five events",
        "Query", "Report", "Help",
    ]  # fmt: skip
    assert len(payload["custom_details"]["Five events"]) == 5
    assert event["links"] == [{"href": "https://reports.example/1.html", "text": "Report"}]


def test_missing_data_and_a_silent_monitor_are_critical():
    message = one(cause("no_data:all"))
    assert whole_event(message, message.items[0])["payload"]["severity"] == "critical"


def test_the_summary_of_a_month_says_that_the_budget_is_used_up():
    message = one(cause("completeness:a"), cause("completeness:b"), policy=Policy(pages_per_month=1))
    item = message.items[1]
    event = summary_event(message, item)
    assert event["payload"]["summary"].startswith("flights / AllTraffic: the page budget of 2026-11 is used up")
    assert "1 of 1 pages of 2026-11 are used" in event["payload"]["custom_details"]["What"]


ODD = st.text(st.characters(codec=None), max_size=400)


@settings(max_examples=30)
@given(
    st.lists(st.tuples(ODD, ODD, ODD, st.lists(ODD, max_size=60)), min_size=1, max_size=12),
    ODD,
    st.sampled_from(Change),
)
def test_whatever_the_names_are_every_text_is_within_the_limits(causes, verdict, change):
    made = [
        replace(
            cause(f"drift:{number}", columns=tuple(columns)), title=title, sentence=sentence * 9, tonight=tonight * 9
        )
        for number, (title, sentence, tonight, columns) in enumerate(causes)
    ]
    message = one(*made, verdict=verdict, lead=verdict)
    message = replace(message, items=tuple(replace(item, change=change) for item in message.items))
    for all_over in (False, True):
        _, text, blocks = post(message, all_over)
        assert 0 < len(text) <= 40_000
        assert len(shown("", blocks)) <= MAX_BLOCKS_TEXT + 200
        json.dumps([text, *blocks], ensure_ascii=False).encode()
    for item in message.items:
        whole_event(message, item)


@pytest.mark.parametrize("hours", [1, 41])
def test_a_superseded_cause_says_why_it_is_over(hours):
    message = one(DRIFT)
    seen = message.items[0].first + dt.timedelta(hours=hours)
    item = replace(message.items[0], change=Change.SUPERSEDED, seen=seen)
    _, text, _ = post_of(replace(message, items=(item,)), [item], [], True)
    assert text.endswith(f"over after {hours} h. Another model version serves.")


def test_a_terminal_shows_what_a_person_would_see():
    message = one(cause("quality:prediction_risk"), cause("drift:<a>", columns=("x",)))
    _, text, blocks = post(message)
    lines = list(slack_lines(text, blocks))
    assert lines[0].startswith("▂▅█ The weather is unlike training")
    assert any(line.startswith("▂▅█ drift:<a> is wrong. 86.1 %") for line in lines)
    assert "[Report]" in lines
    assert max(map(len, lines)) <= 100
    incident = list(incident_lines(event_of(message, message.items[0])))
    assert incident[0] == "flights / AllTraffic: quality:prediction_risk is wrong (large)"
    assert [line for line in incident if line.startswith("Do tonight")] == [
        "Do tonight     Switch to the fallback ranking."
    ]
    assert list(slack_lines("a &lt; b", ())) == ["a < b"]
