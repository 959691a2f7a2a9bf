"""Our tasks as Gymnasium environments, for other people's learners.

``TaskEnv`` is one simulation, ``TaskVectorEnv`` N of them on the thread pool of ``MujocoVecEnv``.
Both end episodes as that says: a failure or a diverged simulation terminates, the task's own time
limit truncates; no ``TimeLimit`` wrapper is needed.
"""

import copy
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv

from robo_maxent.envs.mujoco_task import MujocoTask
from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.errors import UsageError
from robo_maxent.rendering.video import Camera, VideoSettings
from robo_maxent.types import Episode, Step

MOST_SEED = 2**31
"""A seed drawn where none is given is below this."""

Info = dict[str, Any]

AnyMujocoTask = MujocoTask[Any, Any]


class _Copied:
    """A mixin by which an environment can be copied and pickled, in mid-episode too.

    A copy goes on as the original does.

    The task is built again from its options, since terrain and MuJoCo's data can't be pickled.
    """

    task: AnyMujocoTask
    vec: MujocoVecEnv[Any, Any]
    _seeded: bool

    def _build(self) -> None:
        """Make what is simulated, ``vec``, and what draws it, from the task."""
        raise NotImplementedError

    def __getstate__(self) -> Info:
        built = ("task", "vec", "_pictures")
        return {
            "attributes": {k: v for k, v in self.__dict__.items() if k not in built},
            "task": (type(self.task), self.task.options),
            "seed": self.vec.seed,
            "simulations": self.vec.state_dict() if self._seeded else None,
        }

    def __setstate__(self, state: Info) -> None:
        self.__dict__.update(state["attributes"])
        kind, options = state["task"]
        self.task = kind(**options)
        self._build()
        self.vec.seed = state["seed"]
        if state["simulations"] is not None:
            self.vec.load_state_dict(state["simulations"])


class TaskEnv(_Copied, gymnasium.Env[np.ndarray, np.ndarray]):
    """One simulation of a task.

    Observation: what a policy sees, float32, (P,), units in ``task.observation``. Action: [-1, 1],
    float32, (A,); what is outside is clipped. ``info`` has the reward ``terms`` of the step, and at
    the last step of an episode also ``is_success``, ``diverged`` and the task's ``metrics`` (those
    that the episode was long enough to have). If the task has privileged fields, ``privileged`` has
    them, float32, (O - P,), also at reset.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}  # noqa: RUF012 (gym.make reads it)

    def __init__(self, task: AnyMujocoTask, render_mode: str | None = None) -> None:
        """Build the simulation; call :meth:`reset` before the first step.

        Args:
            task: The task that is simulated.
            render_mode: None, or ``"rgb_array"`` for pictures by :meth:`render`.

        Raises:
            UsageError: There is no such render mode.
        """
        self.task, self.render_mode = task, _render_mode(render_mode)
        self.metadata = _metadata(task)
        self.observation_space, self.action_space = _spaces(task)
        self._build()
        self._seeded = self._running = False

    def _build(self) -> None:
        self.vec = MujocoVecEnv(self.task, 1, seed=0, threads=1)
        self._pictures = _Pictures(self.vec, self.render_mode)

    def reset(
        self, *, seed: int | None = None, options: Info | None = None
    ) -> tuple[np.ndarray, Info]:
        """Begin an episode: the first of ``seed``, or the next one where none is given.

        Episodes are those of training: what ``evaluate`` runs with the same seed is not among them.

        Raises:
            UsageError: There are options; the task has none at reset.
        """
        super().reset(seed=seed)
        _refuse_options(options or {}, known=())
        if seed is not None or not self._seeded:
            self.vec.seed = int(self.np_random.integers(MOST_SEED) if seed is None else seed)
            obs = self.vec.reset()
        else:
            # After the end of an episode the next one has begun, but a step may not have gone.
            obs = self.vec.restart(np.array([0])) if self._running else self._next
        self._seeded = self._running = True
        return self._seen(obs[0])

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, Info]:
        """Act for one control step.

        Raises:
            UsageError: The action has another shape, or is not finite; nothing was stepped.
            gymnasium.error.ResetNeeded: The episode has ended, or none was begun.
        """
        if not self._running:
            raise gymnasium.error.ResetNeeded("call reset() before step()")
        if np.shape(action) != self.action_space.shape:
            raise UsageError(
                f"action must have shape {self.action_space.shape}, got {np.shape(action)}"
            )
        step = self.vec.step(np.asarray(action)[None])
        obs, info = self._seen(step.next_obs[0])
        info["terms"] = {name: float(values[0]) for name, values in step.terms.items()}
        terminated, truncated = bool(step.terminated[0]), bool(step.truncated[0])
        if terminated or truncated:
            info |= _outcome(step.episodes[0])
            self._running, self._next = False, step.obs
        return obs, float(step.reward[0]), terminated, truncated, info

    def render(self) -> np.ndarray | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Picture of the simulation now, uint8, (height, width, 3); None without a render mode.

        Raises:
            RenderingError: No OpenGL backend works; the message holds the fix.
        """
        return self._pictures.frame(0)

    def close(self) -> None:
        """Free the OpenGL context."""
        self._pictures.close()

    def _seen(self, obs: np.ndarray) -> tuple[np.ndarray, Info]:
        return _split(obs, self.task.policy_size)


