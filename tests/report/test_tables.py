"""Tables for papers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import alliance_stats as al
from alliance_stats.errors import DataError, FileError
from alliance_stats.report.numbers import df_text, fixed, interval_text, p_clause, p_text
from alliance_stats.report.render import csv_text, escape_latex, escape_markdown
from alliance_stats.result import Result


@dataclass(frozen=True, kw_only=True)
class Slopes(Result):
    """A result with two slopes."""

    frame: pd.DataFrame

    def tidy(self) -> pd.DataFrame:
        return self.frame

    def glance(self) -> pd.DataFrame:
        return pd.DataFrame({"n": [120]})


def slopes(**changes: object) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "term": ["Intercept", "alliance_session"],
            "estimate": [12.3456, -0.3149],
            "std_error": [1.0, 0.0512],
            "statistic": [12.3456, -6.15],
            "p_value": [1e-9, 0.0312],
            "conf_low": [10.3856, -0.4153],
            "conf_high": [14.3056, -0.2145],
        }
    )
    return frame.assign(**changes)


def test_markdown_prints_apa_columns() -> None:
    assert al.table(slopes(), title="Slopes").to_markdown() == (
        "**Slopes**\n\n"
        "| Term | *b* | *SE* | *z* | *p* | 95% CI |\n"
        "| :--- | ---: | ---: | ---: | ---: | ---: |\n"
        "| Intercept | 12.35 | 1.00 | 12.35 | < .001 | [10.39, 14.31] |\n"
        "| alliance_session | -0.31 | 0.05 | -6.15 | .031 | [-0.42, -0.21] |"
    )


def test_html_prints_minus_signs_and_italic_symbols() -> None:
    html = al.table(slopes()).to_html()
    assert '<th scope="col" class="number"><i>b</i></th>' in html
    assert '<td class="number">[−0.42, −0.21]</td>' in html
    assert '<td class="number">&lt; .001</td>' in html


def test_latex_prints_a_booktabs_table() -> None:
    rows = slopes()
    assert al.table(rows[rows["estimate"] < 0], title="A & B").to_latex() == "\n".join(
        [
            r"\begin{table}",
            r"\caption{A \& B}",
            r"\begin{tabular}{lrrrrr}",
            r"\toprule",
            r"Term & \textit{b} & \textit{SE} & \textit{z} & \textit{p} & 95\% CI \\",
            r"\midrule",
            r"alliance\_session & $-$0.31 & 0.05 & $-$6.15 & .031 & {[}$-$0.42, $-$0.21{]} \\",
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def test_frame_keeps_full_precision() -> None:
    assert al.table(slopes()).frame["estimate"].tolist() == [12.3456, -0.3149]


def test_digits_set_the_decimals() -> None:
    assert "| -0.315 |" in al.table(slopes(), digits=3).to_markdown()


def test_plain_style_keeps_names_and_both_ends() -> None:
    header = al.table(slopes(), style="plain").to_markdown().splitlines()[0]
    assert header == "| term | estimate | std_error | statistic | p_value | conf_low | conf_high |"


def test_labels_replace_headings() -> None:
    assert "| Term | r |" in al.table(slopes(), labels={"estimate": "r"}).to_markdown()


@pytest.mark.parametrize(
    ("df", "heading"), [([20.0, 31.5], "*t*"), ([np.inf, np.nan], "*z*"), ([np.inf, 20.0], "Statistic")]
)
def test_statistic_is_named_by_its_degrees_of_freedom(df: list[float], heading: str) -> None:
    assert f"| {heading} |" in al.table(slopes(df=df)).to_markdown()


def test_estimates_of_another_kind_are_not_called_b() -> None:
    assert "| Estimate |" in al.table(slopes(kind="correlation")).to_markdown()


def test_interval_level_is_printed_when_shared() -> None:
    assert "| 90% CI |" in al.table(slopes(conf_level=0.9)).to_markdown()


def test_interval_levels_that_differ_get_a_column() -> None:
    header = al.table(slopes(conf_level=[0.9, 0.95])).to_markdown().splitlines()[0]
    assert "| CI | Confidence level |" in header


def test_a_table_without_level_counts_as_95_when_stacked() -> None:
    stacked = al.table(slopes(conf_level=0.9), slopes())
    assert stacked.frame["conf_level"].tolist() == [0.9, 0.9, 0.95, 0.95]


def test_several_results_are_stacked_with_model_names() -> None:
    stacked = al.table(slopes(n=120), slopes(), models=["Unadjusted", "Adjusted"])
    assert stacked.frame["model"].tolist() == ["Unadjusted"] * 2 + ["Adjusted"] * 2
    assert stacked.to_markdown().splitlines()[2].endswith("| 120 |")


def test_models_are_numbered_without_names() -> None:
    assert set(al.table(slopes(), slopes()).frame["model"]) == {"Model 1", "Model 2"}


def test_notes_that_all_share_are_printed_once() -> None:
    first = Slopes(frame=slopes(), notes=("REML.", "3 rows dropped."))
    second = Slopes(frame=slopes(), notes=("REML.",))
    assert al.table(first, second).notes == ("REML.", "Model 1: 3 rows dropped.")


def test_an_index_with_names_becomes_columns() -> None:
    assert "term" in al.table(slopes().set_index("term")).frame


def test_the_given_frame_is_not_changed() -> None:
    frame = slopes()
    al.table(frame, models=["A"])
    pd.testing.assert_frame_equal(frame, slopes())


@pytest.mark.parametrize(
    ("arguments", "problem", "hint"),
    [
        ({"models": ["A", "B"]}, "2 models, but there are 1", "one name per result"),
        ({"style": "aqa"}, "No table style 'aqa'", "use 'apa' or 'plain'"),
        ({"digits": -1}, "digits is -1", "0 or more"),
    ],
)
def test_impossible_arguments_are_refused(arguments: dict[str, object], problem: str, hint: str) -> None:
    with pytest.raises(DataError, match=problem) as caught:
        al.table(slopes(), **arguments)  # type: ignore[arg-type]
    assert hint in str(caught.value)


def test_no_result_is_refused() -> None:
    with pytest.raises(DataError, match="no result to set"):
        al.table()


def test_html_escapes_texts() -> None:
    html = al.table(slopes(term=["<script>x</script>", "b"]), title="<b>").to_html()
    assert "<script>" not in html
    assert "<caption>&lt;b&gt;</caption>" in html


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-cmd|' /C calc'!A0", "@SUM(A1)", "\t=1"])
def test_csv_disarms_texts_that_a_spreadsheet_would_run(text: str) -> None:
    cell = csv_text(pd.DataFrame({"term": [text]})).split("\n", 1)[1]
    assert cell.lstrip('"').startswith("'")


def test_csv_disarms_headings() -> None:
    assert csv_text(pd.DataFrame({"=x": [1]})).startswith("'=x")


def test_csv_leaves_negative_numbers_alone() -> None:
    assert csv_text(pd.DataFrame({"a": [-0.1], "b": ["-0.5e3"]})) == "a,b\n-0.1,-0.5e3\n"


def test_csv_reads_back_bit_for_bit(tmp_path: Path) -> None:
    path = al.table(slopes(estimate=[1 / 3, np.nan])).to_csv(tmp_path / "slopes.csv")
    cells = [line.split(",")[1] for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    assert float(cells[0]) == 1 / 3
    assert cells[1] == ""


def test_csv_in_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"Cannot write 'x\.csv'.*\nHint: give a folder that exists"):
        al.table(slopes()).to_csv(tmp_path / "absent" / "x.csv")


def test_mime_bundle_carries_csv_and_name() -> None:
    data, described = al.table(slopes(), name="slopes")._repr_mimebundle_()
    assert set(data) == {"text/plain", "text/markdown", "text/html", "text/csv"}
    assert "-0.3149" in data["text/csv"]
    assert described == {"text/csv": {"name": "slopes"}}


def test_printing_shows_markdown() -> None:
    assert repr(al.table(slopes())).startswith("| Term |")


def test_latex_escapes_every_special_character() -> None:
    assert escape_latex(r"\a&%$#_{}~^<>") == (
        r"\textbackslash{}a\&\%\$\#\_\{\}\textasciitilde{}\textasciicircum{}\textless{}\textgreater{}"
    )


def test_markdown_escapes_markup_but_not_names() -> None:
    assert escape_markdown("a_b _c_ *d* <b> 1 < 2\n|") == r"a_b \_c\_ \*d\* \<b> 1 < 2 \|"


@pytest.mark.parametrize(
    ("value", "text"), [(0.0005, "< .001"), (0.001, ".001"), (0.05, ".050"), (0.9999, "> .999"), (float("nan"), "")]
)
def test_p_values_have_no_leading_zero(value: float, text: str) -> None:
    assert p_text(value) == text


def test_p_clause_has_one_sign() -> None:
    assert (p_clause(0.0001), p_clause(0.2)) == ("p < .001", "p = .200")


@pytest.mark.parametrize(
    ("value", "text"),
    [(-0.004, "0.00"), (float("inf"), "Inf"), (float("-inf"), "-Inf"), (float("nan"), ""), (-1.005, "-1.00")],
)
def test_fixed_never_prints_minus_zero(value: float, text: str) -> None:
    assert fixed(value, 2) == text


def test_an_interval_without_ends_is_empty() -> None:
    assert interval_text(float("nan"), float("nan"), 2) == ""


@pytest.mark.parametrize(("value", "text"), [(20.0, "20"), (31.46, "31.5"), (float("inf"), ""), (float("nan"), "")])
def test_degrees_of_freedom_are_short(value: float, text: str) -> None:
    assert df_text(value) == text


def test_truth_values_are_printed_as_words() -> None:
    assert "| a | yes |" in al.table(pd.DataFrame({"term": ["a"], "converged": [True]})).to_markdown()
