"""Text from outside is text: on a terminal, in a spreadsheet and in a list of names."""

from unicodedata import category

from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.text import cell, count, gist, printable, printable_lines, quoted, some


@given(st.text())
def test_what_is_shown_is_one_printable_line(text):
    shown = printable(text)
    assert all(c.isprintable() or c in "\u200c\u200d" or category(c) == "Zs" for c in shown)
    assert len(shown.splitlines()) <= 1
    assert printable_lines(text).count("\n") == text.count("\n")


def test_escapes_and_marks_of_direction_are_shown_as_such():
    assert printable("a\x1b[31mb\u202ec\n\udcff") == r"a\x1b[31mb\u202ec\n\udcff"
    for name in ("Häschen 图片", "می\u200cخواهم", "1.23\u202fPM", "👩\u200d🌾"):
        assert printable(name) == name


@given(st.text())
def test_no_cell_is_a_formula(text):
    assert not cell(text).startswith(("=", "+", "-", "@", "\t", "\r"))
    assert cell(text).endswith(text)


def test_a_cell_that_is_no_formula_stays():
    assert cell("cat=dog") == "cat=dog"
    assert cell("=1+1") == "'=1+1"


def test_lists_and_numbers_of_things():
    assert some(["a", "b"], 2) == "a, b"
    assert some(list("abc"), 2) == "a, b and 1 more"
    assert quoted(["a\x1b"]) == r"'a\x1b'"
    assert [count(1, "class", "classes"), count(2000, "image")] == ["1 class", "2,000 images"]


TRACE = """\x1b[36mray::_job()\x1b[39m (pid=7, ip=127.0.0.1)
  File "core.py", line 72, in _job
    os.chdir(directory)
FileNotFoundError: [Errno 2] No such file or directory: '/data/project'
"""


def test_the_gist_of_an_error_is_its_cause():
    assert gist(TRACE) == "FileNotFoundError: [Errno 2] No such file or directory: '/data/project'"
    slurm = "Job 3 (task: 0) with path /x/3_0.pkl\nhas not produced any output (state: FAILED)"
    assert gist(slurm).endswith("3_0.pkl has not produced any output (state: FAILED)")
    assert gist(KeyError()) == "KeyError"
    assert len(gist("word " * 1000)) < 410
