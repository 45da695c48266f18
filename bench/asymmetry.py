"""What does the low-delay STFT's asymmetry cost in frequency resolution and in time aliasing?

Main lobe and side lobes of the analysis windows, in bins of 4096 samples at 44.1 kHz and in dB. Time aliasing: ideal
masks of the demo song bend each slice's spectrum, whose inverse FFT then wraps around; `aliasing_db` is what wraps,
after the synthesis window, relative to the masked sound. With --plot FILE.png also a drawing of windows and spectra.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from _plot import add_plot_option, pyplot
from _songs import DEMO, true_stems
from _table import Row, bench_parser, publish

from rtsep.decoder.masks import ratio_masks
from rtsep.frontend.presets import PRESETS, STFTPreset, build_preset
from rtsep.frontend.windows import dual_window, hann_periodic, low_delay_pair
from rtsep.types import F64

RATE = 44100
FINE = 64  # points a bin on which window spectra are looked at


def main() -> None:
    parser = bench_parser(__doc__)
    add_plot_option(parser, "windows and their spectra")
    options = parser.parse_args()
    pairs = {"stft": window_pair("stft"), "stft-low-delay": window_pair("stft-low-delay")}
    short = hann_periodic(512)
    pairs["stft of 512 samples"] = (short, dual_window(short, 128))
    rows: list[Row] = []
    for case, (analysis, synthesis) in pairs.items():
        row: Row = {"case": case, "who": "rtsep", "latency_samples": synthesis.size, **resolution(analysis)}
        if case in PRESETS:
            row["aliasing_db"] = aliasing_db(case, analysis, synthesis, 4.0 if options.quick else 15.0)
        rows.append(row)
    publish(__doc__, rows, options.json)
    if options.plot:
        draw(pairs, options.plot)


def window_pair(name: str) -> tuple[F64, F64]:
    preset = PRESETS[name]
    assert isinstance(preset, STFTPreset)
    if preset.output_length < preset.slice_length:
        return low_delay_pair(preset.slice_length, preset.hop, preset.output_length)
    window = hann_periodic(preset.slice_length)
    return window, dual_window(window, preset.hop)


def response_db(window: F64) -> F64:
    """Magnitude of the window's spectrum in dB below its peak, `FINE` points a bin of its own length."""
    response = np.abs(np.fft.rfft(window, FINE * window.size))
    return np.asarray(20 * np.log10(np.maximum(response / response[0], 1e-10)))


def resolution(window: F64) -> Row:
    """Widths in Hz at -6 and -60 dB, noise bandwidth, and the highest side lobe."""
    decibels = response_db(window)
    hz = RATE / window.size / FINE
    first_rise = int(np.flatnonzero(np.diff(decibels) > 0)[0])
    last_above = int(np.flatnonzero(decibels > -60)[-1])
    return {
        "width_6db_hz": 2 * hz * int(np.flatnonzero(decibels < -6)[0]),
        "width_60db_hz": 2 * hz * last_above,
        "noise_bandwidth_hz": float(RATE * np.sum(window**2) / np.sum(window) ** 2),
        "highest_side_lobe_db": float(decibels[first_rise:].max()),
    }


def aliasing_db(name: str, analysis: F64, synthesis: F64, seconds: float) -> float:
    """Energy that wraps around under ideal masks, over the energy of the masked stems, both after the overlap-add.

    Beside each slice the same masks' filters run over a slice padded to twice its length, where nothing wraps.
    """
    frontend = build_preset(name, RATE, np.float64)
    ((truth, _),) = true_stems(DEMO / "stems", seconds)
    mono = truth.mean(axis=2).T.astype(float)
    length, kept = frontend.slice_length, frontend.output_length
    clean, wrapped = np.zeros((2, len(mono), 4))
    for start in range(0, len(mono) - length + 1, frontend.hop):
        part = mono[start : start + length]
        masks = ratio_masks(np.sqrt(frontend.band_power(frontend.analyze(part)).astype(np.float32)), 1.0)
        unit = np.ones((1, frontend.n_coefficients), complex)
        gains = frontend.apply_gains(unit, masks[:, None].astype(float))[:, 0].real
        windowed = part.sum(axis=1) * analysis
        filters = np.roll(np.fft.irfft(gains, length, axis=1), length // 2, axis=1)
        linear = np.fft.irfft(np.fft.rfft(filters, 2 * length) * np.fft.rfft(windowed, 2 * length), 2 * length)
        straight = linear[:, length // 2 : length // 2 + length]
        circular = np.fft.irfft(gains * np.fft.rfft(windowed), length)
        place = slice(start + length - kept, start + length)
        clean[place] += (straight[:, -kept:] * synthesis).T
        wrapped[place] += ((circular - straight)[:, -kept:] * synthesis).T
    return float(10 * np.log10(np.sum(wrapped**2) / np.sum(clean**2)))


def draw(pairs: dict[str, tuple[F64, F64]], path: Path) -> None:
    figure, (time, frequency) = pyplot().subplots(1, 2, figsize=(12, 4.5), layout="constrained")
    for colour, (case, (analysis, synthesis)) in zip(("tab:blue", "tab:red", "tab:gray"), pairs.items(), strict=True):
        ends = 4096 - analysis.size + np.arange(analysis.size)
        time.plot(ends, analysis, colour, label=f"{case}: analysis")
        time.plot(ends[-synthesis.size :], synthesis, colour, linestyle="--", label=f"{case}: synthesis")
        decibels = response_db(analysis)
        hz = np.arange(decibels.size) * RATE / analysis.size / FINE
        frequency.plot(hz, decibels, colour, label=case)
    time.set(xlabel="sample of the slice", ylabel="window", title="Windows: solid analysis, dashed synthesis")
    frequency.set(xlim=(0, 400), ylim=(-120, 3), xlabel="distance from a tone, Hz", ylabel="leakage, dB")
    frequency.set_title("What a tone leaks into its neighbourhood")
    for axes in (time, frequency):
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