class TaskVectorEnv(_Copied, VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """N simulations of a task, each reset in the step in which its episode ended, or in the next.

    With the autoreset mode ``SAME_STEP``, ``obs`` is what to act on next, and the true successor of
    an episode that ended is in ``info["final_obs"]``, its ``info`` in ``info["final_info"]``, with
    masks under the same names after an underscore, as Gymnasium's own vector environments do.
    Privileged elements, if the task has them, are those of ``obs`` in ``info["privileged"]``,
    float32, (N, O - P), and those of ``final_obs`` in ``final_info``.

    With ``NEXT_STEP``, ``obs`` is the true successor and ``info`` that of the step; the step after
    the last of an episode begins the next one, whatever the action, and gives reward 0.
    """

    def __init__(
        self,
        task: AnyMujocoTask,
        num_envs: int = 1,
        render_mode: str | None = None,
        threads: int = 0,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        max_episode_steps: int | None = None,
    ) -> None:
        """Build the simulations; call :meth:`reset` before the first step.

        Args:
            task: The task that is simulated.
            num_envs: Number of simulations, N.
            render_mode: None, or ``"rgb_array"`` for pictures by :meth:`render`.
            threads: Physics threads; 0: one per CPU.
            autoreset_mode: When the next episode begins; see the class.
            max_episode_steps: Control steps after which an episode is truncated, at most those of
                the task; None: those of the task.

        Raises:
            UsageError: ``num_envs`` is less than 1, or another argument is not allowed.
        """
        self.task, self.render_mode = _limited(task, max_episode_steps), _render_mode(render_mode)
        self.autoreset_mode = _autoreset_mode(autoreset_mode)
        self.metadata = _metadata(task) | {"autoreset_mode": self.autoreset_mode}
        self.num_envs, self.max_episode_steps, self._threads = num_envs, max_episode_steps, threads
        self.single_observation_space, self.single_action_space = _spaces(task)
        self._build()
        self.observation_space = gymnasium.vector.utils.batch_space(
            self.single_observation_space, num_envs
        )
        self.action_space = gymnasium.vector.utils.batch_space(self.single_action_space, num_envs)
        self._ended = np.zeros(num_envs, bool)  # with NEXT_STEP, those to begin in the next step
        self._seeded = False

    def _build(self) -> None:
        self.task = _limited(self.task, self.max_episode_steps)
        once = self.autoreset_mode is AutoresetMode.NEXT_STEP
        self.vec = MujocoVecEnv(self.task, self.num_envs, 0, self._threads, once=once)
        self._pictures = _Pictures(self.vec, self.render_mode)

    def reset(
        self, *, seed: int | None = None, options: Info | None = None
    ) -> tuple[np.ndarray, Info]:
        """Begin episodes: the first ones of ``seed``, or the next ones where none is given.

        Simulation 0 runs the episodes of a ``TaskEnv`` with the same seed.

        Args:
            seed: One seed for all simulations, not a list; they differ by their number.
            options: May have ``reset_mask``, bool, (N,), to begin anew only there; it can't be
                given together with a seed.

        Returns:
            Observations, float32, (N, P), and an ``info`` with nothing but privileged elements.

        Raises:
            UsageError: There are several seeds, an option is not known, the mask has another shape
                or type or is false everywhere, or it is given with a seed or before a first reset.
        """
        if seed is not None and not isinstance(seed, int | np.integer):
            raise UsageError(
                "reset takes one seed for all simulations, which differ by their number; got "
                f"{seed}"
            )
        super().reset(seed=seed)
        options = options or {}
        _refuse_options(options, known=("reset_mask",))
        ids = self._masked(options["reset_mask"], seed) if "reset_mask" in options else None
        if ids is None and (seed is not None or not self._seeded):
            self.vec.seed = int(self.np_random.integers(MOST_SEED) if seed is None else seed)
            self._seeded = True
            obs = self.vec.reset()
        else:
            ids = np.arange(self.num_envs) if ids is None else ids
            obs = self.vec.restart(ids)
        self._ended[slice(None) if ids is None else ids] = False
        return self._seen(obs)

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, Info]:
        """Act for one control step.

        Args:
            actions: Actions in [-1, 1], (N, A); what is outside is clipped.

        Returns:
            Observations float32 (N, P), rewards float64 (N,), terminated and truncated bool (N,),
            and ``info``.

        Raises:
            UsageError: The shape is wrong or a value is not finite; nothing was stepped.
            gymnasium.error.ResetNeeded: No episode was begun.
        """
        if not self._seeded:
            raise gymnasium.error.ResetNeeded("call reset() before step()")
        step = self.vec.step(np.asarray(actions))
        if self.autoreset_mode is AutoresetMode.NEXT_STEP:
            return self._begun_in_the_next(step)
        reward = step.reward.astype(np.float64)
        obs, info = self._seen(step.obs)
        return obs, reward, step.terminated, step.truncated, info | self._info(step)

    def _begun_in_the_next(
        self, step: Step
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, Info]:
        """The same step, in which the simulations that ended in the one before begin."""
        begun, after = np.flatnonzero(self._ended), step.next_obs.copy()
        self._ended = step.terminated | step.truncated
        reward = step.reward.astype(np.float64)
        reward[begun] = 0.0
        went = np.ones(self.num_envs, bool)
        went[begun] = False
        if len(begun):
            after[begun] = self.vec.restart(begun)[begun]
        obs, info = self._seen(after)
        if went.any():
            info |= _masked_terms(step.terms, went)
        for sim, episode in zip(np.flatnonzero(self._ended).tolist(), step.episodes, strict=True):
            info = self._add_info(info, _outcome(episode), sim)
        return obs, reward, step.terminated, step.truncated, info

    def render(self) -> tuple[np.ndarray, ...] | None:
        """A picture of each simulation now, uint8, (height, width, 3); None without a render mode.

        Raises:
            RenderingError: No OpenGL backend works; the message holds the fix.
        """
        if self.render_mode is None:
            return None
        frames = (self._pictures.frame(sim) for sim in range(self.num_envs))
        return tuple(frame for frame in frames if frame is not None)

    def close_extras(self, **kwargs: Any) -> None:
        """Free the OpenGL context."""
        self._pictures.close()

    def _seen(self, obs: np.ndarray) -> tuple[np.ndarray, Info]:
        seen, info = _split(obs, self.task.policy_size)
        return seen, info | {f"_{name}": np.ones(self.num_envs, bool) for name in info}

    def _masked(self, mask: Any, seed: int | None) -> np.ndarray:
        if not self._seeded or seed is not None:
            raise UsageError("reset_mask begins single episodes anew: reset all first, no seed now")
        if not isinstance(mask, np.ndarray) or mask.dtype != bool or mask.shape != (self.num_envs,):
            raise UsageError(f"reset_mask must be a bool array of shape ({self.num_envs},)")
        if not mask.any():
            raise UsageError("reset_mask must be true somewhere")
        return np.flatnonzero(mask)

    def _info(self, step: Step) -> Info:
        """Masked arrays, as ``VectorEnv._add_info`` makes them of single infos."""
        ended = step.terminated | step.truncated
        if not ended.any():
            return _masked_terms(step.terms, ~ended)
        info: Info = {}
        for sim, episode in zip(np.flatnonzero(ended).tolist(), step.episodes, strict=True):
            terms = {name: float(values[sim]) for name, values in step.terms.items()}
            seen, final = _split(step.next_obs[sim], self.task.policy_size)
            final |= {"terms": terms} | _outcome(episode)
            parts = {"final_obs": seen, "final_info": final}
            info = self._add_info(info, parts, sim)
        return info if ended.all() else info | _masked_terms(step.terms, ~ended)


