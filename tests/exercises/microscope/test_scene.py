"""Scenes from text: what is understood, and which mistakes are told with their line."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganns.errors import ConfigError
from ganns.exercises.microscope.scene import FOLDER, find, load, parse, ready
from ganns.exercises.microscope.statements import insert, split, variables_of

SCENE = r"""-- scene: Two add one
-- About it,
-- in two lines.
-- watch: counters, other.logs
-- see also: chord_locked

-- setup
CREATE TABLE counters (n int);
INSERT INTO counters VALUES (0);

-- session: ada
BEGIN;
-- Look.
SELECT n FROM counters \gset
UPDATE counters SET n = :n + 1;
COMMIT;

-- session: bob, after ada, may be killed
UPDATE counters SET n = n + 1;

-- promise: Both were counted.
SELECT n = 2 FROM counters;
"""


def test_a_scene_is_read() -> None:
    scene = parse(SCENE, "mine")
    assert (scene.title, scene.about) == ("Two add one", "About it, in two lines.")
    assert scene.watch == ("counters", "other.logs")
    assert (scene.promise, scene.question) == ("Both were counted.", "SELECT n = 2 FROM counters")
    assert [one.text for one in scene.setup] == ["CREATE TABLE counters (n int)", "INSERT INTO counters VALUES (0)"]
    ada, bob = scene.roles
    assert [step.text for step in ada.steps] == [
        "BEGIN;\nSELECT n FROM counters;",
        "UPDATE counters SET n = :n + 1;",
        "COMMIT;",
    ]
    assert (ada.steps[0].note, ada.steps[0].last.line, ada.steps[0].last.keeps) == ("Look.", 14, True)
    assert (bob.after, bob.mortal) == ("ada", True)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("-- scene: Two add one", "SELECT 1;", "line 1: the first line should be"),
        ("-- session: bob, after ada, may be killed", "-- session: ada", "two sessions have the same name"),
        ("after ada", "after eve", "bob begins after 'eve', but the other sessions are ada, bob"),
        ("may be killed", "sleeps", "line 18: 'sleeps' is unknown"),
        ("-- session: bob, after ada, may be killed", "-- session: b-o-b", "line 18: 'b-o-b' is no name"),
        ("COMMIT;", "COMMIT", "line 16: this statement has no end"),
        ("SELECT n FROM counters \\gset", "SELECT n FROM counters;", "line 15: nothing has set :n yet"),
        ("SELECT n FROM counters \\gset", "\\set n 1", "line 14: this backslash command is unknown"),
        ("SELECT n FROM counters \\gset", "\\i other.sql", "line 14: \\\\i belongs into the setup"),
        ("UPDATE counters SET n = n + 1;\n", "BEGIN;\n", "line 18: the session bob needs a statement after its BEGIN"),
        ("SELECT n = 2 FROM counters;", "", "line 21: a promise is one query that answers true, not 0"),
        ("-- promise: Both were counted.\nSELECT n = 2 FROM counters;", "", "there is no promise"),
        ("CREATE TABLE counters (n int);", "\\i none.sql", "line 8: none.sql cannot be read"),
    ],
)
def test_a_mistake_is_told_with_its_line(old: str, new: str, words: str) -> None:
    assert old in SCENE
    with pytest.raises(ValueError, match=words):
        parse(SCENE.replace(old, new), "mine")


def test_a_text_that_ends_anywhere_or_lacks_a_line_is_a_scene_or_a_mistake() -> None:
    lines = SCENE.splitlines(keepends=True)
    texts = [SCENE[:end] for end in range(len(SCENE))]
    texts += ["".join(lines[:at] + lines[at + 1 :]) for at in range(len(lines))]
    refused = 0
    for text in texts:
        try:
            parse(text, "mine")
        except ValueError:
            refused += 1
    assert refused > len(SCENE) // 2


def test_a_scene_needs_two_sessions_and_at_most_four() -> None:
    one = "\n-- session: {}\nSELECT 1;\n"
    with pytest.raises(ValueError, match=r"2 to 4 sessions .*, not 1"):
        parse("-- scene: T\n" + one.format("ada") + "-- promise: P\nSELECT true;\n", "mine")
    with pytest.raises(ValueError, match="not 5"):
        parse("-- scene: T\n" + "".join(map(one.format, "abcde")) + "-- promise: P\nSELECT true;\n", "mine")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.sql cannot be read: No such file"):
        find(str(tmp_path / "none.sql"))
    with pytest.raises(ConfigError, match="There is no scene 'none'"):
        find("none")
    (tmp_path / "bad.sql").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="no text in UTF-8"):
        load(tmp_path / "bad.sql")
    (tmp_path / "bad.sql").write_text("SELECT 1;")
    with pytest.raises(ConfigError, match=r"bad\.sql: line 1: the first line"):
        load(tmp_path / "bad.sql")


def test_every_ready_scene_is_read_and_names_another_one() -> None:
    assert len(ready()) >= 12
    for name in ready():
        scene = find(name)
        assert scene.about
        assert scene.see_also in ready(), name
        for line in (FOLDER / f"{name}.sql").read_text().splitlines():
            assert len(line) <= 122, name


def test_statements_are_split_as_psql_splits_them() -> None:
    text = """-- a note
SELECT ';', "a;b", $$ ; $$, $x$ $$;$$ $x$, E'\\';' -- not; here
;
/* left; out */ SELECT 'it''s';
"""
    found = split(text)
    assert [one.line for one in found] == [2, 4]
    assert found[0].note == "a note"
    assert found[0].text.startswith("SELECT ';'")
    assert found[1].text == "SELECT 'it''s'"
    waits = split("\\wait\n\\wait 3\n")
    assert [(one.kind, one.limit_s) for one in waits] == [("wait", None), ("wait", 3)]


def test_variables_are_literals_and_nothing_else_is_touched() -> None:
    text = "SELECT :n, ':n', n::text, :name"
    assert variables_of(text) == ["n", "name"]
    assert insert(text, {"n": "3", "name": "O'Neil"}) == "SELECT 3, ':n', n::text, 'O''Neil'"
    assert insert("SELECT :n", {"n": None}) == "SELECT NULL"
    with pytest.raises(KeyError):
        insert("SELECT :m", {"n": "3"})
