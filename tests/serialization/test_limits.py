"""Every codec of the registry keeps `Limits`: a new one is tested here by being registered."""

import numpy
import pytest

from serialization import Codecs, DecodeError, Limits, PayloadTooLarge, ProtobufSchema
from tests.serialization import bodies

SCORES = ProtobufSchema(bodies.descriptor_set(bodies.ranking_file()), "ranking.Scores", "ranking.Scores")
"""A schema whose request is its response, so that what was encoded can be decoded."""
BOUNDED_BY_BYTES = ("application/x-npy",)
"""Formats whose value takes no more memory than its body: `max_bytes` bounds it."""
MEDIA_TYPES = Codecs(SCORES).media_types


@pytest.mark.parametrize("media", MEDIA_TYPES)
def test_a_codec_refuses_more_than_its_limits_and_takes_what_is_within(media: str) -> None:
    values = numpy.arange(500.0)
    body, content_type = Codecs(SCORES).encode({"scores": values.tolist()} if "protobuf" in media else values, media)
    if "recordio" in media:
        body, content_type = Codecs().encode(values, media)
    decoded = Codecs(SCORES).decode(body, content_type)
    if media in BOUNDED_BY_BYTES:
        assert isinstance(decoded, numpy.ndarray)
        assert decoded.nbytes <= len(body)
    else:
        with pytest.raises((DecodeError, PayloadTooLarge)):
            Codecs(SCORES, limits=Limits(max_items=10, max_objects=10, max_columns=10)).decode(body, content_type)
    with pytest.raises(PayloadTooLarge):
        Codecs(SCORES, limits=Limits(max_bytes=len(body) - 1)).decode(body, content_type)
