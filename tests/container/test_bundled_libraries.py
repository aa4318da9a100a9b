"""What Multi Model Server uses of the old libraries in its jar: that is what a flaw of theirs can be reached through.

Every class that a class refers to stands in its constant pool by name. `docs/security.md` rests on these lists; a new
release of Multi Model Server that uses more fails here, and is looked at.
"""

from __future__ import annotations

import re
import zipfile
from xml.etree import ElementTree

import pytest

from container.supervisor.model_server import LOG4J, find_home

OWN = ("com/amazonaws/", "software/amazon/")


@pytest.fixture(scope="module")
def jar() -> zipfile.ZipFile:
    [path] = (find_home() / "mms" / "frontend").glob("*.jar")
    return zipfile.ZipFile(path)


def used(jar: zipfile.ZipFile, package: str) -> set[str]:
    """Classes of a package that Multi Model Server's own classes refer to, without the package."""
    pattern = re.compile(re.escape(package.encode()) + rb"/([A-Za-z0-9_/]+)")
    own = [name for name in jar.namelist() if name.startswith(OWN) and name.endswith(".class")]
    assert len(own) > 50
    return {match.decode() for name in own for match in pattern.findall(jar.read(name))}


def test_of_netty_s_handlers_those_of_http_1_are_used_and_tls_which_is_not_configured(jar: zipfile.ZipFile):
    codecs = {
        name
        for name in used(jar, "io/netty/handler")
        if re.search(r"(Codec|Decoder|Encoder|Aggregator|Handler)$", name)
    }
    assert codecs == {
        "codec/ByteToMessageDecoder",  # the protocol between Java and its workers
        "codec/MessageToByteEncoder",
        "codec/http/HttpObjectAggregator",
        "codec/http/HttpServerCodec",
        "codec/http/QueryStringDecoder",
        "codec/http/multipart/HttpPostRequestDecoder",
        "ssl/SslHandler",
    }


def test_of_commons_io_neither_the_xml_reader_nor_the_normalizing_of_names_is_used(jar: zipfile.ZipFile):
    assert used(jar, "org/apache/commons/io") == {"FileUtils", "IOUtils"}


def test_the_log_goes_to_the_console_and_nowhere_over_a_network():
    root = ElementTree.fromstring(LOG4J)  # noqa: S314  (our own)
    [appenders] = root.iter("Appenders")
    assert [entry.tag for entry in appenders] == ["Console", "Console"]  # the second is for broken uploads
    assert [entry.tag for entry in appenders.iter()][1:] == ["Console", "PatternLayout"] * 2


def test_the_jar_holds_the_releases_that_were_looked_at(jar: zipfile.ZipFile):
    versions = jar.read("META-INF/io.netty.versions.properties").decode()
    assert "netty-transport-udt.version=4.1.91.Final" in versions
