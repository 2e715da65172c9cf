from __future__ import annotations

import pytest

from llmbench import units


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("16GiB", 16 * 2**30),
        ("16 GiB", 16 * 2**30),
        (" 16gib ", 16 * 2**30),
        ("16GB", 16 * 10**9),
        ("16000MiB", 16000 * 2**20),
        ("1.5 TiB", 3 * 2**39),
        (".5KiB", 512),
    ],
)
def test_a_size_is_read_with_its_unit(text, expected):
    assert units.read_size(text) == expected


@pytest.mark.parametrize("text", ["16", "16.", "16G", "16 giga", "GiB", "", "-1GiB", "1e3GiB"])
def test_anything_else_is_refused_with_a_hint(text):
    with pytest.raises(ValueError, match=r"write a number and its unit, such as .*GiB or .*GB"):
        units.read_size(text)


def test_the_hint_repeats_the_bare_number():
    with pytest.raises(ValueError, match="such as 24GiB or 24GB"):
        units.read_size("24")


@pytest.mark.parametrize("text", ["0GiB", "0.0001KiB"])
def test_no_memory_is_no_size(text):
    with pytest.raises(ValueError, match="no memory at all"):
        units.read_size(text)


@pytest.mark.parametrize("text", ["16GiB", "16GB", "1536MiB", "100KB", "2TiB", "17179869185B"])
def test_the_exact_text_reads_back(text):
    assert units.exact_size(units.read_size(text)) == text


def test_in_a_sentence_the_unit_stands_apart():
    assert units.spoken_size(16 * 2**30) == "16 GiB"
