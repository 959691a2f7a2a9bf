"""What happens in a session, as an mp4."""

from contextlib import ExitStack
from pathlib import Path

from robo_maxent.play.session import Session
from robo_maxent.rendering.video import Camera, VideoSettings, writing


class Recorder:
    """Films a session while it is on; the film runs in simulated time."""

    def __init__(self, session: Session) -> None:
        """Film nothing yet."""
        self._session = session
        self._stack: ExitStack | None = None
        self._camera: Camera | None = None

    @property
    def is_on(self) -> bool:
        """Whether it films."""
        return self._stack is not None

    def start(self, path: Path, settings: VideoSettings) -> None:
        """Film into a file, which appears when it is complete.

        Raises:
            UsageError: The file can't be written, or a value of ``settings`` is not allowed.
            RenderingError: No OpenGL backend works, or ffmpeg does not; the message holds the fix.
        """
        self._rate = settings.rate(self._session.task.control_dt)
        self._settings, self._path, self._task = settings, path, None
        with ExitStack() as stack:
            stack.callback(self._close_camera)
            self._open_camera()
            self._write = stack.enter_context(writing(path, self._rate))
            self._stack = stack.pop_all()
        self._steps = self._shown = 0
        self._picture()

    def after_step(self) -> None:
        """Film what a control step led to, if a picture is due.

        Raises:
            RenderingError: ffmpeg fails; the film is lost.
        """
        if self._stack is not None:
            self._steps += 1
            self._picture()

    def stop(self) -> Path | None:
        """Finish the film.

        Returns:
            Where it is; None: there was none.

        Raises:
            RenderingError: ffmpeg fails; the film is lost.
        """
        if self._stack is None:
            return None
        stack, self._stack = self._stack, None
        stack.close()
        return self._path

    def _picture(self) -> None:
        if self._steps * self._session.task.control_dt * self._rate < self._shown:
            return
        self._shown += 1
        if self._task is not self._session.task:  # it is on other ground
            self._open_camera()
        assert self._camera is not None
        try:
            self._write(self._camera.frame(self._session.snapshot))
        except BaseException:
            self.stop()
            raise

    def _open_camera(self) -> None:
        self._close_camera()
        self._task, settings = self._session.task, self._settings
        self._camera = Camera(self._task, settings.camera, settings.width, settings.height)

    def _close_camera(self) -> None:
        if self._camera is not None:
            self._camera.close()
        self._camera = None
