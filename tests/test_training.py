"""Training, end to end on real stems: the same recipe and data give the same model, and held out is held out."""

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from textwrap import dedent

import demo_song
import numpy as np
import pytest
import soundfile
from sound_files import assert_one_line

from rtsep.commands.train import TrainOptions, train_dictionary, train_sparse
from rtsep.dictionary_file import LearnedDictionary
from rtsep.effects.chain import Chain
from rtsep.errors import AudioError, OptionError
from rtsep.model_file import save_model
from rtsep.separator import SparseSeparator
from rtsep.sparse.learning import encode, energy_of
from rtsep.training.augment import Mixer, Remix, draw_chances
from rtsep.training.datasets import SoloFolder, SongFolder
from rtsep.training.examples import draw_examples, mixture_patches
from rtsep.training.fit_decoder import check_dictionary
from rtsep.training.fit_dictionary import fit_dictionary
from rtsep.training.fit_sparse import FitJob, fit_sparse
from rtsep.training.recipe import read_recipe
from rtsep.training.sources import read_clip
from rtsep.types import STEMS

RECIPE = """
    seed = 3
    [data]
    songs = "songs"
    held_out = ["Second"]
    mixtures = 6
    [remix]
    seconds = 3.0
    same_song_chance = 0.5
    [frontend]
    kind = "stft"
    slice_length = 2048
    hop = 512
    [dictionary]
    atoms = 48
    patch_columns = 3
    compression = 0.5
    learning_sparsity = 0.05
    whitening_floor = 0.1
    sparsity = 0.05
    patches = 1000
    epochs = 1
    [decoder]
    ridge = 0.001
    mask_exponent = 1.0
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two songs: the two halves of the demo song's real stems; and a recipe beside them."""
    folder = tmp_path_factory.mktemp("data")
    for song, start in (("First", 0), ("Second", 10)):
        demo_song.write_stems(folder / "songs" / song, start, 10)
    (folder / "recipe.toml").write_text(dedent(RECIPE))
    return folder


def test_same_recipe_same_model_on_one_process_or_two(data):
    recipe = read_recipe(data / "recipe.toml")
    stages = []
    one = fit_sparse(FitJob(recipe, data, 1, lambda stage, share, words: stages.append((stage, share))))
    two = fit_sparse(FitJob(recipe, data, 2, lambda *_: None))
    assert np.array_equal(one.atoms, two.atoms)
    assert np.array_equal(one.decoder, two.decoder)
    assert list(dict.fromkeys(stage for stage, _ in stages)) == ["mixtures", "dictionary", "decoder"]
    assert all(0 < share <= 1 for _, share in stages)
    assert one.notes["recipe"] == recipe.text


@pytest.mark.parametrize("decoder_epochs", [0, 60])
def test_a_model_trained_on_one_half_of_a_song_separates_the_other(data, decoder_epochs):
    recipe = replace(read_recipe(data / "recipe.toml"), decoder_epochs=decoder_epochs)
    model = fit_sparse(FitJob(recipe, data, 2, lambda *_: None))
    assert ("held_out_loss" in model.notes) == bool(decoder_epochs)
    separator = SparseSeparator(model, slices=64)
    n = separator.shape.input_length
    truth = np.stack([soundfile.read(data / f"songs/Second/{s}.flac", n, dtype="float32")[0] for s in STEMS])
    inside = slice(separator.shape.lead, separator.shape.advance)
    stems = separator.separate(truth.sum(axis=0))[:, inside]
    context = separator.shape.context
    true = truth[:, context + inside.start : context + inside.stop]
    gains = 10 * np.log10(np.sum((true.sum(axis=0) - true) ** 2, (1, 2)) / np.sum((stems - true) ** 2, (1, 2)))
    assert np.median(gains) > 2.0


