"""Every error that we raise on purpose, in one tree.

    GannsError                  says what happened, with which value, and what to type next
    ├─ ConfigError              a setting: its key, its value, the allowed range
    ├─ ResourceMissing          a file that the installation should contain
    ├─ MissingExtra             an optional package is missing: which extra to install
    ├─ PluginError              a plug-in that is not installed, cannot be imported, or does not fit
    ├─ DataError                images that cannot be found, read or drawn
    │  └─ DownloadError         a file that cannot be fetched, or is not the expected one
    ├─ PayloadError             bytes from the network or from a file that are damaged, or in another format
    ├─ ExportError              an exported model or an animation that cannot be written or read
    │  └─ PushError             the hub refuses a model, or does not answer
    ├─ DatabaseError            wraps psycopg; the original is in __cause__
    │  ├─ NoDatabaseAddress     names the sources that were tried
    │  ├─ DatabaseUnreachable   host and port, never the password
    │  ├─ SchemaOutdated        "run `ganns db migrate`"
    │  ├─ MigrationError        a migration file changed after it was applied, or failed
    │  └─ LeaseLost             another coordinator has, or took over, this run
    ├─ RunError                 a run that cannot be found, resumed or continued
    │  └─ Diverged              the model is broken: the coordinator's own result of a refused unit is bad, too
    ├─ TaskError                the task framework
    │  ├─ TaskUsageError        a task defined, called or combined in a way that cannot work
    │  │  └─ BadArguments       arguments that do not fit the task's signature, or are not JSON
    │  ├─ TaskFailed            `get()` of a task that failed; its traceback as text
    │  │  └─ ChordFailed        a chord cannot reach its quorum, or its deadline passed without a result
    │  ├─ TaskRevoked           `get()` of a task that was revoked or expired
    │  ├─ ResultTimeout         the time of `get(timeout)` is over; the task goes on
    │  ├─ SoftTimeLimitExceeded raised in a running task: it may clean up
    │  └─ Retry                 raised by `self.retry()`: try again
    ├─ DashboardError           the dashboard cannot start, or cannot do what was asked
    └─ WorkError                raised inside a job
       ├─ DatasetMismatch       which fingerprint was expected, how to get that data
       ├─ ProgramTooOld         which version of the program the run needs
       ├─ DeviceError           the device that computes cannot be used: which other one to choose
       ├─ WeightsMissing        the version's weights are not there (yet, or after a crash): retry
       └─ BadResult             a result of a wrong form: refused, and its unit is computed again
          ├─ ImplausibleResult  a result of the right form with a NaN, or far too large: the model may be broken
          └─ Quarantined        a result of a login that audits have found lying

The command line prints `str(error)` alone: one sentence and a next step. `--debug` shows the traceback.
An error whose docstring is a complete sentence can be raised without a message: the docstring is the message.
"""

from __future__ import annotations


class GannsError(Exception):
    """Something went wrong in GANNs with friends."""

    def __init__(self, message: str | None = None) -> None:
        """Keep `message`; without one, the class's docstring is the message."""
        super().__init__(message or (type(self).__doc__ or type(self).__name__).strip())


class ConfigError(GannsError):
    """A setting has a value that cannot be used."""


class ResourceMissing(GannsError):
    """A file that belongs to the installation is missing; reinstall with `pip install -e . -c constraints.txt`."""


class MissingExtra(GannsError):
    """A package that this needs is not installed."""


class PluginError(GannsError):
    """A plug-in cannot be used."""


class DataError(GannsError):
    """The images cannot be found or read."""


class DownloadError(DataError):
    """A file cannot be fetched."""


class PayloadError(GannsError):
    """Bytes from the network or from a file are damaged, or have another format."""


class ExportError(GannsError):
    """A trained model cannot be exported or read back."""


class PushError(ExportError):
    """The hub does not take the model."""


class DatabaseError(GannsError):
    """The database answered with an error."""


class NoDatabaseAddress(DatabaseError):
    """No database address: type `ganns join` with the line that your instructor gave you."""


class DatabaseUnreachable(DatabaseError):
    """The database server does not answer."""


class SchemaOutdated(DatabaseError):
    """The database's schema is older than this program: run `ganns db migrate`."""


class MigrationError(DatabaseError):
    """A migration cannot be applied."""


class LeaseLost(DatabaseError):
    """Another coordinator holds this run."""


class RunError(GannsError):
    """The run cannot be found or continued."""


class Diverged(RunError):
    """The model diverged: workers and the coordinator compute the same unit, and no result can be used."""


class TaskError(GannsError):
    """A task could not be enqueued, run or awaited."""


class TaskUsageError(TaskError):
    """A task is defined, called or combined in a way that cannot work."""


class BadArguments(TaskUsageError):
    """Arguments do not fit the task."""


class TaskFailed(TaskError):
    """The task failed."""

    def __init__(self, message: str | None = None, traceback: str | None = None) -> None:
        """Keep the message, and the worker's traceback as text."""
        super().__init__(message)
        self.traceback = traceback


class ChordFailed(TaskFailed):
    """The chord cannot reach its quorum."""


class TaskRevoked(TaskError):
    """The task was revoked."""


class ResultTimeout(TaskError):
    """The result did not come in time; the task goes on."""


class SoftTimeLimitExceeded(TaskError):
    """The task ran for longer than its soft time limit."""


class Retry(TaskError):
    """The task asks to be tried again."""

    def __init__(
        self,
        message: str | None = None,
        delay_s: float | None = None,
        *,
        counts: bool = True,
        error: BaseException | None = None,
    ) -> None:
        """Keep the arguments.

        Args:
            message: why.
            delay_s: seconds until the next attempt; None means the task's backoff.
            counts: as a retry.
            error: the task's failure when no retry is left.
        """
        super().__init__(message)
        self.delay_s, self.counts, self.error = delay_s, counts, error


class WorkError(GannsError):
    """A unit could not be computed."""


class DatasetMismatch(WorkError):
    """This worker's images are not the run's images."""


class WeightsMissing(WorkError):
    """The weights of this version are not in the database; the coordinator will upload them again."""


class BadResult(WorkError):
    """A result was refused: a part of it is missing, or has the wrong form, shape or size."""


class ImplausibleResult(BadResult):
    """A result was refused: its numbers are not finite, or far too large. A broken model has such results, too."""


class Quarantined(BadResult):
    """A result was refused: audits found wrong results of its login, which gets no more units of this run."""


class ProgramTooOld(WorkError):
    """This worker's program is older than the one that made the run: update it and start the worker again."""


class DeviceError(WorkError):
    """This machine's device cannot be used for computing."""


class DashboardError(GannsError):
    """The dashboard cannot start, or cannot do what was asked."""
