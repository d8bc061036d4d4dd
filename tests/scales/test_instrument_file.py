"""Instrument files of users: what is wrong with one is said, with the remedy."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from alliance_stats.errors import FileError, InstrumentError
from alliance_stats.scales.examples import unnoticed_errors
from alliance_stats.scales.instrument import load_instrument, read_instrument
from alliance_stats.scales.scoring import score
from alliance_stats.scales.toml_reader import line_numbers

FILE = """
format = 1
key = "own_scale"
name = "A scale of our own"
abbreviation = "OWN"
construct = "alliance"
raters = ["patient"]
citation = "Unpublished."
licence = "ours"
confidence = "own"

[responses]
n_items = 3
minimum = 1
maximum = 5
reversed = [3]
sources = ["manual"]

[missing]
rule = "person_mean"
max_missing = 1
sources = ["manual"]

[scores.total]
items = "all"
rule = "mean"
range = [1, 5]
direction = "higher_is_better"
label = "total"
sources = ["manual"]

[scores.pair]
items = [1, 2]
rule = "sum"
range = [2, 10]
direction = "higher_is_better"
label = "pair"
missing = { rule = "complete", note = "two items only" }
sources = ["manual"]

[[benchmarks]]
kind = "cutoff"
score = "pair"
value = 6
side = "below"
meaning = "low"
sources = ["manual"]

[[sources]]
id = "manual"
ref = "Our manual, page 3"
fact = "key"

[[examples]]
label = "mixed"
answers = [1, 2, 5]
scores = { total = 1.3333, pair = 3 }

