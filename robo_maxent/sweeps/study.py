"""A search for settings with Optuna, kept in a file: proposes trials, hears of them, and prunes."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from robo_maxent.sweeps.run import Order
from robo_maxent.sweeps.runner import Standing
from robo_maxent.sweeps.space import Choice, Range, Space, rounded
from robo_maxent.versions import require_extra

JOURNAL = "study.journal"
RANDOM_TRIALS = 10
"""Trials at random before the search begins to look where it was good."""
UNPRUNED_TRIALS, UNPRUNED_EVALUATIONS = 5, 2
"""Trials until one is pruned, and evaluations of each at which it is not."""
NAME = "trial-{:04d}"


@dataclass(frozen=True)
class Trial:
    """Values of the settings that were tried together, and what came of it."""

    number: int
    state: str
    """running, complete, pruned or fail."""
    changes: Mapping[str, Any]
    mean_return: float | None
    """Over fresh episodes, if it is complete."""

    @property
    def name(self) -> str:
        """Name of its run."""
        return NAME.format(self.number)


class Study:
    """Trials of a search, kept in a journal; a tree of Parzen estimators proposes them.

    A trial whose evaluated return is below the median of the others', after as many evaluations, is
    pruned.
    """

    def __init__(self, directory: Path, space: Space, seed: int) -> None:
        """Open the study of a directory, or begin it.

        Args:
            directory: Where its journal lies.
            space: Where to look for the value of each setting.
            seed: Seed of what is proposed, at least 0.

        Raises:
            UsageError: Optuna is not installed.
        """
        self._optuna: Any = require_extra("optuna", "tune", "a search for settings")
        optuna = self._optuna
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space = space
        backend = optuna.storages.journal.JournalFileBackend(str(directory / JOURNAL))
        self._study = optuna.create_study(
            study_name="tune",
            storage=optuna.storages.JournalStorage(backend),
            pruner=optuna.pruners.MedianPruner(
                n_startup_trials=UNPRUNED_TRIALS, n_warmup_steps=UNPRUNED_EVALUATIONS + 1
            ),
            direction="maximize",
            load_if_exists=True,
        )
        known = len(self._study.get_trials(deepcopy=False))
        draws = np.random.SeedSequence([seed, known])  # or the same trials would be proposed again
        self._study.sampler = optuna.samplers.TPESampler(
            n_startup_trials=RANDOM_TRIALS, seed=int(draws.generate_state(1)[0])
        )
        self._running: dict[str, Any] = {}  # name of a run -> Optuna's trial
        self._heard: dict[str, int] = {}  # name of a run -> number of its last evaluation
        self._pruned: set[str] = set()

    def orders(
        self, trials: int, order_of: Callable[[int, Mapping[str, Any]], Order]
    ) -> Iterator[Order]:
        """Yield runs to do: those that were interrupted, then new ones as they are asked for.

        Args:
            trials: Number of trials that there are to be in all, those of before included.
            order_of: Makes the run of a trial, given its number and its changes.
        """
        for trial in self._study.get_trials(deepcopy=False):
            if trial.state == self._optuna.trial.TrialState.RUNNING:
                known = self._optuna.trial.Trial(self._study, trial._trial_id)
                heard = max(trial.intermediate_values, default=0)
                yield self._begun(known, order_of, heard)
        while len(self._study.get_trials(deepcopy=False)) < trials:
            yield self._begun(self._study.ask(), order_of)

    def hear(self, standing: Standing) -> Standing:
        """Tell the study where the run of a trial is.

        Returns:
            The same, marked as pruned where the study gives the trial up; if its run still goes
            on, the caller is to stop it.
        """
        name = standing.order.name
        if standing.state == "running":
            return replace(standing, state="pruned") if self._is_bad(standing) else standing
        trial, states = self._running.pop(name), self._optuna.trial.TrialState
        if standing.result is not None:
            self._study.tell(trial, standing.result.mean_return)
        elif standing.state == "failed":
            self._study.tell(trial, state=states.FAIL)
        elif name in self._pruned:
            self._study.tell(trial, state=states.PRUNED)
            shutil.rmtree(standing.order.directory / "checkpoint", ignore_errors=True)
            return replace(standing, state="pruned")
        return standing

    def trials(self) -> list[Trial]:
        """All trials, in their order."""
        return [
            Trial(t.number, t.state.name.lower(), _changes(t.params), t.value)
            for t in self._study.get_trials(deepcopy=False)
        ]

    def _begun(
        self, trial: Any, order_of: Callable[[int, Mapping[str, Any]], Order], heard: int = 0
    ) -> Order:
        for name, part in self._space.items():
            _suggest(trial, name, part)
        order = order_of(trial.number, _changes(trial.params))
        self._running[order.name], self._heard[order.name] = trial, heard
        return order

    def _is_bad(self, standing: Standing) -> bool:
        """Report an evaluation that is new; whether it is so bad that the trial ends."""
        name, progress = standing.order.name, standing.progress
        if progress is None or progress.mean_return is None or name in self._pruned:
            return False
        number = progress.evaluated_at // standing.order.config.evaluate_every
        if number <= self._heard[name]:
            return False
        self._heard[name], trial = number, self._running[name]
        trial.report(progress.mean_return, number)
        if progress.fraction < 1.0 and trial.should_prune():
            self._pruned.add(name)
            return True
        return False


def _suggest(trial: Any, name: str, part: Range | Choice) -> None:
    """Have a trial choose a value; what it has chosen before stays."""
    if isinstance(part, Choice):
        trial.suggest_categorical(name, part.values)
    elif part.is_whole:
        trial.suggest_int(name, int(part.low), int(part.high), log=part.is_log)
    else:
        trial.suggest_float(name, part.low, part.high, log=part.is_log)


def _changes(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: rounded(value) for name, value in params.items()}