def test_a_dictionarys_run_goes_on_to_a_model_and_needs_no_matplotlib(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("rtsep.commands.train._can_draw", lambda: False)
    run = tmp_path / "run"
    assert train_dictionary(TrainOptions(data / "recipe.toml", data, tmp_path / "atoms.safetensors", run)) == 0
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "rtsep: left out: curves.png needs matplotlib: pip install 'rtsep[plots]'"
    assert any(line.startswith("dictionary: 100%") for line in told)
    assert train_sparse(TrainOptions(data / "recipe.toml", data, tmp_path / "model.safetensors", run)) == 0
    assert "dictionary: " not in capsys.readouterr().err
    assert not (run / "curves.png").exists()
    without = fit_sparse(FitJob(read_recipe(data / "recipe.toml"), data, 1, lambda *_: None))
    save_model(without, tmp_path / "without.safetensors")
    assert (tmp_path / "without.safetensors").read_bytes() == (tmp_path / "model.safetensors").read_bytes()


def test_a_decoder_is_refused_a_dictionary_of_other_patches(data):
    recipe = read_recipe(data / "recipe.toml")
    atoms = np.zeros((2, recipe.patch_columns, 4), np.float32)
    learned = LearnedDictionary(44100, recipe.spec, recipe.compression, atoms, np.ones(2, np.float32))
    check_dictionary(recipe, learned)
    for wrong, words in (
        (replace(learned, sample_rate=48000), "sample rate 48000"),
        (replace(learned, spec=replace(learned.spec, kind="cqt")), "front end"),
        (replace(learned, atoms=atoms[:, 1:]), "patch_columns 2 of the dictionary, 3 of the recipe"),
        (replace(learned, compression=0.3), "compression 0.3"),
    ):
        with pytest.raises(OptionError, match=words) as caught:
            check_dictionary(recipe, wrong)
        assert_one_line(caught.value, "learn the dictionary by this recipe")


def test_a_dictionary_says_how_good_it_is(data):
    recipe = read_recipe(data / "recipe.toml")
    mixer = Mixer(recipe.sources(data), recipe.remix, 44100, recipe.seed)
    cut = partial(mixture_patches, spec=recipe.spec, patch_columns=3, compression=recipe.compression)
    examples, shard = draw_examples(cut, mixer, 2)
    learned = fit_dictionary(recipe, examples.patches, shard, lambda *_: None)
    assert shard.total == len(examples) == 506
    assert examples.mixtures.tolist() == [0] * 253 + [1] * 253
    matrix = learned.atoms.reshape(48, -1)
    codes = encode(matrix, examples.patches, recipe.learning_sparsity, 1e-4)
    assert learned.notes["energy"] == pytest.approx(
        energy_of(matrix, examples.patches, codes, recipe.learning_sparsity).mean(), rel=2e-3
    )
    assert np.allclose(learned.usage, (codes > 0).mean(axis=0), atol=0.02)
    assert learned.notes["active_atoms"] == pytest.approx(np.count_nonzero(codes) / 506, rel=0.02)


def test_held_out_songs_are_never_among_the_sources(data):
    assert {s.song for s in SongFolder("songs", ("Second",)).sources(data)} == {"First"}
    with pytest.raises(OptionError, match="'Secnd' is not under"):
        SongFolder("songs", ("Secnd",)).sources(data)
    with pytest.raises(OptionError, match="no songs under"):
        SongFolder("nothing").sources(data)
    with pytest.raises(OptionError, match="matches"):
        SoloFolder(".", "vocals", "*.mp3").sources(data)


def test_mixtures_are_the_same_for_the_same_seed_and_number(data):
    sources = SongFolder("songs").sources(data)
    a, b = Mixer(sources, Remix(seconds=1.0), 44100, 7), Mixer(sources, Remix(seconds=1.0), 44100, 7)
    assert np.array_equal(a.draw(5), b.draw(5))
    assert not np.array_equal(a.draw(5), a.draw(6))
    assert a.draw(0).shape == (4, 44100)
    assert all(np.isfinite(a.draw(i)).all() for i in range(20))


def test_clips_are_the_file_resampled_and_silent_beyond_its_end(data):
    source = SongFolder("songs").sources(data)[0]
    samples, _ = soundfile.read(source.path, dtype="float32")
    clip = read_clip(source, 2.0, 1.0, [1, 0], 44100)
    assert np.array_equal(clip, samples[2 * 44100 : 3 * 44100, ::-1])
    assert read_clip(source, 2.0, 1.0, [1], 22050).shape == (22050, 1)
    end = read_clip(source, 9.5, 1.0, [0], 44100)
    assert np.array_equal(end[:22050], samples[-22050:, :1])
    assert not end[22050:].any()
    assert not read_clip(source, 99.0, 1.0, [0], 44100).any()


@pytest.mark.parametrize("processes", [1, 2])
def test_a_recording_that_is_cut_off_is_one_clear_line(data, tmp_path, processes):
    folder = tmp_path / "songs" / "Cut"
    shutil.copytree(data / "songs" / "First", folder)
    whole = (folder / "bass.flac").read_bytes()
    (folder / "bass.flac").write_bytes(whole[: len(whole) // 10])
    recipe = replace(read_recipe(data / "recipe.toml"), held_out=(), mixtures=4)
    with pytest.raises(AudioError, match=r"bass\.flac cannot be read from \d\.\d s on \(") as caught:
        fit_sparse(FitJob(recipe, tmp_path, processes, lambda *_: None))
    assert_one_line(caught.value, "recordings must be whole", "take it out of the folder")
    (folder / "bass.flac").unlink()
    source = SongFolder("songs").sources(data)[0]
    with pytest.raises(AudioError, match="cannot be read"):
        read_clip(replace(source, path=folder / "bass.flac"), 0.0, 1.0, [0], 44100)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed = ", "Invalid value"),
        ("seed = 1", "data missing"),
        ("data = 3", "data unknown|decoder missing"),
        (dedent(RECIPE).replace("atoms", "atom"), "dictionary: atoms missing, atom unknown"),
        (dedent(RECIPE).replace("[decoder]", "[encoder]"), "decoder missing, encoder unknown"),
        (dedent(RECIPE).replace("ridge", "epoch = 5\nridge"), "decoder: epoch unknown"),
        (dedent(RECIPE).replace("ridge", "epochs = -1\nridge"), "decoder_epochs -1 must be a number of 0 or more"),
        (dedent(RECIPE).replace("atoms = ", "atoms = 0 #"), "atoms 0 must"),
        (dedent(RECIPE).replace("\nsparsity = ", "\nsparsity = nan #"), "sparsity nan must"),
        (dedent(RECIPE).replace("same_song_chance = 0", "same_song_chance = 1"), "same_song_chance 1.5 must"),
        (dedent(RECIPE).replace("seconds = ", "seconds = 'long' #"), "seconds 'long' must"),
        (dedent(RECIPE).replace("seed = ", "seed = -"), "seed -. must"),
        (dedent(RECIPE).replace("hop = ", "hops = "), "size 'hops' is none of the front end"),
        (dedent(RECIPE) + "[remix.level_db]\nbass = -19", "level_db: drums is not there"),
        (dedent(RECIPE).replace("ridge", "columns = 'all'\nridge"), "columns 'all' must be 'newest' or 'middle'"),
    ],
)
def test_recipes_that_cannot_be_used_are_one_clear_line(tmp_path: Path, text, words):
    path = tmp_path / "r.toml"
    path.write_text(text)
    with pytest.raises(OptionError, match=words):
        read_recipe(path)
    with pytest.raises(OptionError, match="cannot be read"):
        read_recipe(tmp_path / "none.toml")


def test_a_recipe_names_other_datasets_and_a_mixing_chain(data):
    more = """
    [[data.set]]
    kind = "songs"
    folder = "songs"
    held_out = ["First"]
    share = 0.5
    [[data.solo]]
    folder = "songs/First"
    stem = "vocals"
    pattern = "v*.flac"
    channels = [1]
    share = 0.1
    [remix.chain]
    room = 0.25
    """
    path = data / "more.toml"
    path.write_text(dedent(RECIPE) + dedent(more))
    recipe = read_recipe(path)
    assert recipe.remix == Remix(seconds=3.0, same_song_chance=0.5, chain=Chain(room=0.25))
    sources = recipe.sources(data)
    shares = {(s.song, s.share) for s in sources}
    assert shares == {("First", 1.0), ("Second", 0.5), ("vocals", 0.1)}
    assert [s.channels for s in sources if s.song == "vocals"] == [(1,)]
    for wrong in (('songs"\nfolder', 'song"\nfolder'), ("room", "rooms"), ('held_out = ["First', 'held = ["First')):
        path.write_text((dedent(RECIPE) + dedent(more)).replace(*wrong))
        with pytest.raises(OptionError, match="compare with those in recipes/"):
            read_recipe(path)


def test_recipes_in_the_repository_can_be_read():
    recipes = sorted((demo_song.FOLDER / "recipes").glob("*.toml"))
    sparse = [path for path in recipes if not path.name.startswith("timbrenet-")]
    assert len(sparse) >= 4
    for path in sparse:
        assert "4_Potassium" in read_recipe(path).held_out


def test_a_group_is_drawn_by_its_share_however_many_clips_it_has(data):
    folder = data / "voices"
    folder.mkdir()
    for i in range(30):
        soundfile.write(folder / f"{i}.flac", 0.1 * np.ones(4000), 16000)
    sources = SongFolder("songs").sources(data) + SoloFolder("voices", "vocals", "*.flac", share=0.5).sources(data)
    vocals = [s for s in sources if s.stem == "vocals"]
    chances = draw_chances(vocals)
    assert chances.sum() == pytest.approx(1)
    assert chances[:2].sum() == pytest.approx(1 / 1.5)  # two songs together have the share 1
