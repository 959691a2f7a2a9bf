"""N Gymnasium environments stepped together, here or in worker processes."""

import resource
import warnings
from typing import Any

import numpy as np
import psutil
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

from robo_maxent.envs.gym_spec import EnvSource
from robo_maxent.envs.gym_wrapper import (
    ERROR,
    TRACE,
    GymWrapper,
    WrapperFactory,
    checked_picture,
    one_line,
)
from robo_maxent.errors import ANY_ERROR, EnvError, UsageError
from robo_maxent.seeds import Purpose, whole
from robo_maxent.types import Episode, Step

FILES_OF_WORKER, SPARE_FILES = 2, 20
"""Open files of a worker process in the one that trains, a pipe and a sentinel; those of a run."""


class GymVecEnv:
    """N environments stepped together; each is reset in the step in which its episode ends."""

    def __init__(
        self,
        task: EnvSource,
        n: int,
        seed: int,
        first_sim: int = 0,
        workers: bool = False,
        purpose: Purpose = Purpose.TRAINING,
        **kwargs: Any,
    ) -> None:
        """Make the environments; call :meth:`reset` before the first step.

        Args:
            task: A ``GymTask``, or whatever else says of what the environments are made.
            n: Number of simulations.
            seed: Seed of every episode, at least 0.
            first_sim: Number of the first simulation, to run a part of a larger set.
            workers: Give each a process of its own, rather than stepping them one by one here.
            purpose: What the episodes are for; those of another have nothing in common.
            kwargs: Passed on to the environments.

        Raises:
            UsageError: ``n`` or ``seed`` is out of range, or too many files would be open.
            EnvError: An environment can't be made.
        """
        if n < 1:
            raise UsageError(f"n must be at least 1, got {n}")
        seed = whole(seed)
        self.task, self.n, self.seed = task, n, seed
        self.action_space = task.action_space
        self._first_sim = first_sim
        self._index = np.zeros(n, np.int64)  # episodes finished or given up, per simulation
        self._return, self._length = np.zeros(n), np.zeros(n, np.int64)
        repeat = task.action_repeat
        factories = [
            WrapperFactory(task.spec, task.name, repeat, seed, first_sim + sim, purpose, kwargs)
            for sim in range(n)
        ]
        self.env = (_in_workers if workers else _here)(task.name, factories)

    def reset(self) -> np.ndarray:
        """Begin the first episode of every simulation.

        Returns:
            Observations, float32, (N, O).

        Raises:
            EnvError: An environment crashed or returned NaN or infinity.
        """
        return self._reset_from(np.zeros(self.n, np.int64))

    def step(self, action: np.ndarray) -> Step:
        """Act for one control step, which is ``action_repeat`` steps of the environment.

        Args:
            action: Actions of the task's ``action_space``, clipped to [-1, 1] in a ``Box``.

        Raises:
            UsageError: The shape is wrong or a value is no action; nothing was stepped.
            EnvError: An environment crashed or returned NaN or infinity.
        """
        space = self.action_space
        action = space.from_columns(space.to_columns(space.checked(action, self.n)))
        try:
            obs, reward, terminated, truncated, info = self.env.step(action)
        except (EOFError, OSError) as error:
            raise self._worker_death(error) from error
        self._raise_reported(info)
        obs = obs.copy()  # the vector environment writes into the same array again
        next_obs, truncated = obs, truncated & ~terminated
        self._return += reward
        self._length += 1
        ended = np.flatnonzero(terminated | truncated)
        if len(ended):
            next_obs = obs.copy()
            next_obs[ended] = np.stack(info["final_obs"][ended])
        episodes = [self._finish(int(i), bool(terminated[i]), info) for i in ended]
        nothing = np.zeros(self.n, bool)
        reward = reward.astype(np.float32)
        return Step(obs, next_obs, reward, terminated, truncated, nothing, {}, episodes)

    def metrics(self) -> dict[str, float]:
        """No metrics: what environments report is in their episodes."""
        return {}

    def state_dict(self) -> dict[str, np.ndarray]:
        """Number of episodes that each simulation began; environments can't be saved."""
        return {"index": self._index.copy()}

    def load_state_dict(self, saved: dict[str, np.ndarray]) -> np.ndarray:
        """Begin new episodes, without repeating any.

        Returns:
            Observations to act on next, (N, O).

        Raises:
            EnvError: An environment crashed or returned NaN or infinity.
        """
        return self._reset_from(saved["index"] + 1)

    def frame(self) -> np.ndarray:
        """Picture of the first simulation now, uint8, (height, width, 3).

        Raises:
            EnvError: The environment gave no picture.
        """
        try:
            pictures = self.env.render()
        except Exception as error:  # someone else's code
            raise EnvError(f"{self.task.name} can't draw itself: {one_line(error)}") from error
        return checked_picture(self.task.name, pictures[0] if pictures else None)

    def pictures(self) -> list[np.ndarray]:
        """Pictures of the last step of the first simulation; see ``GymWrapper.pictures``.

        Raises:
            EnvError: The environment gave something else.
        """
        taken = self.env.get_attr("pictures")[0]
        return [checked_picture(self.task.name, picture) for picture in taken]

    def close(self) -> None:
        """Close the environments and end the worker processes."""
        try:
            self.env.close()
        except (EOFError, OSError):  # a scheduler that ends a job sends SIGTERM to them too
            _end(self.env)

    def _reset_from(self, index: np.ndarray) -> np.ndarray:
        self._index[:] = index
        self._return[:], self._length[:] = 0.0, 0
        try:
            self.env.set_attr("next_episode", index.tolist())
            obs, info = self.env.reset()
        except (EOFError, OSError) as error:
            raise self._worker_death(error) from error
        self._raise_reported(info)
        return obs.copy()

    def _raise_reported(self, info: dict[str, Any]) -> None:
        """Raise the first error that a wrapper reported."""
        if ERROR not in info:
            return
        sim = int(np.flatnonzero(info[f"_{ERROR}"])[0])
        error = EnvError(info[ERROR][sim])
        if info[TRACE][sim]:
            error.add_note(info[TRACE][sim])
        raise error

    def _worker_death(self, error: Exception) -> EnvError:
        """The error for a worker that died, after ending the others."""
        codes = _end(self.env)
        return EnvError(
            f"A worker process of {self.task.name} died ({type(error).__name__}, exit codes "
            f"{codes}): negative is a signal, -9 often a lack of memory."
        )

    def _finish(self, sim: int, terminated: bool, info: dict[str, Any]) -> Episode:
        final = info.get("final_info", {})
        is_judged = bool(final.get("_is_success", np.zeros(self.n, bool))[sim])
        episode = Episode(
            task=self.task.name,
            seed=self.seed,
            sim=self._first_sim + sim,
            index=int(self._index[sim]),
            length=int(self._length[sim]),
            reward=float(self._return[sim]),
            success=bool(final["is_success"][sim]) if is_judged else None,
            terminated=terminated,
            diverged=False,
            metrics={},
            params={},
        )
        self._index[sim] += 1
        self._return[sim], self._length[sim] = 0.0, 0
        return episode