class _Pictures:
    """Opens a renderer for the first picture that is asked for."""

    def __init__(self, vec: MujocoVecEnv[Any, Any], render_mode: str | None) -> None:
        self._vec, self._mode = vec, render_mode
        self._camera: Camera | None = None

    def frame(self, sim: int) -> np.ndarray | None:
        if self._mode is None:
            return None
        if self._camera is None:
            look = VideoSettings()
            self._camera = Camera(self._vec.task, look.camera, look.width, look.height)
        return self._camera.frame(self._vec.snapshot(sim))

    def close(self) -> None:
        if self._camera is not None:
            self._camera.close()
        self._camera = None


def _spaces(task: AnyMujocoTask) -> tuple[spaces.Box, spaces.Box]:
    return (
        spaces.Box(-np.inf, np.inf, (task.policy_size,), np.float32),
        spaces.Box(-1.0, 1.0, (task.action_size,), np.float32),
    )


def _split(obs: np.ndarray, policy_size: int) -> tuple[np.ndarray, Info]:
    """Copies of what a policy sees, (..., P), and of the rest, if any, as part of an ``info``."""
    seen, rest = obs[..., :policy_size].copy(), obs[..., policy_size:].copy()
    return seen, {"privileged": rest} if rest.shape[-1] else {}


