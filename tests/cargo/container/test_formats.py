"""The agent's readers of JSON, dep-info and tar archives, compared with Python's on many inputs."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cargo.container.workshop import FLAGS, SOURCES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Reads a kind and a document in base64 from each line, and answers with a line of JSON.
PROGRAM = """\
#![allow(dead_code)]
#[path = "{sources}/dep_info.rs"]
mod dep_info;
#[path = "{sources}/sets.rs"]
mod sets;
#[path = "{sources}/json.rs"]
mod json;
#[path = "{sources}/tar.rs"]
mod tar;
use json::Value;
use std::io::{{BufRead, Cursor, Read}};

fn main() {{
    for line in std::io::stdin().lock().lines() {{
        let line = line.unwrap();
        let (kind, text) = line.split_once(' ').unwrap();
        let bytes: Vec<u8> = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect();
        println!("{{}}", match kind {{
            "json" => json::parse(&bytes).unwrap_or(Value::from("none")),
            "text" => Value::from_bytes(&bytes),
            "sha256" => Value::Text(agent_core::sha256::hex(&agent_core::sha256::digest_of(&bytes))),
            "dep-info" => dep_info::parse(&bytes).map_or(Value::Null, |info| {{
                let inputs = info.inputs.iter().map(|path| Value::from_bytes(path)).collect();
                [Value::Bool(info.is_library), inputs].into_iter().collect()
            }}),
            _ => archive(bytes),
        }});
    }}
}}

fn archive(bytes: Vec<u8>) -> Value {{
    let mut archive = tar::Archive::new(Cursor::new(bytes));
    let mut found = Vec::new();
    while let Ok(Some(member)) = archive.next_member() {{
        let mut content = Vec::new();
        // Every other one is passed over unread.
        if found.len() % 2 == 0 && archive.read_to_end(&mut content).is_err() {{
            break;
        }}
        let link = member.link.map_or(Value::Null, |link| Value::from_bytes(&link));
        let size = Value::number(member.size);
        let items = [Value::from_bytes(&member.name), link, Value::Bool(member.is_executable), size, Value::from_bytes(&content)];
        found.push(items.into_iter().collect());
    }}
    Value::List(found)
}}
"""


class Reader:
    """A program with the agent's readers in it."""

    def __init__(self, program: Path) -> None:
        self._program = program

    def __call__(self, kind: str, documents: Sequence[bytes]) -> list[Any]:
        """Return what is read from each document."""
        lines = "".join(f"{kind} {document.hex()}\n" for document in documents)
        done = subprocess.run([self._program], input=lines.encode(), stdout=subprocess.PIPE, check=True)
        # Not splitlines: JSON has other line breaks in its texts.
        return [json.loads(line) for line in done.stdout.split(b"\n")[:-1]]


@pytest.fixture(scope="module")
def read(agent: Path, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """The readers, compiled once."""
    folder = tmp_path_factory.mktemp("readers")
    (folder / "main.rs").write_text(PROGRAM.format(sources=SOURCES))
    extern = f"--extern=agent_core={agent.parent / 'libagent_core.rlib'}"
    subprocess.run(["rustc", *FLAGS, extern, "-o", folder / "readers", folder / "main.rs"], check=True)
    return Reader(folder / "readers")


MANY = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
# Halves of surrogates are no text: cargo cannot write them.
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
)


@MANY
@given(
    documents=st.lists(VALUES, min_size=20, max_size=60),
    ascii_=st.booleans(),
    indent=st.sampled_from([None, 1]),
)
def test_json_is_read_and_written_as_by_python(
    read: Reader, documents: list[Any], *, ascii_: bool, indent: int | None
) -> None:
    """Whatever Python writes is read, and written again with the same meaning."""
    texts = [json.dumps(document, ensure_ascii=ascii_, indent=indent).encode() for document in documents]
    assert read("json", texts) == documents


JSON_LIKE = st.lists(
    st.sampled_from(
        [
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            '"a"',
            '"',
            "\\u00e4",
            "\\",
            "1",
            "-",
            "0",
            ".",
            "e",
            "null",
            "tru",
            " ",
            "\n",
        ]
    ),
    max_size=12,
).map("".join)