Vectorized = SyncVectorEnv | AsyncVectorEnv


def _here(label: str, factories: list[WrapperFactory]) -> Vectorized:
    wrappers: list[GymWrapper] = []
    try:
        wrappers.extend(factory() for factory in factories)
    except ANY_ERROR as error:  # someone else's code
        for wrapper in wrappers:
            wrapper.close()
        raise _not_made(label, error) from error
    kept = [lambda wrapper=wrapper: wrapper for wrapper in wrappers]
    return SyncVectorEnv(kept, copy=False, autoreset_mode=AutoresetMode.SAME_STEP)


def _in_workers(label: str, factories: list[WrapperFactory]) -> Vectorized:
    _require_files(label, len(factories))
    try:
        with warnings.catch_warnings():
            # Python 3.12 warns of forking beside threads. Those are torch's, which no worker uses.
            warnings.filterwarnings("ignore", "This process .* is multi-threaded")
            return AsyncVectorEnv(factories, copy=False, autoreset_mode=AutoresetMode.SAME_STEP)
    except (EOFError, ConnectionError) as error:
        raise EnvError(
            f"A worker process of {label} died while it made the environment; what it printed "
            "last says why."
        ) from error
    except OSError as error:
        raise EnvError(
            f"{len(factories)} worker processes of {label} can't be started: {error}. Use fewer "
            "--envs."
        ) from error
    except ANY_ERROR as error:  # someone else's code
        raise _not_made(label, error) from error


def _require_files(label: str, workers: int) -> None:
    """Check that enough files can be opened for the workers, before any is started."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = psutil.Process().num_fds() + FILES_OF_WORKER * workers + SPARE_FILES
    if needed > allowed:
        raise UsageError(
            f"{workers} worker processes of {label} need {needed} open files, of which {allowed} "
            f"are allowed: use fewer --envs, or say ulimit -n {needed} first"
        )


def _not_made(label: str, error: BaseException) -> EnvError:
    fix = (
        "It could be made before: if only one can exist at a time, train with "
        "--evaluation-episodes 0, and evaluate with --instances 1"
    )
    if "unexpected keyword argument 'render_mode'" in str(error):
        fix = "Let its __init__ take render_mode, as Gymnasium's environments do"
    if isinstance(error, ImportError):
        fix = "Install what is missing on each machine that shall step it"
    return EnvError(f"{label} can't be made: {one_line(error)}. {fix}.")


def _end(env: Vectorized) -> list[int | None]:
    """Kill remaining workers: ordinary closing fails once one is dead."""
    if isinstance(env, SyncVectorEnv):
        return []
    for process in env.processes:
        process.join(0.5)  # one that just died has its exit code then
    codes = [process.exitcode for process in env.processes]
    for process, pipe in zip(env.processes, env.parent_pipes, strict=True):
        process.terminate()
        process.join()
        pipe.close()
    env.closed = True
    return codes
