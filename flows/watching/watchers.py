"""Reports a build to the logs, metrics and lineage that the environment asks for. Their failures never stop a build."""

from collections.abc import Callable
from contextlib import suppress

from flows.progress import Listener, Relay
from flows.watching.base import Watcher, describe_failure, warn
from flows.watching.settings import Settings, read_settings
from schemas.manifest import Manifest


class _Watch(Relay):
    """Passes calls on to watchers. One that fails gets no more calls; a warning says so, and the build goes on."""

    def __init__(self, *watchers: Watcher) -> None:
        self._watchers = list(watchers)

    def ended(self, manifest: Manifest) -> None:
        """Pass it on, and close all watchers."""
        super().ended(manifest)
        self._close()

    def failed(self, error: BaseException) -> None:
        """Pass it on, and close all watchers."""
        super().failed(error)
        self._close()

    def _tell(self, say: Callable[[Watcher], None]) -> None:
        for one in tuple(self._watchers):
            try:
                say(one)
            except Exception as error:  # noqa: BLE001 whatever it is, the build is worth more
                self._leave_out(one, error)

    def _close(self) -> None:
        self._tell(lambda one: one.close())
        self._watchers.clear()

    def _leave_out(self, one: Watcher, error: Exception) -> None:
        self._watchers.remove(one)
        with suppress(Exception):
            one.close()
        warn(f"{one.title}: {describe_failure(error)}; the build does not depend on it")


def make_watch() -> Listener:
    """Return a listener for Prefect's run log, and for all watchers that the environment asks for.

    Raises SpecError for a wrong setting. Libraries of other watchers are not imported.
    """
    from flows.watching.prefect_log import RunLog

    return _Watch(RunLog(), *_make_watchers(read_settings()))


def _make_watchers(settings: Settings) -> list[Watcher]:
    watchers: list[Watcher] = []
    if settings.log:
        from flows.watching.json_log import JsonLog

        watchers.append(JsonLog(settings.log))
    if settings.listen or settings.metrics or settings.gateway:
        from flows.watching.exporters import make_exporters

        watchers += make_exporters(settings)
    if settings.lineage:
        from flows.watching.lineage import make_lineage

        watchers.append(make_lineage())
    return watchers