def _metadata(task: AnyMujocoTask) -> Info:
    return {"render_modes": ["rgb_array"], "render_fps": round(1 / task.control_dt)}


def _autoreset_mode(mode: AutoresetMode | str) -> AutoresetMode:
    allowed = {AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP}
    found = next((m for m in allowed if mode in (m, m.value, m.name)), None)
    if found is None:
        raise UsageError(f"autoreset_mode must be SAME_STEP or NEXT_STEP, got {mode!r}")
    return found


def _limited(task: AnyMujocoTask, steps: int | None) -> AnyMujocoTask:
    """The task with another time limit."""
    if steps is None or steps == task.episode_steps:
        return task
    if not 1 <= steps <= task.episode_steps:
        raise UsageError(
            f"max_episode_steps must be within 1 and {task.episode_steps}, the limit of "
            f"{task.name}; got {steps}"
        )
    limited = copy.copy(task)
    limited.episode_steps = steps
    return limited


def _render_mode(mode: str | None) -> str | None:
    if mode not in (None, "rgb_array"):
        raise UsageError(f"render_mode must be None or 'rgb_array', got {mode!r}")
    return mode


def _refuse_options(options: Info, known: tuple[str, ...]) -> None:
    unknown = sorted(options.keys() - set(known))
    if unknown:
        raise UsageError(f"unknown reset options {unknown}; known: {', '.join(known) or 'none'}")


def _outcome(episode: Episode) -> Info:
    metrics = {name: value for name, value in episode.metrics.items() if value is not None}
    return {"is_success": bool(episode.success), "diverged": episode.diverged, "metrics": metrics}


def _masked_terms(terms: dict[str, np.ndarray], mask: np.ndarray) -> Info:
    """Reward terms of the simulations in ``mask``, zero elsewhere, with a mask beside each."""
    masked: Info = {}
    for name, values in terms.items():
        masked |= {name: np.where(mask, values, 0.0), f"_{name}": mask.copy()}
    return {"terms": masked, "_terms": mask.copy()}
