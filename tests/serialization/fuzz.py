"""Malformed bodies by the hundred thousand: mutations of valid ones and noise, decoded in a process with little memory.

    python -m tests.serialization.fuzz --seed 1 --count 200000
    python -m tests.serialization.fuzz --seed 1 --only 4711       # one body again, with its traceback

Each body follows from the seed and its number alone. Only subclasses of SerializationError may escape a decoder, and
what a body decodes to must be writable or refused in the same way. The number of the body in work is kept in a file, so
that a crash of the process can be told by its body.
"""

import argparse
import os
import random
import resource
import struct
import sys
from collections import Counter
from pathlib import Path

from serialization import Limits, SerializationError
from serialization.registry import Codecs
from tests.serialization import bodies

MEMORY = 2 * 1024**3
LIMITS = Limits(max_bytes=1_000_000, max_items=200_000, max_expanded_bytes=8_000_000)
NUMBERS = (
    0,
    1,
    7,
    8,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    2**40,
    2**63 - 1,
    2**63,
    2**64 - 1,
)
TEXTS = (
    b"NaN", b"Infinity", b"1e999", b"9" * 40, b"-", b"[" * 200, b"{\"a\":" * 100, b"\"", b"\\", b"\\u0000", b"\\ud800",
    b"\xff", b"\xed\xa0\x80", b",", b":", b"\n", b"\r", b"\x00", b"null", b"{}", b"[]", b"\"a\":1,", b"'descr'", b"|O8",
    b"(99999999999,)", b"\x0a\x23\xd7\xce",
)  # fmt: skip


def body(seed: int, number: int) -> tuple[str, bytes]:
    """Content type and body of a number."""
    chance = random.Random(f"{seed}:{number}")
    kind, valid = chance.choice(bodies.valid())
    if chance.random() < 0.05:
        kind = chance.choice(bodies.ALL)
    if chance.random() < 0.05:
        return kind, chance.randbytes(chance.choice((1, 3, 10, 100, 1000)))
    mutated = bytearray(valid)
    for _ in range(chance.choice((1, 1, 1, 1, 1, 2, 2, 3, 8))):
        mutate(mutated, chance)
    return kind, bytes(mutated)


def mutate(data: bytearray, chance: random.Random) -> None:
    """One change: a bit or a byte, mostly; else a number, a slice cut, doubled or spliced in, a text put in."""
    at = chance.randrange(len(data) + 1)
    length = chance.choice((1, 2, 4, 8, 16, 64, 256))
    match chance.choices(range(9), weights=(30, 20, 10, 8, 7, 4, 7, 7, 7))[0]:
        case 0 if data:
            data[at % len(data)] ^= 1 << chance.randrange(8)
        case 1 if data:
            data[at % len(data)] = chance.randrange(256)
        case 2:
            data[at : at + 4] = struct.pack("<I", chance.choice(NUMBERS) & 0xFFFFFFFF)
        case 3:
            data[at : at + 8] = struct.pack("<Q", chance.choice(NUMBERS))
        case 4:
            del data[at : at + length]
        case 5:
            del data[at:]
        case 6:
            data[at:at] = data[at : at + length] * chance.choice((1, 2, 100))
        case 7:
            other = chance.choice(bodies.valid())[1]
            start = chance.randrange(len(other))
            data[at:at] = other[start : start + length]
        case _:
            data[at : at + chance.choice((0, 1, 3))] = chance.choice(TEXTS)


def attempt(codecs: Codecs, seed: int, number: int) -> str:
    """Decode one body and write what it gave; the name of what happened. Anything but SerializationError escapes."""
    kind, data = body(seed, number)
    chance = random.Random(number)
    try:
        value = codecs.decode(data, kind, columns=chance.random() < 0.5)
    except SerializationError as error:
        if len(str(error)) > 2000:
            raise AssertionError("a message that repeats the body") from error
        return type(error).__name__
    try:
        codecs.encode(value, chance.choice(codecs.media_types))
    except SerializationError as error:
        return f"decoded, then {type(error).__name__}"
    return "decoded"


def run(seed: int, count: int, progress: Path | None) -> Counter[str]:
    """Attempt bodies 0 to count, in a process whose memory may grow by `MEMORY`."""
    codecs = Codecs(protobuf=bodies.ranking(), limits=LIMITS)
    for kind, data in bodies.valid():
        codecs.decode(data, kind)
    limit_memory(MEMORY)
    file = os.open(progress, os.O_CREAT | os.O_WRONLY, 0o600) if progress is not None else None
    happened: Counter[str] = Counter()
    for number in range(count):
        if file is not None:
            os.pwrite(file, b"%12d" % number, 0)
        try:
            happened[attempt(codecs, seed, number)] += 1
        except BaseException:
            print(f"body {number} of seed {seed}: {body(seed, number)[0]}", file=sys.stderr)
            raise
    return happened


def limit_memory(more: int) -> None:
    """Let this process map no more than this many bytes above what it has now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + more
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--only", type=int)
    parser.add_argument("--progress", type=Path)
    options = parser.parse_args()
    if options.only is not None:
        print(*body(options.seed, options.only))
        print(attempt(Codecs(protobuf=bodies.ranking(), limits=LIMITS), options.seed, options.only))
    else:
        for name, times in sorted(run(options.seed, options.count, options.progress).items()):
            print(f"{times:8} {name}")


if __name__ == "__main__":
    main()
