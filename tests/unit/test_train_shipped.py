"""The shipped beat classifier is what its card says."""

import itertools
import json
from importlib import resources
from pathlib import Path

import pytest

from cortexcore.runtime.frontend import CHANNELS, FEATURES, FrontEndConfig
from cortexcore.train.checkpoint import load_checkpoint
from cortexcore.train.evaluation.evaluate import evaluate
from cortexcore.train.folds import DS1_FOLDS
from cortexcore.train.predict import checkpoint_classifier
from cortexcore.train.recordings import DS1, DS2

FOLDER = Path(str(resources.files("cortexcore"))) / "models" / "ecg_beat"
MODEL = FOLDER / "model.safetensors"


@pytest.fixture(scope="module")
def checkpoint():
    return load_checkpoint(MODEL)


@pytest.fixture(scope="module")
def card():
    return (FOLDER / "MODEL_CARD.md").read_text()


def figures(name):
    return json.loads((FOLDER / name).read_text())


def percent(value):
    return f"{100 * value:.1f}"


def row(card, title):
    """Cells of the card's table row that begins with ``title``."""
    rows = [line for line in card.splitlines() if line.startswith(f"| {title} |")]
    assert len(rows) == 1, f"{len(rows)} rows '{title}' in the card"
    return [cell.strip() for cell in rows[0].split("|")[2:-1]]


def test_it_fits_the_front_end_of_this_version(checkpoint):
    config = checkpoint.model.config
    assert checkpoint.front_end == FrontEndConfig()
    assert (config.channels, config.length) == (len(CHANNELS), checkpoint.front_end.window_length)
    assert config.features == len(FEATURES)
    assert checkpoint.classes == ("N", "S", "V", "F")
    assert sum(parameter.numel() for parameter in checkpoint.model.parameters()) <= 60_000


def test_it_was_fitted_on_ds1_without_the_records_held_out(checkpoint, card):
    fitted, held_out = (set(checkpoint.provenance[f"{kind}_records"]) for kind in ("fitted", "held_out"))
    assert fitted.isdisjoint(held_out) and fitted | held_out == set(DS1) and held_out
    assert fitted.isdisjoint(DS2)
    lines = {line.split(":")[0]: line for line in card.splitlines() if line.startswith(("Fitted", "Held out"))}
    assert set(lines["Fitted"].rstrip(".").split(": ")[1].split()) == fitted
    assert set(lines["Held out"].rstrip(".").split(": ")[1].split()) == held_out
    assert f"seed {checkpoint.provenance['seed']}" in card


def test_the_cards_cross_validation_is_that_of_its_file(checkpoint, card):
    cv = figures("cross_validation.json")
    assert [tuple(fold["records"]) for fold in cv["folds"]] == list(DS1_FOLDS)
    assert cv["epochs"] == checkpoint.provenance["fit"]["epochs"]
    assert cv["total"]["beats"] == sum(record["beats"] for record in cv["records"].values())
    for (name, values), counts in zip(cv["total"]["classes"].items(), cv["total"]["confusion"], strict=True):
        wanted = [str(sum(counts)), percent(values["sensitivity"]), percent(values["predictivity"])]
        assert row(card, name) == wanted
    assert f"accuracy {percent(cv['total']['accuracy'])} %" in card
    assert f"macro-F1 {percent(cv['total']['macro_f1'])} %" in card
    assert f"seed {cv['seed']}" in card


def test_the_cards_held_out_figures_are_those_of_its_file(checkpoint, card):
    held_out = figures("held_out.json")
    assert held_out["detector"] == "own"
    assert {record["record"] for record in held_out["records"]} == set(checkpoint.provenance["held_out_records"])
    for record in held_out["records"]:
        rates = [
            record[kind][ratio] for kind in ("qrs", "veb", "sveb") for ratio in ("sensitivity", "positive_predictivity")
        ]
        assert row(card, record["record"]) == ["–" if rate is None else percent(rate) for rate in rates]


def test_it_reaches_its_figures_on_the_held_out_records(checkpoint, data_dir):
    expected = {record["record"]: record for record in figures("held_out.json")["records"]}
    result = evaluate(checkpoint_classifier(checkpoint), checkpoint.front_end, list(expected), data_dir)
    for record in result.score.records:
        wanted = expected[record.record]
        assert (record.qrs.tp, record.qrs.fn, record.qrs.fp) == tuple(wanted["qrs"][key] for key in ("tp", "fn", "fp"))
        for kind in ("veb", "sveb"):
            rate = getattr(record, kind)
            # the front end is integer and exact; float sums on another processor may tip a beat or two at a threshold
            assert abs(rate.tp - wanted[kind]["tp"]) <= 2 and abs(rate.fp - wanted[kind]["fp"]) <= 2


def test_what_quantization_costs_stands_in_its_file_and_on_the_card(card):
    said = figures("quantization.json")
    assert [tuple(fold) for fold in said["records"]] == list(DS1_FOLDS)
    assert (
        f"accuracy {percent(said['float']['accuracy'])} % and macro-F1 {percent(said['float']['macro_f1'])} %" in card
    )
    for name, variant in said["integer"].items():
        for figure in ("accuracy", "macro_f1"):
            lost = 100 * (said["float"][figure] - variant[figure])
            assert variant[f"{figure}_lost_points"] == pytest.approx(lost, abs=1e-3)
        f1 = [f1_of(variant["confusion"], index) for index in range(len(variant["classes"]))]
        assert flat(variant) == [sum(cells) for cells in zip(*map(flat, variant["folds"]), strict=True)]
        assert sum(f1) / len(f1) == pytest.approx(variant["macro_f1"], abs=1e-6)
        changes = [f"{-variant[f'{figure}_lost_points']:+.2f}".replace("-", "−") for figure in ("accuracy", "macro_f1")]
        assert row(card, name) == [percent(variant["decisions_equal"]), *changes, *(f"{100 * each:.1f}" for each in f1)]


@pytest.mark.parametrize("networks", ["those that chose the scale", "others"])
def test_few_bits_lose_no_more_than_promised(networks):
    """Both figures, over all of DS1, each beat decided by a network that never saw its patient."""
    said = figures("quantization.json")
    integer = said["integer"] if networks == "those that chose the scale" else said["confirmation"]["integer"]
    assert integer["8 bits"]["settings"]["epochs"] == 0 and integer["8 bits"]["settings"]["config"]["bits"] == 8
    assert max(integer["8 bits"][f"{figure}_lost_points"] for figure in ("accuracy", "macro_f1")) <= 0.3
    tuned = integer["4 bits, fine-tuned"]
    assert tuned["settings"]["epochs"] > 0 and tuned["settings"]["config"]["bits"] == 4
    assert max(tuned[f"{figure}_lost_points"] for figure in ("accuracy", "macro_f1")) <= 1


def test_the_card_tells_what_other_networks_say(card):
    said = figures("quantization.json")["confirmation"]
    assert f"float {percent(said['float']['accuracy'])} and {percent(said['float']['macro_f1'])} %, at 8 bits" in card
    for variant in said["integer"].values():
        changes = [f"{-variant[f'{figure}_lost_points']:+.2f}".replace("-", "−") for figure in ("accuracy", "macro_f1")]
        assert " and ".join(changes) in card


def flat(said):
    return list(itertools.chain.from_iterable(said["confusion"]))


def f1_of(confusion, index):
    hits = confusion[index][index]
    return 2 * hits / (sum(confusion[index]) + sum(cells[index] for cells in confusion))
