"""The search for the largest size, against trying every size."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from llmbench.worker.estimate.job import largest

MOST = 600


def search(floor: int, start: int, slope: int, bend: int, budget: int, known: int) -> None:
    """Search where a peak is flat at first and then rises, ever faster; compare with the truth."""

    def peak(size: int) -> int:
        return max(floor, start + slope * size + bend * size * size)

    tried = []

    def peak_of(size: int) -> int:
        tried.append(size)
        return peak(size)

    found = largest(peak_of, budget, MOST, {0: floor, known: peak(known)})
    fitting = [n for n in range(1, MOST + 1) if peak(n) <= budget]
    assert found == (max(fitting) if floor <= budget else 0) if fitting else found == 0
    assert len(tried) == len(set(tried)) <= 24
    if floor <= budget:
        assert found in {0, known, *tried}
        assert found == MOST or found + 1 in {known, *tried}


@settings(max_examples=300, deadline=None)
@given(
    floor=st.integers(0, 5000),
    start=st.integers(0, 5000),
    slope=st.integers(1, 300),
    bend=st.integers(0, 5),
    budget=st.integers(0, 60_000),
    known=st.integers(1, 64),
)
def test_it_finds_what_trying_every_size_finds(
    floor: int, start: int, slope: int, bend: int, budget: int, known: int
) -> None:
    search(floor, start, slope, bend, budget, known)


def test_on_a_line_few_trials_do() -> None:
    tried: list[int] = []

    def peak_of(size: int) -> int:
        tried.append(size)
        return 1000 + 50 * size

    assert largest(peak_of, 20_010, 1024, {0: 1000, 4: 1200}) == 380
    assert sorted(tried) == [380, 381]


def test_where_nothing_fits_nothing_is_tried() -> None:
    assert largest(lambda size: 1 / 0, 10, 1024, {0: 11, 4: 50}) == 0  # type: ignore[arg-type, return-value]


def test_where_the_longest_fits_it_is_tried() -> None:
    assert largest(lambda size: size, 10**9, 512, {0: 0, 8: 8}) == 512
