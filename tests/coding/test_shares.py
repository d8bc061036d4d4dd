from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alliance_stats.coding.codebooks import Code, Codebook, Source
from alliance_stats.coding.shares import statement_shares
from alliance_stats.errors import ColumnError, DataError

CATEGORIES = ("supportive", "controlling", "other")


@pytest.fixture
def book() -> Codebook:
    source = Source(key="s", citation="S")
    category_of = {"affirm": "supportive", "reflect": "supportive", "confront": "controlling", "rest": "other"}
    codes = tuple(
        Code(name=name, label=name, category=category, sources=("s",), evidence="e", confidence="convention")
        for name, category in category_of.items()
    )
    return Codebook(key="small", title="t", description="d", categories=CATEGORIES, codes=codes, sources=(source,))


@pytest.fixture
def utterances() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "patient": [2, 1, 1, 1, 1, 2],
            "session": [1, 2, 1, 1, 2, 1],
            "code": ["confront", "affirm", "affirm", "rest", "reflect", None],
        }
    )


@pytest.fixture
def sessions() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "patient": [1, 1, 2],
            "k_affirm": [2, 0, 0],
            "k_reflect": [1, 0, 1],
            "k_confront": [1, 0, 3],
            "k_rest": [0, 0, 0],
            "all": [8, 1, 4],
        },
        index=[7, 8, 9],
    )


def test_utterances_are_counted_per_session_by_category(book: Codebook, utterances: pd.DataFrame) -> None:
    shares = statement_shares(utterances, book, code="code")
    assert shares[["patient", "session"]].to_numpy().tolist() == [[1, 1], [1, 2], [2, 1]]
    assert shares["n_statements"].tolist() == [2, 2, 1]
    assert shares["share_supportive"].tolist() == [0.5, 1.0, 0.0]
    assert shares["share_controlling"].tolist() == [0.0, 0.0, 1.0]
    assert shares["n_other"].tolist() == [1, 0, 0]


def test_the_order_of_utterances_does_not_matter(book: Codebook, utterances: pd.DataFrame) -> None:
    turned = statement_shares(utterances.iloc[::-1], book, code="code")
    pd.testing.assert_frame_equal(turned, statement_shares(utterances, book, code="code"))


def test_statements_without_a_code_are_counted_in_the_notes(book: Codebook, utterances: pd.DataFrame) -> None:
    notes = statement_shares(utterances, book, code="code").attrs["notes"]
    assert "1 of 6 statements have no code and are left out of the shares." in notes


def test_a_session_without_coded_statements_has_missing_shares(book: Codebook, utterances: pd.DataFrame) -> None:
    silent = utterances.assign(code=utterances["code"].where(utterances["patient"] == 1))
    shares = statement_shares(silent, book, code="code")
    assert np.isnan(shares.loc[2, "share_supportive"])
    assert shares.loc[2, "n_statements"] == 0
    assert "1 of 3 rows have no coded statements: their shares are missing." in shares.attrs["notes"]


def test_sessions_are_told_apart_by_the_columns_given(book: Codebook, utterances: pd.DataFrame) -> None:
    shares = statement_shares(utterances, book, code="code", by=["patient"])
    assert list(shares.columns[:2]) == ["patient", "n_statements"]
    assert shares["n_statements"].tolist() == [4, 1]


def test_statements_without_a_session_are_refused(book: Codebook, utterances: pd.DataFrame) -> None:
    lost = utterances.assign(session=[1, None, 1, 1, 2, 1])
    with pytest.raises(DataError, match=r"1 of 6 statements lack patient or session(.|\n)*Hint: drop those rows"):
        statement_shares(lost, book, code="code")


def test_short_unknown_codes_are_named_with_what_is_known(book: Codebook, utterances: pd.DataFrame) -> None:
    wrong = utterances.assign(code=["confrunt", "AF", "AF", "rest", "reflect", "rest"])
    with pytest.raises(
        DataError, match=r"3 statements have one of 2 codes(.|\n)*'confrunt', 'AF'(.|\n)*affirm, reflect"
    ):
        statement_shares(wrong, book, code="code")


@pytest.mark.parametrize("text", ["My mother Anna died", "Anna\tB", "x" * 31])
def test_codes_that_may_be_free_text_are_never_shown(book: Codebook, utterances: pd.DataFrame, text: str) -> None:
    wrong = utterances.assign(code=[text, "AF", "rest", "rest", "rest", "rest"])
    with pytest.raises(DataError, match=r"'AF' \(1 not shown") as caught:
        statement_shares(wrong, book, code="code")
    assert text not in str(caught.value)


def test_a_pattern_finds_the_count_column_of_every_code(book: Codebook, sessions: pd.DataFrame) -> None:
    shares = statement_shares(sessions, book, counts="k_{}")
    assert shares["n_statements"].tolist() == [4, 0, 4]
    assert shares["n_supportive"].tolist() == [3, 0, 1]
    np.testing.assert_array_equal(shares["share_controlling"], [0.25, np.nan, 0.75])


def test_counting_keeps_rows_index_and_columns(book: Codebook, sessions: pd.DataFrame) -> None:
    before = sessions.copy()
    shares = statement_shares(sessions, book, counts="k_{}")
    pd.testing.assert_frame_equal(shares[list(before.columns)], before, check_like=False)
    pd.testing.assert_frame_equal(sessions, before)


def test_notes_of_the_frame_are_kept(book: Codebook, sessions: pd.DataFrame) -> None:
    sessions.attrs["notes"] = ("Simulated.",)
    assert statement_shares(sessions, book, counts="k_{}").attrs["notes"][0] == "Simulated."


