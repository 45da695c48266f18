"""The model of many ranks in bench/: what can be reckoned by hand comes out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

BENCH = Path(__file__).parents[1] / "bench"


@pytest.fixture(scope="module")
def cluster() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCH))
        yield import_module("_cluster")


def costs(cluster: ModuleType, **others: float):
    nothing = dict.fromkeys(("read", "hand", "collect", "write", "answer", "look", "end"), 0.0)
    return cluster.Costs(**{"compute": 0.1, **nothing, "chunk_bytes": 1e6, "stems_bytes": 4e5, **others})


def test_one_process_does_one_thing_after_the_other(cluster: ModuleType) -> None:
    alone = cluster.simulate(costs(cluster, read=0.01, write=0.02, end=0.5), cluster.Job(1, 20))
    assert alone.seconds == pytest.approx(20 * 0.13 + 0.5)
    assert alone.idle_share == pytest.approx(1 - 20 * 0.1 / alone.seconds)


def test_of_two_ranks_the_first_reads_and_writes_while_its_thread_computes(cluster: ModuleType) -> None:
    pair = cluster.simulate(costs(cluster, read=0.01, write=0.02, end=0.5), cluster.Job(2, 40))
    assert pair.seconds == pytest.approx(20 * 0.1 + 0.5, abs=0.15)


def test_whose_past_was_not_heard_takes_longer_once_in_a_run(cluster: ModuleType) -> None:
    job = cluster.Job(2, 80, held_bytes=1e12)
    heard, unheard = (cluster.simulate(costs(cluster, past=past), job).seconds for past in (0.0, 0.04))
    assert unheard - heard == pytest.approx(80 / 2 / 4 * 0.04, rel=0.1)


@pytest.mark.parametrize("n_ranks", [2, 5, 20])
def test_free_messages_scale_as_the_ranks(cluster: ModuleType, n_ranks: int) -> None:
    job = cluster.Job(n_ranks, 40 * n_ranks, held_bytes=1e12)
    outcome = cluster.simulate(costs(cluster), job)
    assert 40 * 0.1 <= outcome.seconds < 1.03 * 40 * 0.1
    assert outcome.idle_share < 0.03


@pytest.mark.parametrize("n_ranks", [32, 100])
def test_a_busy_rank_0_is_the_limit(cluster: ModuleType, n_ranks: int) -> None:
    own = {"read": 0.001, "hand": 0.002, "collect": 0.003, "write": 0.004}
    outcome = cluster.simulate(costs(cluster, **own), cluster.Job(n_ranks, 1000))
    assert outcome.seconds == pytest.approx(1000 * 0.010, rel=0.02)
    assert outcome.rank_0_share > 0.97


def test_a_slow_network_is_the_limit(cluster: ModuleType) -> None:
    network = cluster.Network("slow", latency=0.001, bytes_per_second=4e7)
    outcome = cluster.simulate(costs(cluster), cluster.Job(32, 500, network))
    # All but rank 0's own share of the chunks go out through one link, 25 ms each.
    n_own = outcome.seconds / 0.1
    assert outcome.seconds == pytest.approx((500 - n_own) * 0.025, rel=0.07)


@pytest.mark.parametrize("n_ranks", [3, 8, 32])
def test_ranks_share_the_cores_there_are(cluster: ModuleType, n_ranks: int) -> None:
    outcome = cluster.simulate(costs(cluster), cluster.Job(n_ranks, 400, cores=2))
    assert outcome.seconds == pytest.approx(400 * 0.1 / 2, rel=0.03)
    crowded = cluster.simulate(costs(cluster, crowding=1.5), cluster.Job(n_ranks, 400, cores=2))
    assert crowded.seconds == pytest.approx(1.5 * 400 * 0.1 / 2, rel=0.03)


def test_a_live_chunk_is_as_late_as_its_way_there_and_back(cluster: ModuleType) -> None:
    network = cluster.Network("net", latency=0.002, bytes_per_second=1e9)
    parts = costs(cluster, read=0.001, hand=0.001, collect=0.001, write=0.001, answer=0.001)
    late = cluster.simulate(parts, cluster.Job(2, 50, network, period=0.3)).chunk_seconds
    shortest = 0.1 + 0.005 + 2 * 0.002 + (1e6 + 4e5) / 1e9
    # Rank 0 looks every 10 ms at the longest, the worker after 2.5 % of its wait on average.
    assert all(shortest <= seconds <= shortest + 2 * 0.01 + 0.025 * 0.3 for seconds in late)


def test_a_live_input_too_fast_for_the_ranks_falls_behind(cluster: ModuleType) -> None:
    slow = cluster.simulate(costs(cluster), cluster.Job(2, 50, period=0.04)).chunk_seconds
    fast = cluster.simulate(costs(cluster), cluster.Job(4, 50, period=0.04)).chunk_seconds
    assert slow[-1] > 5 * slow[0]
    assert max(fast) < 0.13


def test_each_cost_of_rank_0_slows_a_full_job_down(cluster: ModuleType) -> None:
    base = costs(cluster, read=0.001, hand=0.002, collect=0.003, write=0.004, look=1e-5)
    whole = cluster.simulate(base, cluster.Job(64, 500)).seconds
    for name in ("read", "hand", "collect", "write", "look"):
        assert cluster.simulate(replace(base, **{name: 0.0}), cluster.Job(64, 500)).seconds < 0.97 * whole, name
