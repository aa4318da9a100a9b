"""Content types and Accept headers (RFC 9110)."""

import pytest

from serialization import MediaType, NotAcceptable, UnsupportedMediaType
from serialization.media import choose, parse_content_type

OFFERS = ("application/json", "text/csv", "application/x-npy", "application/x-protobuf")


@pytest.mark.parametrize(
    ("text", "name", "parameters"),
    [
        ("application/json", "application/json", {}),
        ("  Text/CSV ;Header=Present; charset=UTF-8 ", "text/csv", {"header": "Present", "charset": "UTF-8"}),
        ('application/x-protobuf; messageType="a.B"', "application/x-protobuf", {"messagetype": "a.B"}),
        (r'text/csv; note="a \"b\"; c"', "text/csv", {"note": 'a "b"; c'}),
        ("text/csv;", "text/csv", {}),
        ("text/csv; label_size=0", "text/csv", {"label_size": "0"}),
    ],
)
def test_a_content_type_is_its_name_and_its_parameters(text, name, parameters):
    media = parse_content_type(text)
    assert (media.name, dict(media.parameters)) == (name, parameters)


@pytest.mark.parametrize(
    "text", ["json", "a/b/c", "text/*", "text/csv; header", "text/csv; a=b c", "", "ä/b", "x" * 5000]
)
def test_what_is_no_content_type_is_refused(text):
    with pytest.raises(UnsupportedMediaType, match="is not a media type"):
        parse_content_type(text)


def test_a_media_type_is_written_as_it_is_read():
    media = MediaType("text/csv", {"a": "b", "c": 'd "e"\\'})
    assert parse_content_type(str(media)) == media
    assert parse_content_type(str(media)).parameters == media.parameters


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("text/csv", "text/csv"),
        ("TEXT/CSV", "text/csv"),
        ("text/*", "text/csv"),
        ("text/csv;q=0.5, application/x-npy", "application/x-npy"),
        ("text/csv;q=0.5, */*;q=0.1", "text/csv"),
        ("application/json;q=0, */*", "text/csv"),
        ("application/json;q=0, application/*;q=0.2, text/csv;q=0.1", "application/x-npy"),
        ("text/html, application/xhtml+xml, */*;q=0.8", "application/json"),
        ("text/csv, application/x-npy", "text/csv"),
        ("application/x-npy, text/csv", "application/x-npy"),
        ("*/*, text/csv", "text/csv"),
        ("text/csv;q=nonsense, application/x-npy;q=0.1", "application/x-npy"),
        ("garbage, text/csv", "text/csv"),
        ('a/b;c=",text/csv,", application/x-npy', "application/x-npy"),
    ],
)
def test_the_best_of_what_is_accepted_is_chosen(accept, chosen):
    assert choose(accept, OFFERS, "application/json").name == chosen


@pytest.mark.parametrize(
    ("accept", "default", "chosen"),
    [
        ("*/*", "text/csv; header=present", "text/csv; header=present"),
        (None, "text/csv; header=present", "text/csv; header=present"),
        ("text/csv", "text/csv; header=present", "text/csv"),
        ("text/csv; header=present; q=0.3", "application/json", "text/csv; header=present"),
        (
            "application/x-protobuf; messageType=a.B, */*;q=0.1",
            "application/json",
            "application/x-protobuf; messagetype=a.B",
        ),
        ("text/csv;q=0.1;header=absent, text/csv;header=present", "application/json", "text/csv; header=present"),
    ],
)
def test_parameters_come_from_the_range_that_matched_or_from_the_default(accept, default, chosen):
    assert str(choose(accept, OFFERS, default)) == chosen


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "*/*;q=0", "image/*", "garbage", "*/json"])
def test_what_cannot_be_written_is_not_acceptable_and_the_answer_lists_what_can(accept):
    with pytest.raises(NotAcceptable, match="application/x-npy"):
        choose(accept, OFFERS, "application/json")


def test_a_default_that_cannot_be_written_gives_way_to_the_first_that_can():
    assert choose(None, OFFERS, "text/html").name == "application/json"


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", "application/json"),
        ("*", "application/json"),
        ("text/csv; q=.5, *;q=.2", "text/csv"),
        (" * ; q=.2", "application/json"),
    ],
)
def test_the_accept_header_of_java_s_old_clients_is_understood(accept: str, chosen: str):
    assert choose(accept, ("application/json", "text/csv"), "application/json").name == chosen