[[examples]]
label = "one missing"
answers = [4, nan, 2]
scores = { total = 4, pair = nan }
"""

MISTAKES = [
    # what is changed, into what, what the error names, what the hint says
    ("format = 1", "format = 2", "'format' is not 1", "reads format = 1"),
    ('key = "own_scale"', 'key = "Own-Scale"', "'key' is 'Own-Scale'", "lower-case letters"),
    ('name = "A scale of our own"', "", "'name' is missing", "every instrument file needs it"),
    ('licence = "ours"', 'licence = " "', "'licence' must be a text", 'write licence = "'),
    ('confidence = "own"', 'confidence = "sure"', "'confidence' is 'sure'", "use one of: two sources, one source"),
    ('licence = "ours"', 'licence = "ours"\nlicense = "ours"', "unknown entry 'license'", "did you mean 'licence'"),
    ("minimum = 1", "minimum = 1\nlowest = 1", "unknown entry 'lowest'", "known entries:"),
    ("n_items = 3", 'n_items = "3"', "'n_items' must be a whole number", "without quotes"),
    ("n_items = 3", "n_items = 0", "'n_items' is 0", "at least one item"),
    ("minimum = 1", "minimum = true", "'minimum' must be a number", "without quotes"),
    ("maximum = 5", "maximum = 1", "item 1 runs from 1 to 1", "minimum must be below maximum"),
    ("maximum = 5", "maximum = 5\nstep = 0", "'step' is 0", "use 1 for whole numbers"),
    ("reversed = [3]", "reversed = [3, 3]", "'reversed' names items twice: 3", "list every item once"),
    ("reversed = [3]", "reversed = [4]", "does not have: 4", "numbered 1 to 3"),
    ("reversed = [3]", 'reversed = ["3"]', "'reversed' must be a list of item numbers", "write reversed ="),
    ("items = [1, 2]", "items = [1, 1]", "'items' names items twice: 1", "list every item once"),
    ("items = [1, 2]", "items = [1, 9]", "does not have: 9", "numbered 1 to 3"),
    ("items = [1, 2]", "items = []", "'items' is empty", "at least one item"),
    ("range = [2, 10]", "range = [2, 12]", "the range 2-12 is impossible", "runs from 2 to 10"),
    ("range = [2, 10]", "range = [2]", "'range' must hold", "write range ="),
    ('rule = "sum"', 'rule = "median"', "'rule' is 'median'", "use one of: sum, mean"),
    ('direction = "higher_is_better"', 'direction = "up"', "'direction' is 'up'", "higher_is_worse"),
    ("[scores.pair]", "[scores.Pair]", "a score is called 'Pair'", "lower-case letters"),
    ('label = "pair"\n', "", "'label' is missing", "every instrument file needs it"),
    ("max_missing = 1", "max_missing = 3", "max_missing = 3 for 3 items", "at least one item must be answered"),
    ("max_missing = 1", "", "rule 'person_mean' with max_missing = 0", "form_mean need max_missing"),
    (
        'missing = { rule = "complete", note = "two items only" }',
        'missing = { rule = "complete" }',
        "no source",
        "note",
    ),
    ('sources = ["manual"]', 'sources = ["book"]', "no source has the id 'book'", "known ids: manual"),
    ('label = "pair"', 'label = "pair"\nfactor = "2"', "'factor' must be a number", "without quotes"),
    ("value = 6", "value = 60", "cutoff 60 lies outside 2-10", "check the score"),
    ('side = "below"', 'side = "left"', "'side' is 'left'", "at_or_above"),
    ('score = "pair"', 'score = "pairs"', "'score' is 'pairs'", "use one of: total, pair"),
    ("answers = [1, 2, 5]", "answers = [1, 2]", "2 answers for 3 items", "nan where missing"),
    ("answers = [1, 2, 5]", "answers = [1, 2, 6]", "answer 6 to item 3 lies outside 1-5", "correct the answer"),
    ("total = 1.3333, pair = 3", "total = 1.3333, pairs = 3", "unknown score 'pairs'", "scores: total, pair"),
    ("total = 1.3333, pair = 3", "total = 1.5, pair = 3", "says total = 1.5; the key gives 1.3333", "correct the key"),
    ("[missing]", '[storage.x]\nreversed = [4]\ndescription = "x"\n[missing]', "does not have: 4", "numbered 1 to 3"),
    ("[missing]", '[forms.x]\nleft_out = []\ndescription = "x"\n[missing]', "'left_out' is empty", "not asked"),
    (
        "[missing]",
        '[forms.x]\nleft_out = [1]\ndescription = "x"\n[missing]',
        "no worked example for the form x",
        "form =",
    ),
    (
        "[missing]",
        "[[skips]]\nwhen_items = [1]\nwhen_sum = 1\nskipped = [2]\n[missing]",
        "the rule has no source",
        "name the source",
    ),
    ("[missing]", "[validity]\nmax_missing = 1\n[missing]", "the rule has no source", "name the source"),
    ("maximum = 5", "maximum = inf", "item 3 has no highest answer", "give it a maximum"),
    ("minimum = 1", 'minimum = 1\nitem_names = ["a", "a", "b"]', "2 different names for 3 items", "one name per item"),
    ('rule = "sum"', 'rule = "weighted_sum"\nweights = [1]', "1 weights for 2 items", "one weight per item"),
    ('rule = "sum"', 'rule = "weighted_sum"\nweights = [2, 1]', "the range 2-10 is impossible", "runs from 3 to 15"),
    ('rule = "sum"', 'rule = "lookup"\ntable = [1, 2]', "'table' has 2 entries", "each sum from 2 to 10, 9 in all"),
    ('rule = "sum"', 'rule = "ratio"\nover = []', "'over' is empty", "items to divide by"),
    ('rule = "sum"', 'rule = "percent"', "the range 2-10 is impossible", "runs from 0 to 100"),
    ('rule = "sum"', 'rule = "maximum"', "the range 2-10 is impossible", "runs from 1 to 5"),
    ('rule = "sum"', 'rule = "count_above"\nabove = 1', "the range 2-10 is impossible", "runs from 0 to 2"),
    ('rule = "sum"', 'rule = "mean_above"\nabove = 1', "the range 2-10 is impossible", "runs from 2 to 5"),
    ('rule = "sum"', 'rule = "goal_attainment"\nrho = 1', "'rho' is 1", "between 0 and 1"),
    ('rule = "mean"', 'rule = "maximum"', "a score by 'maximum' cannot be prorated", "a rule of its own"),
    ("[[sources]]", '[unavailable]\npair = "no"\n\n[[sources]]', "'pair' is a score as well", "either computed"),
    (
        'fact = "key"',
        'fact = "key"\n[[sources]]\nid = "manual"\nref = "b"\nfact = "c"',
        "'manual' is used twice",
        "own",
    ),
    ("answers = [1, 2, 5]", "answers = 5", "'answers' must be a list of numbers", "nan"),
    ('raters = ["patient"]', 'raters = "patient"', "'raters' must be a list of texts", "write raters"),
    ("[missing]", "[[missing]]", "'missing' must be a table", "begin it with"),
    ('confidence = "own"', 'confidence = "own"\nloadable = 1', "'loadable' must be true or false", "loadable = true"),
]


def written(folder: Path, text: str) -> Path:
    path = folder / "own.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_own_file_is_scored_like_a_bundled_one(tmp_path: Path) -> None:
    path = written(tmp_path, FILE)
    frame = pd.DataFrame({"a": [1, 4], "b": [2, None], "c": [5, 2]})
    scored = score(frame, path, items=["a", "b", "c"])
    assert scored["own_scale_total"].tolist() == pytest.approx([4 / 3, 4])
    assert scored["own_scale_pair"].tolist() == pytest.approx([3, float("nan")], nan_ok=True)


def test_path_may_be_a_text(tmp_path: Path) -> None:
    assert load_instrument(str(written(tmp_path, FILE))).key == "own_scale"


@pytest.mark.parametrize(("old", "new", "problem", "remedy"), MISTAKES)
def test_mistake_is_named_with_its_remedy(tmp_path: Path, old: str, new: str, problem: str, remedy: str) -> None:
    assert old in FILE
    with pytest.raises(InstrumentError) as caught:
        load_instrument(written(tmp_path, FILE.replace(old, new, 1)))
    message, hint = str(caught.value).split("\nHint: ")
    assert message.startswith("own.toml")
    assert problem in message
    assert remedy in hint


PLACES = [
    # what is changed, into what, the line that the error names
    ('key = "own_scale"', 'key = "Own"', "key ="),
    ("n_items = 3", 'n_items = "3"', "n_items ="),
    ("items = [1, 2]", "items = [1, 9]", "items = [1, 9]"),
    ("range = [2, 10]", "range = [2, 12]", "range = [2, 12]"),
    ("value = 6", "value = 60", "value = 60"),
    ("minimum = 1", "minimum = 1\nlowest = 1", "lowest"),
    ("answers = [4, nan, 2]", "answers = [4,\nnan]", "answers = [4,"),
    ('label = "pair"\n', "", "[scores.pair]"),
    ('fact = "key"', "", "[[sources]]"),
]


@pytest.mark.parametrize(("old", "new", "line"), PLACES)
def test_mistake_is_named_with_its_line(tmp_path: Path, old: str, new: str, line: str) -> None:
    text = FILE.replace(old, new, 1)
    number = next(place for place, words in enumerate(text.splitlines(), start=1) if words.startswith(line))
    with pytest.raises(InstrumentError, match=rf"^own.toml, line {number}[ :]"):
        load_instrument(written(tmp_path, text))


def test_lines_after_lists_of_several_lines_are_counted_right() -> None:
    text = 'a = [\n  [2],\n  "z = 1",\n]\nb = "x = [" # [\n[[t]]\nc = 1\n[[t]]\nc = 2\n[t2.u]\n"d" = 1\n'
    assert line_numbers(text) == {
        ("a",): 1,
        ("b",): 5,
        ("t", 1): 6,
        ("t", 1, "c"): 7,
        ("t", 2): 8,
        ("t", 2, "c"): 9,
        ("t2", "u"): 10,
        ("t2", "u", "d"): 11,
    }


def test_file_without_examples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InstrumentError, match=r"no worked example(.|\n)*add \[\[examples\]\]"):
        load_instrument(written(tmp_path, FILE.split("[[examples]]")[0]))


def test_score_without_an_example_is_refused(tmp_path: Path) -> None:
    text = FILE.replace(", pair = 3", "").replace(", pair = nan", "")
    with pytest.raises(InstrumentError, match=r"no worked example for pair(.|\n)*add the score"):
        load_instrument(written(tmp_path, text))


def test_example_without_scores_is_refused(tmp_path: Path) -> None:
    text = FILE.replace("{ total = 1.3333, pair = 3 }", "{}")
    with pytest.raises(InstrumentError, match=r"gives no score(.|\n)*scores: total, pair"):
        load_instrument(written(tmp_path, text))


def test_file_without_scores_is_refused(tmp_path: Path) -> None:
    start, end = FILE.index("[scores.total]"), FILE.index("[[benchmarks]]")
    with pytest.raises(InstrumentError, match=r"no score\.(.|\n)*add \[scores\.sum\]"):
        load_instrument(written(tmp_path, FILE[:start] + "[scores]\n" + FILE[end:]))


def test_score_without_source_is_refused(tmp_path: Path) -> None:
    text = FILE.replace('items only" }\nsources = ["manual"]', 'items only" }')
    with pytest.raises(InstrumentError, match=r"scores\] \[pair\]: the score has no source(.|\n)*name at least one"):
        load_instrument(written(tmp_path, text))


def test_benchmark_without_source_is_refused(tmp_path: Path) -> None:
    text = FILE.replace('meaning = "low"\nsources = ["manual"]', 'meaning = "low"')
    with pytest.raises(InstrumentError, match=r"the cutoff has no source(.|\n)*leave it out"):
        load_instrument(written(tmp_path, text))


def test_items_may_differ_in_range(tmp_path: Path) -> None:
    text = FILE.replace("[missing]", "[[responses.exceptions]]\nitems = [1]\nmaximum = 7\n\n[missing]", 1)
    text = text.replace("range = [2, 10]", "range = [2, 12]").replace(
        "range = [1, 5]", "range = [1, 5.666666666666667]"
    )
    instrument = load_instrument(written(tmp_path, text))
    assert instrument.maximum == (7, 5, 5)


def test_unlisted_entry_of_an_exception_is_refused(tmp_path: Path) -> None:
    text = FILE.replace("[missing]", "[[responses.exceptions]]\nitems = [1]\nmax = 7\n\n[missing]", 1)
    with pytest.raises(InstrumentError, match=r"number 1: unknown entry 'max'(.|\n)*did you mean 'maximum'"):
        load_instrument(written(tmp_path, text))


def test_list_of_tables_must_be_one(tmp_path: Path) -> None:
    text = FILE.split("[[examples]]")[0] + "[examples]\nlabel = 'x'\n"
    with pytest.raises(InstrumentError, match=r"'examples' must be a list of tables(.|\n)*begin each with"):
        load_instrument(written(tmp_path, text))


def test_file_that_may_not_be_scored_needs_only_a_reason(tmp_path: Path) -> None:
    text = FILE.split("[responses]")[0] + 'loadable = false\nreason = "key lost."\n'
    path = written(tmp_path, text)
    assert read_instrument(path).reason == "key lost."
    with pytest.raises(InstrumentError, match="key lost"):
        load_instrument(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"'none.toml' cannot be read(.|\n)*Hint: check the path"):
        load_instrument(tmp_path / "none.toml")


def test_invalid_toml_is_named_with_the_line(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"not a valid TOML file: .*line 1(.|\n)*bundled instrument file"):
        load_instrument(written(tmp_path, "key = wai"))


def test_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_bytes(FILE.replace("ours", "f\xfcr uns").encode("latin-1"))
    with pytest.raises(FileError, match=r"not UTF-8(.|\n)*save it as UTF-8"):
        load_instrument(path)


def test_example_of_the_documentation_is_a_valid_file(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "instruments.md").read_text(encoding="utf-8")
    example = page.split("```toml\n")[1].split("```")[0]
    instrument = load_instrument(written(tmp_path, example))
    assert list(instrument.scores) == ["total", "bond"]
    assert unnoticed_errors(instrument) == []
