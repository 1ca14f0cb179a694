"""How a worker writes replies."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from tertulia.domain.conversations import BUILT_IN
from tertulia.kit.settings import Settings


def _known(characters: tuple[str, ...]) -> tuple[str, ...]:
    unknown = set(characters).difference(BUILT_IN)
    if unknown:
        msg = f"should name characters that there are: {', '.join(sorted(BUILT_IN))}"
        raise ValueError(msg)
    return characters


class InferenceSettings(Settings):
    """Capacity and times of a worker."""

    section: ClassVar[str] = "inference"

    worker: str = Field(default="local", pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    """This worker's name: its own among all workers, and the same after a restart. Unset, and on a
    database that several processes may use: a name that no other process has."""

    worker_number: Annotated[int, Field(ge=0)] | Literal["hostname"] | None = None
    """Names this worker `worker-NUMBER`, when `worker` is not set; `hostname`: the number that the
    host's name ends in, as those of a StatefulSet do. Its own among the workers of a character."""

    characters: Annotated[tuple[str, ...], AfterValidator(_known)] = ()
    """The characters that this worker serves; empty, all of them."""

    capacity: int = Field(default=128, ge=1)
    """Replies in hand at once, those included that wait for a free place in the model."""

    slots: int | None = Field(default=None, ge=1)
    """Replies that the model writes at once: routers give workers their shares by it. Unset, what
    the embedded model has, else `capacity`."""

    troubles: int = Field(default=3, ge=1)
    """After so many replies in a row that could not be written for a reason of this process (its
    model does not load, or dies), the worker leaves, if there is another one of its character."""

    lease_s: float = Field(default=6.0, gt=0)  # a killed worker is back within 10 s; told each 1 s
    """How long this worker counts as alive without a sign; renewed each second, or at a third of
    this. One that is killed and started again by the same name goes on after that."""

    branch_messages: int = Field(default=200, ge=2)
    """The model is never shown more messages than this."""

    reply_tokens: int | None = Field(default=None, ge=16)
    """The longest reply; unset, what the model's source allows."""

    batch_s: float = Field(default=0.03, ge=0)
    """Pause between two parts of a stream: 40 ms is about what a reader can see."""

    checkpoint_s: float = Field(default=0.1, ge=0)
    """How long shown text waits to be saved together with what follows."""

    unsaved_max_s: float = Field(default=0.15, gt=0)  # 0.25 is promised; a busy loop adds to it
    """Text goes no further to readers while text shown this long ago is not saved: what a crash
    can take from a reader is bounded, and a store that answers in time is never waited for."""

    drain_s: float = Field(default=5.0, ge=0)
    """How long replies may go on when the process is asked to stop; then they are interrupted."""

    retry_within_s: float = Field(default=5.0, ge=0)
    """A model that fails before its first text is asked again for this long, when that may
    help."""

    store_patience_s: float = Field(default=10.0, ge=0)
    """How long a reply may stay unsaved in a store in trouble before it is cut off."""

    titles: bool = True
    """Whether the model names conversations after their first reply."""

    title_timeout_s: float = Field(default=60.0, gt=0)
    """How long making a title may take."""