@MANY
@given(texts=st.lists(JSON_LIKE, min_size=50, max_size=200))
def test_what_python_refuses_is_refused(read: Reader, texts: list[str]) -> None:
    """Of two readers of one report neither may see what the other one does not."""
    assert read("json", [text.encode() for text in texts]) == [by_python(text) for text in texts]


def by_python(text: str) -> object:
    """Read JSON, "none" where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return "none"


@MANY
@given(texts=st.lists(st.binary(max_size=30), min_size=20, max_size=100))
def test_bytes_of_any_encoding_come_back(read: Reader, texts: list[bytes]) -> None:
    """As Python's surrogateescape has them."""
    assert read("text", texts) == [text.decode("utf-8", "surrogateescape") for text in texts]


@MANY
@given(texts=st.lists(st.binary(max_size=300), min_size=10, max_size=40))
def test_digests_are_those_of_hashlib(read: Reader, texts: list[bytes]) -> None:
    """Around the size of a block, and beyond."""
    assert read("sha256", texts) == [hashlib.sha256(text).hexdigest() for text in texts]


PATHS = (
    st.text(st.sampled_from("ab .-_/#ä'\"$"), min_size=1, max_size=12)
    .map(lambda t: t.strip(" #") or "x")
    .filter(lambda t: not t.endswith((":", "\\")))
)


@MANY
@given(rules=st.lists(st.tuples(PATHS, st.lists(PATHS, max_size=6)), min_size=1, max_size=30))
def test_dep_info_is_read_as_it_was_written(read: Reader, rules: list[tuple[str, list[str]]]) -> None:
    """Rules with blanks in their names, as rustc escapes them."""

    def escaped(path: str) -> str:
        return path.replace(" ", "\\ ")

    documents = [
        f"{escaped(name)}: {' '.join(map(escaped, inputs))}\n\n# env-dep:X=Y\n" for name, inputs in rules
    ]
    answers = read("dep-info", [document.encode() for document in documents])
    for (name, inputs), (is_library, found) in zip(rules, answers, strict=True):
        assert set(found) == {name, *inputs}
        # A rule without inputs is that of an input.
        assert is_library == (bool(inputs) and name.endswith((".rlib", ".rmeta", ".so", ".dylib", ".a")))


NAMES = st.text(st.sampled_from("abä-_. "), min_size=1, max_size=160).map(lambda name: f"files/{name}")


@MANY
@given(
    members=st.lists(
        st.tuples(NAMES, st.none() | NAMES, st.booleans(), st.binary(max_size=1100)), max_size=8
    ),
    form=st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT]),
)
def test_archives_are_read_as_tarfile_writes_them(
    read: Reader, members: list[tuple[str, str | None, bool, bytes]], form: int
) -> None:
    """Names and links of any length, in each of the formats, read or passed over."""
    file = io.BytesIO()
    expected: list[list[object]] = []
    with tarfile.open(fileobj=file, mode="w", format=form) as tar:
        for name, link, executable, content in members:
            info = tarfile.TarInfo(name)
            info.mode = 0o755 if executable else 0o644
            if link is None:
                info.size = len(content)
            else:
                info.type, info.linkname = tarfile.SYMTYPE, link
            try:
                tar.addfile(info, io.BytesIO(content))
            except ValueError:
                # Too long for the oldest format.
                continue
            size, text = (len(content), content) if link is None else (0, b"")
            shown = text.decode("utf-8", "surrogateescape") if len(expected) % 2 == 0 else ""
            expected.append([name, link, executable, size, shown])
    assert read("tar", [file.getvalue()]) == [expected]


def test_an_archive_that_is_cut_off_ends(read: Reader) -> None:
    """Wherever it is cut: there is neither a panic nor an endless loop."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
        info = tarfile.TarInfo("x" * 200)
        info.size = 700
        tar.addfile(info, io.BytesIO(b"y" * 700))
    content = file.getvalue()[:4000]
    assert len(read("tar", [content[:size] for size in range(0, 4000, 7)])) == len(range(0, 4000, 7))
