"""docs/alarms.md and docs/retraining.md say what the code takes, and have a section for each incident's link."""

import re
import tomllib
from pathlib import Path

import pytest

from monitoring.notify.incident_text import event_of
from monitoring.notify.settings import parse, policy
from monitoring.result import CauseKind, Urgency
from monitoring.retraining.settings import parse as parse_rules
from tests.monitoring.alarms.examples import cause
from tests.monitoring.notify.messages import one
from tests.test_documents import blocks

DOCS = Path(__file__).resolve().parents[3] / "docs"
ALARMS = (DOCS / "alarms.md").read_text()


@pytest.mark.parametrize("kind", CauseKind)
def test_every_incident_leads_to_a_section(kind):
    message = one(cause(f"{kind}:x", urgency=Urgency.MESSAGE))
    anchor = event_of(message, message.items[0])["payload"]["custom_details"]["Help"].partition("#")[2]
    assert f"\n### {anchor}\n" in ALARMS


def test_the_settings_of_the_documents_are_read():
    [table] = [tomllib.loads(block) for block in blocks(ALARMS, "toml")]
    settings = parse(table["notify"])
    assert len(settings.routes()) == 3
    assert policy(table["alarms"]).urgency["drift:fare"] is Urgency.PAGE
    [rules] = [tomllib.loads(block) for block in blocks((DOCS / "retraining.md").read_text(), "toml")]
    assert [rule.name for rule in parse_rules(rules["retraining"])] == ["risk", "ask", "local"]


def test_the_defaults_of_the_document_are_the_defaults_of_the_code():
    [table] = [tomllib.loads(block) for block in blocks(ALARMS, "toml")]
    default = policy({})
    given = {name: value for name, value in table["alarms"].items() if isinstance(value, int)}
    assert given == {name: getattr(default, name) for name in given}


def test_every_kind_stands_in_the_table_of_urgencies():
    table = ALARMS[ALARMS.index("## What pages") : ALARMS.index("## Settings")]
    named = dict(re.findall(r"^\| (`[^|]+`) \| (page|message)", table, re.MULTILINE))
    kinds = {kind: urgency for row, urgency in named.items() for kind in re.findall(r"`(\w+)`", row)}
    assert set(kinds) == {str(kind) for kind in CauseKind}
    default = policy({})
    for kind, urgency in kinds.items():
        expected = "message" if kind == "retraining" else urgency
        asked = cause(f"{kind}:x", urgency=Urgency.MESSAGE if kind == "retraining" else Urgency.PAGE)
        assert str(default.urgency_of(asked)) == expected