def test_a_mapping_of_codes_may_name_some_codes_only(book: Codebook, sessions: pd.DataFrame) -> None:
    shares = statement_shares(sessions, book, counts={"affirm": "k_affirm", "confront": "k_confront"})
    assert shares["n_statements"].tolist() == [3, 0, 3]
    assert shares["n_other"].tolist() == [0, 0, 0]


def test_a_mapping_of_categories_needs_no_codebook(book: Codebook, sessions: pd.DataFrame) -> None:
    lists = {"supportive": ["k_affirm", "k_reflect"], "controlling": ["k_confront"], "other": ["k_rest"]}
    pd.testing.assert_frame_equal(
        statement_shares(sessions, counts=lists), statement_shares(sessions, book, counts="k_{}")
    )


def test_a_total_is_the_denominator_and_the_rest_is_counted(book: Codebook, sessions: pd.DataFrame) -> None:
    shares = statement_shares(sessions, book, counts="k_{}", total="all")
    assert shares["share_supportive"].tolist() == [3 / 8, 0.0, 0.25]
    assert "Shares are out of 'all', which counts 5 statements that belong to no category." in shares.attrs["notes"]


def test_the_bundled_codebook_is_found_by_name() -> None:
    rows = pd.DataFrame({"patient": [1, 1], "session": [1, 1], "code": ["restatement", "challenge"]})
    assert statement_shares(rows, "helping_skills", code="code")["share_supportive"].tolist() == [0.5]


def test_shares_sum_to_one_and_the_notes_say_what_follows(book: Codebook, sessions: pd.DataFrame) -> None:
    shares = statement_shares(sessions, book, counts="k_{}")
    total = shares[[f"share_{category}" for category in CATEGORIES]].sum(axis=1, skipna=False)
    np.testing.assert_allclose(total, [1, np.nan, 1])
    assert any("compositional" in note for note in shares.attrs["notes"])


def test_counts_and_utterances_give_the_same_shares(book: Codebook, utterances: pd.DataFrame) -> None:
    known = utterances.dropna()
    wide = pd.crosstab([known["patient"], known["session"]], known["code"]).add_prefix("k_")
    by_counts = statement_shares(wide.reset_index(), book, counts="k_{}")
    by_rows = statement_shares(known, book, code="code")
    np.testing.assert_array_equal(by_counts[by_rows.columns], by_rows)


@pytest.mark.parametrize("bad", [-1.0, 0.5, np.nan, np.inf])
def test_cells_that_are_no_counts_are_refused(book: Codebook, sessions: pd.DataFrame, bad: float) -> None:
    wrong = sessions.assign(k_affirm=[1.0, bad, 2.0])
    with pytest.raises(DataError, match=r"'k_affirm'(.|\n)*1 of 3 cells(.|\n)*data row 2(.|\n)*Hint: write 0"):
        statement_shares(wrong, book, counts="k_{}")


def test_more_coded_statements_than_statements_are_refused(book: Codebook, sessions: pd.DataFrame) -> None:
    with pytest.raises(DataError, match=r"In 1 of 3 rows(.|\n)*more than 'all'(.|\n)*data row 1(.|\n)*Hint: check"):
        statement_shares(sessions.assign(all=[3, 1, 4]), book, counts="k_{}", total="all")


def test_a_missing_count_column_is_named(book: Codebook, sessions: pd.DataFrame) -> None:
    with pytest.raises(ColumnError, match=r"'k_rest'(.|\n)*Hint"):
        statement_shares(sessions.drop(columns="k_rest"), book, counts="k_{}")


def test_a_column_of_the_user_is_never_overwritten(book: Codebook, sessions: pd.DataFrame) -> None:
    with pytest.raises(ColumnError, match=r"n_other already, with other values(.|\n)*Hint: rename"):
        statement_shares(sessions.assign(n_other=5), book, counts="k_{}")


def test_counting_twice_gives_the_same_frame(book: Codebook, sessions: pd.DataFrame) -> None:
    once = statement_shares(sessions, book, counts="k_{}")
    twice = statement_shares(once, book, counts="k_{}")
    np.testing.assert_array_equal(once, twice)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, r"exactly one of code= and counts=(.|\n)*Hint: code= is for rows"),
        ({"code": "code", "counts": "k_{}"}, r"exactly one of code= and counts="),
        ({"code": "code", "total": "all"}, r"no total=(.|\n)*Hint"),
        ({"counts": "k"}, r"exactly one \{\}(.|\n)*Hint: for example"),
        ({"counts": {"affirn": "k_affirm"}}, r"not in codebook 'small': affirn(.|\n)*Hint: it knows: affirm"),
        ({"counts": {"affirm": ["k_affirm"]}}, r"each code to one column(.|\n)*Hint: leave the codebook out"),
        ({"counts": {"affirm": "k_rest", "rest": "k_rest"}}, r"more than once: k_rest(.|\n)*Hint: every count column"),
        ({"counts": {}}, r"no columns(.|\n)*Hint: every count column"),
    ],
)
def test_arguments_that_do_not_fit_are_explained(
    book: Codebook, sessions: pd.DataFrame, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        statement_shares(sessions, book, **arguments)


@pytest.mark.parametrize("counts", ["k_{}", {"supportive": "k_affirm"}])
def test_without_a_codebook_categories_need_lists(sessions: pd.DataFrame, counts: object) -> None:
    with pytest.raises(DataError, match=r"must map each category to a list(.|\n)*Hint: for example"):
        statement_shares(sessions, counts=counts)


def test_coded_statements_need_a_codebook(utterances: pd.DataFrame) -> None:
    with pytest.raises(DataError, match=r"need a codebook(.|\n)*Hint: pass codebook="):
        statement_shares(utterances, code="code")
