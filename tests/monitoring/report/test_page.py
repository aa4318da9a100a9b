"""The report as HTML: every state of a window, hostile names and values, size. A browser opens it in `tests/system`."""

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.findings import conclude
from monitoring.findings.query import QuerySource
from monitoring.report.anchors import anchor
from monitoring.report.page import render
from monitoring.result import Bin, Grade, RunResult, Status, WindowCompleteness
from tests.monitoring.findings.samples import END, START, column, draft, stale, store, summary, violation

OLD = store(age_median=9e4, baseline_age_median=60.0)
VOID = {"meta", "link", "input", "br", "path", "rect", "use"}


class Outline(HTMLParser):
    """Collects ids, links, tags and text, and checks that tags close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name == "id":
                self.ids.append(value or "")
            if name == "href":
                self.links.append(value or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.text += data.replace("\N{NO-BREAK SPACE}", " ")


def outline(html: str) -> Outline:
    found = Outline()
    found.feed(html)
    found.close()
    assert found.open == []
    return found


def page(run: RunResult) -> Outline:
    return outline(render(run))


BARS = tuple(Bin(str(at), 0.025, 0.02 + at / 4000, at, at + 1) for at in range(40))
CURVE = tuple((float(at), at / 40, (at / 40) ** 2) for at in range(41))
PLAIN_HTML = render(conclude(draft((column("a", Grade.SMALL),))))
PLAIN = outline(PLAIN_HTML)


def wide_run(number: int) -> RunResult:
    columns = tuple(
        column(
            f"feature_{at}", [*Grade][at % 4], bins=BARS, cdf=CURVE, event_ids=(f"{at:036}",) * 5, sentence="x" * 120
        )
        for at in range(number)
    )
    source = QuerySource(("s3://bucket/prefix/*/*.parquet",), ("id",), "time", START, END)
    return conclude(draft(columns), source)


def test_the_facts_below_the_verdict_are_labelled_in_words() -> None:
    for label in (
        "Endpoint",
        "Model",
        "Window",
        "Volume",
        "Completeness",
        "Baseline",
        "Question answered",
        "False alarms",
    ):
        assert f"<dt>{label}</dt>" in PLAIN_HTML


def test_every_link_on_the_page_leads_somewhere() -> None:
    run = conclude(draft((column("temp", Grade.LARGE, bins=BARS), column("a b", Grade.SMALL), column("ü"))))
    found = page(run)
    assert [link for link in found.links if link.startswith("#") and link[1:] not in found.ids] == []
    assert len(found.ids) == len(set(found.ids))


def test_the_page_loads_nothing() -> None:
    html = render(wide_run(3))
    assert {link for link in outline(html).links if not link.startswith("#")} == {"data:,"}
    assert "src=" not in html
    assert "url(" not in html
    assert "@import" not in html


@pytest.mark.parametrize(
    ("run", "state"),
    [
        (draft(rows=0, events=0, completeness=WindowCompleteness(True, 0, 0)), "No traffic"),
        (draft(rows=0, events=0, completeness=WindowCompleteness(None, 0, None)), "No data"),
        (draft((column("a"),), completeness=WindowCompleteness(False, 58, 100, ("gap",))), "No verdict"),
        (draft((column("a", status=Status.NOT_JUDGED),)), "Not judged"),
        (draft(), "Not judged"),
        (draft((column("a"),)), "No drift"),
        (draft((column("a", Grade.MEDIUM),)), "Medium drift"),
        (draft((column("a", Grade.LARGE),), completeness=WindowCompleteness(None, 9, None)), "Large drift"),
        (draft((column("a"),), stores=(OLD,), violations=stale(OLD)), "Stale store"),
        (draft((column("a", window=None),), violations=(violation("a", "missing_column_check"),)), "Missing column"),
    ],
)
def test_every_state_of_a_window_has_its_word_and_never_reads_as_zero_violations(run: RunResult, state: str) -> None:
    html = render(conclude(run))
    assert f"<title>{state}: flights / AllTraffic" in html
    assert "0 violations" not in page(conclude(run)).text


@pytest.mark.parametrize(
    ("proved", "words"), [(True, "complete"), (False, "not complete"), (None, "completeness unknown")]
)
def test_completeness_stands_before_the_verdict(proved: bool | None, words: str) -> None:
    text = page(conclude(draft((column("a"),), completeness=WindowCompleteness(proved, 99, 100)))).text
    assert text.index(words) < text.index("Is anything broken?")


HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "a\"b'c`d",
    "</script><script>alert(1)</script>",
    "{{ 7 * 7 }}",
    "\u202eabc\x00\x1b[2J\n",
    "&amp;",
    "s-main",
    "x" * 255,
    "größe",
    "a b",
    "\ud800",
]


def named_run(names: list[str]) -> RunResult:
    """A run in which everything that a stranger can name has these names."""
    columns = tuple(
        column(
            name,
            Grade.LARGE,
            type_name=name,
            kind="categorical",
            bins=(Bin(name, 0.5, 0.1), Bin("b", 0.5, 0.9)),
            unseen=((name, 3),),
            event_ids=(name,),
            since=name,
            group=name,
        )
        for name in names
    )
    stores = tuple(store(name, age_median=9e4, baseline_age_median=60.0) for name in names[:2])
    checks = tuple(violation(name, check) for name in names for check in ("categorical_values_check", name))
    checks += stale(*stores)
    held = WindowCompleteness(True, 1, 1, tuple(names), duplicates=2)
    source = QuerySource((names[0],), (names[1],), names[2], START, END)
    run = draft(columns, violations=checks, completeness=held, notes=tuple(names), stores=stores, baseline=names[0])
    return conclude(run, source)


def test_hostile_names_and_values_add_no_tag_and_no_attribute() -> None:
    html = render(named_run(HOSTILE), trend="trend.html")
    found, harmless = outline(html), outline(render(named_run([f"name{at}" for at in range(11)]), trend="trend.html"))
    assert found.tags == harmless.tags
    assert found.attributes == harmless.attributes
    assert len(found.ids) == len(set(found.ids)) == len(harmless.ids)
    assert all(character.isprintable() or character == "\n" for character in found.text)
    html.encode()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=6, unique=True))
def test_any_names_give_a_page_with_unique_ids_and_the_same_tags(names: list[str]) -> None:
    found = page(conclude(draft(tuple(column(name, Grade.SMALL) for name in names))))
    assert found.tags == PLAIN.tags
    assert len(found.ids) == len(set(found.ids))
    assert {anchor(name) for name in names} <= set(found.ids)


def test_three_hundred_categories_of_ten_thousand_characters_stay_small() -> None:
    values = [f"{'long ' * 2000}{at}" for at in range(300)]
    bins = tuple(Bin(value, 1 / 300, 1 / 300) for value in values)
    side = column("c", Grade.LARGE, kind="categorical", bins=bins, unseen=tuple((value, 2) for value in values))
    run = conclude(draft((side,), violations=(violation("c", "categorical_values_check"),)))
    html = render(run)
    assert len(html.encode()) < 200_000
    assert "long " * 60 not in html


@pytest.mark.parametrize(("number", "size"), [(60, 1_000_000), (200, 3_000_000)])
def test_a_page_of_many_columns_stays_small(number: int, size: int) -> None:
    html = render(wide_run(number))
    assert len(html.encode()) < size
    assert len(outline(html).ids) == len(set(outline(html).ids))


def test_a_column_without_baseline_or_without_window_has_a_row() -> None:
    found = page(conclude(draft((column("gone", window=None), column("new", baseline=None)))))
    assert {"gone", "new"} <= set(found.ids)
    assert "missing" in found.text


def test_a_number_keeps_its_unit_on_its_line() -> None:
    lacking = column("a", Grade.LARGE, linf=0.3, baseline=summary(1000), window=summary(1000, 300))
    html = render(conclude(draft((lacking,))))
    assert "30.0\N{NO-BREAK SPACE}% of the 1,000 rows" in html
    assert "p\N{NO-BREAK SPACE}≤\N{NO-BREAK SPACE}0.001" in html


def test_an_advice_stands_once() -> None:
    run = conclude(draft(tuple(column(name, Grade.LARGE) for name in "abc")))
    assert page(run).text.count("If the change lasts, retrain") == 1


def test_a_constant_column_has_a_page() -> None:
    side = summary(400, mean=20.0, std_dev=0.0, minimum=20.0, maximum=20.0, quantiles=(20.0,) * 7)
    bars = (Bin("20", 1.0, 1.0, 19.5, 20.5),)
    assert (
        "20"
        in page(conclude(draft((column("i", baseline=side, window=side, bins=bars, cdf=((20.0, 1.0, 1.0),)),)))).text
    )


def test_a_strip_of_days_is_called_days() -> None:
    recent = {"recent": (Grade.LARGE,) + (Grade.NONE,) * 6, "recent_end": END, "recent_unit": "day"}
    found = page(conclude(draft((column("temp", Grade.LARGE, **recent),))))
    for text in ("Last 7 d", "Last 7 days", "1 of 7 days is unlike ordinary days.", "One cell a day", "Nov 23 18:00"):
        assert text in found.text
