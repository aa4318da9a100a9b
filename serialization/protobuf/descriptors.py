"""The descriptor set of a model artefact: which messages there are, and a class for each, made at run time.

`protoc --include_imports --descriptor_set_out=schema.desc schema.proto` makes the file. The set gets a pool of its own,
so that two models in one process may have messages of one name. Google's well-known types are added where the set lacks
them. protobuf is imported when a set is loaded, not before.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serialization.errors import EncodeError, SchemaError, UnsupportedMediaType
from serialization.limits import Limits
from serialization.media import shown

if TYPE_CHECKING:
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import Message as GoogleMessage

    from .decode import MessagePlan
    from .encode import MessageWriter


class ProtobufSchema:
    """Messages of one descriptor set, to decode requests and encode responses with.

    request, response: full names (`flights.RankRequest`) of the messages used where a content type names none.
    """

    def __init__(self, descriptor_set: bytes, request: str | None = None, response: str | None = None) -> None:
        """Raises SchemaError where the set is malformed, lacks an import, or lacks a message that was named."""
        self.pool, self.messages = _load(descriptor_set)
        self.request = request
        self.response = response
        self._classes: dict[str, type[GoogleMessage]] = {}
        self._plans: dict[str, MessagePlan] = {}
        self._writers: dict[str, MessageWriter] = {}
        for setting, name in (("request", request), ("response", response)):
            if name is not None and name not in self.messages:
                raise SchemaError(
                    f"the {setting} message {name!r} is not in the descriptor set, which has {self._listed}"
                )

    @classmethod
    def load(cls, descriptor_set: Path, request: str | None = None, response: str | None = None) -> ProtobufSchema:
        """The schema in a FileDescriptorSet file. Raises SchemaError where it cannot be read or used."""
        try:
            content = Path(descriptor_set).read_bytes()
        except OSError as error:
            raise SchemaError(f"descriptor set {descriptor_set} cannot be read: {error.strerror or error}") from None
        return cls(content, request, response)

    def decode(
        self,
        body: bytes | bytearray | memoryview,
        message: str | None = None,
        *,
        columns: bool = False,
        limits: Limits | None = None,
    ) -> Any:
        """One message as a dict of plain values; see `protobuf.decode` for what each kind of field becomes.

        message: full name; the request message where None. columns: repeated messages as dicts of columns, which is
        faster. Raises DecodeError, or UnsupportedMediaType for a message that the set does not have.
        """
        return self.plan(self._named(message or self.request, "PROTOBUF_REQUEST")).read(
            body, limits or Limits(), columns
        )

    def encode(self, value: object, message: str | None = None) -> bytes:
        """A plain value, array or table as one message. Raises EncodeError, which names the field."""
        name = message or self.response
        if name is None:
            raise EncodeError("no response message is named; set PROTOBUF_RESPONSE, or accept messageType=")
        name = self._named(name, "PROTOBUF_RESPONSE")
        return self.writer(name).write(self.message_class(name)(), value)

    def message_class(self, name: str) -> type[GoogleMessage]:
        """The class of a message by its full name. KeyError where the set has none."""
        if name not in self._classes:
            from google.protobuf.message_factory import GetMessageClass

            self._classes[name] = GetMessageClass(self.pool.FindMessageTypeByName(name))
        return self._classes[name]

    def plan(self, name: str) -> MessagePlan:
        """How to read a message, compiled once."""
        if name not in self._plans:
            from .decode import compile_plan

            self._plans[name] = compile_plan(self.message_class(name), self.pool)
        return self._plans[name]

    def writer(self, name: str) -> MessageWriter:
        """How to fill a message, compiled once."""
        if name not in self._writers:
            from .encode import compile_writer

            self._writers[name] = compile_writer(self.message_class(name).DESCRIPTOR)
        return self._writers[name]

    def has(self, name: str) -> bool:
        """Whether the set has a message of this full name."""
        return name in self.messages

    def _named(self, name: str | None, setting: str) -> str:
        if name is None:
            raise UnsupportedMediaType(
                f"which message is it? add messageType= to the content type, or set {setting}; there are {self._listed}"
            )
        if name not in self.messages:
            raise UnsupportedMediaType(f"messageType={shown(name)} is not known; there are {self._listed}")
        return name

    @cached_property
    def _listed(self) -> str:
        own = sorted(name for name in self.messages if not name.startswith("google.protobuf."))
        return ", ".join(own[:20]) + (f" and {len(own) - 20} more" if len(own) > 20 else "") or "no messages"


def _load(content: bytes) -> tuple[DescriptorPool, frozenset[str]]:
    from google.protobuf import descriptor_pb2, descriptor_pool
    from google.protobuf.message import DecodeError as GoogleDecodeError

    files = descriptor_pb2.FileDescriptorSet()
    try:
        files.ParseFromString(content)
    except GoogleDecodeError:
        raise SchemaError(
            "the descriptor set is not a FileDescriptorSet; make it with protoc --descriptor_set_out"
        ) from None
    if not files.file:
        raise SchemaError(
            "the descriptor set holds no file; make it with protoc --include_imports --descriptor_set_out"
        )
    by_name = {file.name: file for file in files.file}
    pool = descriptor_pool.DescriptorPool()
    added: set[str] = set()
    messages: set[str] = set()

    def add(name: str, wanted_by: str, trail: tuple[str, ...]) -> None:
        if name in added:
            return
        if name in trail:
            raise SchemaError(f"the descriptor set's files import each other in a circle: {', '.join((*trail, name))}")
        file: Any = by_name.get(name) or _well_known(name)
        if file is None:
            raise SchemaError(
                f"the descriptor set lacks {name!r}, which {wanted_by!r} imports; add --include_imports to protoc"
            )
        for imported in file.dependency:
            add(imported, name, (*trail, name))
        _collect(file.package, file.message_type, messages)
        try:
            pool.AddSerializedFile(file.SerializeToString())
        except (TypeError, ValueError) as error:
            raise SchemaError(f"file {name!r} of the descriptor set is not valid: {error}") from None
        added.add(name)

    for name in by_name:
        add(name, "the set", ())
    return pool, frozenset(messages)


def _well_known(name: str) -> Any:
    """Google's own file of this name, from the protobuf package, or None."""
    if not (name.startswith("google/protobuf/") and name.endswith(".proto")):
        return None
    from importlib import import_module

    from google.protobuf import descriptor_pb2

    try:
        module = import_module(name.removesuffix(".proto").replace("/", ".") + "_pb2")
    except ImportError:
        return None
    return descriptor_pb2.FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)


def _collect(prefix: str, messages: Any, into: set[str]) -> None:
    for message in messages:
        if message.options.map_entry:
            continue
        name = f"{prefix}.{message.name}" if prefix else message.name
        into.add(name)
        _refuse_shared_json_names(name, message)
        _collect(name, message.nested_type, into)


def _refuse_shared_json_names(name: str, message: Any) -> None:
    """Refuse a message field whose name in JSON is that of another field, as `a_b` and `a__b` are both `aB`.

    proto2 allows it, and protobuf's runtime (upb, 7.36) then takes one field for the other and ends the process.
    """
    by_json_name: dict[str, Any] = {}
    for field in message.field:
        other = by_json_name.setdefault(field.json_name or _json_name(field.name), field)
        if other is not field and (other.type_name or field.type_name):
            raise SchemaError(
                f"fields {other.name!r} and {field.name!r} of {name} have one name in JSON, which protobuf's runtime "
                "mixes up; rename one, or give it a json_name"
            )


def _json_name(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)
