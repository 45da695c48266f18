"""The page bench/SCALING.md: what was measured, how far the model in _cluster.py is from it, and what it foretells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
from _clock import Network
from _cluster import SHARED_MEMORY, Costs, Job, simulate
from _table import Row, markdown

NETWORKS = (SHARED_MEMORY, Network("10 GbE", 50e-6, 1.1e9), Network("InfiniBand", 2e-6, 24e9))
RANKS = (16, 32, 64, 256, 1024, 4096)
GROUP = 16  # ranks of one job: the model's largest before rank 0 is the limit
SHIPPED = "cqt-sparse"


def check_model(rows: Sequence[Row], costs: dict[str, Costs], cores: int, seconds: dict[str, float]) -> list[Row]:
    """Measured and simulated RTF of each row, and the model's error; `seconds` of audio are in a chunk of a model.

    All of a model's are scaled by what one process took, which wavers from minute to minute on rented machines.
    """
    simulated = [_simulated_rtf(row, costs, cores, seconds) for row in rows]
    alone = {
        row["model"]: float(row["rtf"]) / rtf for row, rtf in zip(rows, simulated, strict=True) if row["ranks"] == 1
    }
    return [
        {
            "case": row["model"],
            "ranks": row["ranks"],
            "rtf_measured": row["rtf"],
            "rtf_simulated": alone[row["model"]] * rtf,
            "error_percent": 100 * (alone[row["model"]] * rtf / float(row["rtf"]) - 1),
        }
        for row, rtf in zip(rows, simulated, strict=True)
    ]


def _simulated_rtf(row: Row, costs: dict[str, Costs], cores: int, seconds: dict[str, float]) -> float:
    model, audio_seconds = str(row["model"]), float(row["audio_seconds"])
    job = Job(int(row["ranks"]), round(audio_seconds / seconds[model]), cores=cores)
    return simulate(costs[model], job).seconds / audio_seconds


def foretell(direct: Costs, whole: Costs, seconds: float) -> list[Row]:
    """Speed of one job on an endless album, and of as many jobs of GROUP ranks as there is room for.

    Over a network all stems come to rank 0 as a `whole`.
    """
    rows: list[Row] = []
    for network in NETWORKS:
        costs = direct if network is SHARED_MEMORY else whole
        one_group = simulate(costs, Job(GROUP, 1000, network)).seconds / 1000
        for n in RANKS:
            n_chunks = max(1000, 2 * n)
            outcome = simulate(costs, Job(n, n_chunks, network))
            rows.append(
                {
                    "case": network.name,
                    "ranks": n,
                    "times_real_time": n_chunks * seconds / outcome.seconds,
                    "rank_0_busy_percent": 100 * outcome.rank_0_share,
                    "idle_percent": 100 * outcome.idle_share,
                    f"in_jobs_of_{GROUP}_times_real_time": n // GROUP * seconds / one_group,
                }
            )
    return rows


def foretell_live(costs: Costs, period: float) -> list[Row]:
    """Latency of computing and messages for a live input that brings a chunk every `period` seconds."""
    rows: list[Row] = []
    for network in NETWORKS:
        for n in (2, *RANKS[2:]):
            late = 1e3 * np.array(simulate(costs, Job(n, 300, network, period=period)).chunk_seconds)
            p50, p99 = np.percentile(late, (50, 99))
            rows.append({"case": network.name, "ranks": n, "latency_p50_ms": p50, "latency_p99_ms": p99})
    return rows


def limits(costs: Costs, whole: Costs, seconds: float) -> list[Row]:
    """What one thing less would bring to a job of GROUP and of 64 ranks in shared memory, or one more take."""
    variants = {
        "as it is": costs,
        "rank 0 writes all": whole,
        "no looking at each worker in vain": replace(costs, look=0.0),
        "messages without copies on rank 0": replace(costs, hand=0.0, collect=0.0),
        "other ranks read": replace(costs, read=0.0),
        "other ranks read, and write the overlaps too": replace(costs, read=0.0, write=0.0),
        "two chunks a message": _grouped(costs),
    }
    return [
        {
            "case": name,
            **{
                f"times_real_time_{n}_ranks": 1000 * seconds / simulate(variant, Job(n, 1000)).seconds
                for n in (GROUP, 64)
            },
        }
        for name, variant in variants.items()
    ]


def _grouped(costs: Costs) -> Costs:
    """Per chunk, where two go in a message: half the looking; what is copied and written stays."""
    return replace(costs, look=costs.look / 2)


def page(
    machine: str,
    rows: Sequence[Row],
    crowds: Sequence[Row],
    costs: dict[str, Costs],
    seconds: dict[str, float],
    whole: Costs,
    live: tuple[Costs, float],
    cores: int,
) -> str:
    """The whole of SCALING.md."""
    checked = check_model(rows, costs, cores, seconds)
    worst = max(abs(float(row["error_percent"])) for row in checked)
    own = costs[SHIPPED]
    each_ms = {
        name: 1e3 * value
        for name, value in asdict(own).items()
        if "bytes" not in name and name not in ("crowding", "idle", "longest_run")
    }
    rank_0, rank_0_whole = (cost.read + cost.hand + cost.collect + cost.write for cost in (own, whole))
    parts = [
        "# How rtsep scales",
        f"`python bench/scaling.py --page bench/SCALING.md` wrote this page. Machine: {machine}.",
        "## Measured\n\nA song of `audio_seconds`; start-up is not in the RTF. The efficiency is the speed-up over the "
        "number of ranks, or of cores where those are fewer. On rented machines cores waver by tens of percent from "
        "minute to minute: runs of all numbers of ranks take turns, a speed-up compares those of one turn, and what is "
        "told is the median over turns. Of a host's ranks as many as it has cores are at work at a time, the others "
        "are in reserve.\n\n" + markdown(rows),
        f"Over one run by itself, in turns of their own: {cores} ranks, and {cores} strangers, runs of one process "
        "that have nothing to do with each other. What strangers lack the cores take from each other; where they are "
        "above 1, or one model's far from another's, the machine has wavered by more than that from run to run.\n\n"
        + markdown(crowds),
        f"## The model against it\n\n`bench/_cluster.py` simulates what rank 0 and the others do, event by event, from "
        f"costs that are measured one by one; nothing is fitted to runs of more than one rank. For {SHIPPED}, in ms: "
        + ", ".join(f"{name} {value:.3g}" for name, value in each_ms.items())
        + f"; where all cores are busy everything takes {own.crowding:.2f} times as long; an idle rank takes "
        f"{100 * own.idle:.1f} % of a core, one in reserve less; the messages of a chunk are "
        f"{own.chunk_bytes / 1e6:.2f} MB there and {own.stems_bytes / 1e6:.2f} MB back where stems come as a "
        f"whole. Scaled to what one process took, it is off by {worst:.0f} % at most.\n\n" + markdown(checked),
        f"## Beyond this machine\n\nWith a core for each rank. Ranks on rank 0's host write to the files what they "
        f"alone compute, and rank 0 the overlaps: it spends {1e3 * rank_0:.2f} ms on a chunk that takes "
        f"{1e3 * own.compute:.1f} ms to compute. {1e3 * rank_0_whole:.2f} ms it would spend if it wrote all, as it "
        "does for ranks on other hosts, that may see other files: theirs are the rows of networks, as if all were "
        f"there. So {own.compute / rank_0:.0f} and {own.compute / rank_0_whole:.0f} ranks keep it busy, and it looks "
        "at each of them again and again, so that more make the job slower. The network is not the limit. Many "
        f"songs go faster as several jobs of {GROUP} ranks, each with its own rank 0 and its part of the songs "
        "(`rtsep run FOLDER --part 3/8`): that grows with the number of ranks as long as the disks keep up with four "
        "stems of 0.35 MB for a second of song.\n\n" + markdown(foretell(own, whole, seconds[SHIPPED])),
        "## What would move the limit of one job\n\n" + markdown(limits(own, whole, seconds[SHIPPED])),
        "## Live\n\nFrom the last sample of a chunk to its stems, for chunks of one slice "
        f"({1e3 * live[1]:.0f} ms); the transform's own latency and the devices' come on top. One rank besides rank 0 "
        "is all that a live input needs; more have nothing to do, and looking at them costs time.\n\n"
        + markdown(foretell_live(*live)),
    ]
    return "\n\n".join(parts) + "\n"
