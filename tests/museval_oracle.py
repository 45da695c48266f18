"""museval's own figures, from its file of measures alone: importing the package demands ffmpeg."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np


def museval_measures(truth: np.ndarray, estimate: np.ndarray, rate: int) -> np.ndarray:
    """SDR, ISR, SIR, SAR `(4, n_stems, n_windows)` by museval, windows of 1 s without overlap."""
    measures = _metrics().bss_eval(
        np.asarray(truth, np.float64),
        np.asarray(estimate, np.float64),
        window=rate,
        hop=rate,
        compute_permutation=False,
        filters_len=512,
        framewise_filters=False,
        bsseval_sources_version=False,
    )
    return np.stack(measures[:4])


@cache
def _metrics() -> ModuleType:
    package = importlib.util.find_spec("museval")
    assert package is not None
    assert package.origin is not None
    spec = importlib.util.spec_from_file_location("museval_metrics", Path(package.origin).with_name("metrics.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
