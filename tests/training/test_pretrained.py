"""The policies of the package do what their cards say, with the code as it is."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from robo_maxent.assets import ASSETS
from robo_maxent.envs.interface import EnvFactory, layout_of
from robo_maxent.errors import PolicyError, UnknownNameError
from robo_maxent.evaluation.intervals import proportion
from robo_maxent.evaluation.rollout import evaluate
from robo_maxent.evaluation.summary import summarize
from robo_maxent.from_json import typed
from robo_maxent.learning.policy import Policy
from robo_maxent.tasks import TASKS, make
from robo_maxent.training import pretrained
from robo_maxent.training.config import TrainConfig, preset

MOST_BYTES = 600_000
EPISODES = 24
every_policy = pytest.mark.parametrize("name", pretrained.names())


def task_of(card: pretrained.Card) -> EnvFactory:
    """The task of a card, as its policy was trained."""
    return make(card.task, **dict(card.task_options))


def test_there_are_some_and_each_has_its_card() -> None:
    assert {"quadruped-flat", "arm-reach"} <= set(pretrained.names())
    expected = {f"{name}{end}" for name in pretrained.names() for end in (".json", ".safetensors")}
    assert {path.name for path in (ASSETS / "pretrained").iterdir()} == expected


@every_policy
def test_a_card_is_about_its_file_and_the_policy_fits_the_task(name: str) -> None:
    card = pretrained.card(name)
    assert (card.name, card.file.stem) == (name, name)
    assert card.sha256 == pretrained.digest(card.file)
    assert card.file.stat().st_size < MOST_BYTES
    pretrained.load(name).require(layout_of(task_of(card)))


@every_policy
def test_a_card_says_how_its_policy_was_trained(name: str, benchmark: Any) -> None:
    card, recipe = pretrained.card(name), benchmark("pretrained").RECIPES[name]
    config: TrainConfig = typed(TrainConfig, card.train, "train")
    known = json.loads(json.dumps(asdict(config)))  # with settings that were added since
    assert known | card.train | {"sac": known["sac"] | card.train["sac"]} == known
    assert card.preset == TASKS[card.task].preset
    assert preset(card.preset).sac == config.sac
    assert (card.task, config.steps) == (recipe.task, recipe.steps)
    assert 0 <= card.steps - recipe.steps < config.envs
    assert card.seed == config.seed == 0
    assert card.command == (
        f"robo-maxent train {card.task} --steps {recipe.steps} --seed 0 --threads {config.threads}"
    )


@every_policy
def test_a_policy_succeeds_as_its_card_says(name: str, one_thread: None) -> None:
    card = pretrained.card(name)
    easiest = card.nominal.by_level.get("0", card.nominal.success)
    assert easiest.share > 0.8
    episodes = evaluate(pretrained.load(name), task_of(card), EPISODES, seed=1)
    success = summarize(episodes).success
    assert success is not None
    assert success.high >= card.nominal.success.low


def test_a_policy_that_has_forgotten_its_task_would_be_noticed(one_thread: None) -> None:
    card, policy = pretrained.card("arm-reach"), pretrained.load("arm-reach")
    policy.actor.layers()[-1][0].mul_(-1.0)
    success = summarize(evaluate(policy, task_of(card), EPISODES, seed=1)).success
    assert success is not None
    assert success.high < card.nominal.success.low


@every_policy
def test_intervals_are_of_counts_of_episodes(name: str) -> None:
    card = pretrained.card(name)
    shares = [card.nominal.success, *card.nominal.by_level.values()]
    shares += [share for axis in card.stress.axes.values() for share in axis.values()]
    assert len(card.stress.axes) > 5
    for share in shares:
        assert proportion(round(share.share * share.count), share.count) == share
    assert card.stress.disturbed.low < card.stress.disturbed.share < card.stress.disturbed.high


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'quadruped-flat'") as raised:
        pretrained.load("pretrained:quadrupe-flat")
    assert all(name in str(raised.value) for name in pretrained.names())


def test_a_file_that_is_not_that_of_the_card_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(pretrained.FOLDER, tmp_path / "copy")
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path / "copy")
    other = Policy.load(tmp_path / "copy/arm-reach.safetensors")
    other.actor.layers()[-1][0].mul_(2.0)
    other.save(tmp_path / "copy/arm-reach.safetensors")
    with pytest.raises(PolicyError, match="is not the policy that its card is about"):
        pretrained.load("arm-reach")
    (tmp_path / "copy/arm-reach.safetensors").write_bytes(b"torn")
    with pytest.raises(PolicyError, match=r"its card is about: install the package again"):
        pretrained.load("arm-reach")
    (tmp_path / "copy/arm-reach.safetensors").unlink()
    with pytest.raises(PolicyError, match=r"can't be read \(No such file.*: install the package"):
        pretrained.load("arm-reach")

    saved: dict[str, Any] = json.loads((tmp_path / "copy/arm-reach.json").read_text())
    (tmp_path / "copy/arm-reach.json").write_text(json.dumps(saved | {"steps": "many"}))
    with pytest.raises(PolicyError, match=r"arm-reach\.json is damaged \(steps of it must be a wh"):
        pretrained.load("arm-reach")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"name": "arm-pick"}, r"arm-reach\.json is the card of arm-pick: install the package"),
        ({"task": "arm-push"}, "is not the policy that its card is about"),
    ],
)
def test_a_card_of_another_policy_is_refused(
    change: dict[str, str], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(pretrained.FOLDER, tmp_path / "copy")
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path / "copy")
    card = tmp_path / "copy/arm-reach.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | change))
    with pytest.raises(PolicyError, match=text):
        pretrained.load("arm-reach")
