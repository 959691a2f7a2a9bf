"""``robo-maxent play``: a live page."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from robo_maxent.cli.arguments import Result, Threads, use_threads
from robo_maxent.cli.names import label
from robo_maxent.cli.policies import OfOnePolicy
from robo_maxent.errors import UsageError

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Play(OfOnePolicy):
    """Watch a policy in a browser, drive it, push it, and change what it meets while it runs."""

    seed: int = 0
    """Seed of the episodes, the same ones that 'record' films."""
    port: int = 8080
    """Where browsers find the page; 0: any port that is free."""
    host: str = "127.0.0.1"
    """Address of this machine that it is reached by. Another one lets whoever reaches it, without a
    password, see and control what runs."""
    threads: Threads = 1

    def run(self) -> Result:
        """Serve the page until Ctrl-C ends it."""
        from robo_maxent.play.server import require_free, serving
        from robo_maxent.versions import require_extra

        require_extra("viser", "viewer", "play")
        require_free(self.host, self.port)  # before what takes long
        from robo_maxent.cli.progress import say
        from robo_maxent.envs.mujoco_task import MujocoTask
        from robo_maxent.play.page import Page
        from robo_maxent.play.session import Session
        from robo_maxent.tasks import ROBOT_TASKS

        use_threads(self.threads)
        policy, task = self.chosen()
        if not isinstance(task, MujocoTask):
            raise UsageError(
                f"{task.name} draws itself, and play is for {', '.join(ROBOT_TASKS)}. "
                f"Film it: robo-maxent record {self.policy}"
            )
        session = Session(policy, task, self.seed)
        with serving(self.host, self.port) as server:
            page = Page(server, session, self._films())
            where = f"[{self.host}]" if ":" in self.host else self.host
            url = f"http://{where}:{server.get_port()}"
            if self.host not in LOOPBACK:
                say("  Whoever reaches this address can see and control it: there is no password.")
            say(f"{task.name}, for a browser: {url}")
            say("  Ctrl-C ends it.")
            page.run()
        for film in page.films:
            say(f"  video: {film}")
        return {"url": url, "videos": [str(film) for film in page.films]}

    def _films(self) -> Callable[[], Path]:
        """Names for films, of which none is there yet."""
        stem = Path("videos") / f"{label(self.policy)}-play"
        numbers = itertools.count(1)

        def following() -> Path:
            named = (stem.with_name(f"{stem.name}-{number}.mp4") for number in numbers)
            return next(path for path in named if not path.exists())

        return following
